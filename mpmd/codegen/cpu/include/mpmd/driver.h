// The interpreter of one core's steps.
//
// In:  the steps of the launch, and the kernel's functions. Out: the effects of the tasks.
// Not here: decoding and checking the tables (the pool does, when it opens a kernel).
#pragma once

#include "mpmd/channel.h"
#include "mpmd/drain.h"
#include "mpmd/late.h"
#include "mpmd/sync.h"

namespace mpmd {

// After every task. False when the launch was stopped.
inline bool goes_on(Core& core) {
  return !stopped(*core.launch) && (core.core != 0 || core.launch->tend(core));
}

inline void run_late(Core& core, const Function* functions, const Step& step) {
  if (const Word* row = finish_row(core, step)) functions[step.index](core, row);
}

// Takes items until there are none. False when the launch was stopped.
inline bool run_drain(Core& core, const Function* functions, const Step& drain, unsigned turn) {
  const Launch& launch = *core.launch;
  for (int item; (item = take(launch, drain, turn)) >= 0;) {
    run_late(core, functions, launch.items[drain.amount + item]);
    if (!goes_on(core)) return false;
  }
  return true;
}

// Whether the loop's flag `until` is set.
inline bool flag_is_set(const Core& core, const Loop& loop) {
  const char* flag = static_cast<const char*>(core.base[loop.until]) + loop.flag_offset;
  bool set = false;
  for (int i = 0; i < loop.flag_bytes; ++i) set |= flag[i] != 0;
  return set;
}

// The step before the next one: that of the LOOP, or of the END of a loop without iterations.
__attribute__((noinline)) inline int begin_loop(Core& core, int at) {
  const Step& step = core.launch->steps[at];
  Loop& loop = core.launch->loops[step.index];
  Progress& progress = core.launch->progress[core.core];
  if (core.core == 0) loop.ran = 0;
  if (loop.count == 0) return at + step.amount + 1;
  progress.iteration = 0;
  progress.turn = loop.before;
  return at;
}

// The step before the next one: that of the LOOP, or of this END. -1 when the launch was stopped.
__attribute__((noinline)) inline int end_iteration(Core& core, int at) {
  const Step& step = core.launch->steps[at];
  Loop& loop = core.launch->loops[step.index];
  Progress& progress = core.launch->progress[core.core];
  bool last = progress.iteration + 1 == loop.count;
  if (loop.until >= 0) {
    progress.step = at;
    if (!meet(core, loop.meeting)) return -1;
    last |= flag_is_set(core, loop);
    if (!meet(core, loop.meeting + 1)) return -1;
  }
  ++progress.iteration;
  ++progress.turn;
  if (!last) return at - step.amount - 1;
  if (core.core == 0) loop.ran = static_cast<unsigned>(progress.iteration);
  progress.turn = core.launch->epoch;
  return at;
}

// Runs every step of this core, in order. Returns early when the launch was stopped; its place then
// still names the wait in which it was.
inline void run_core(Core& core, const Function* functions) {
  Launch& launch = *core.launch;
  Progress& progress = launch.progress[core.core];
  progress.turn = launch.epoch;
  __atomic_store_n(&progress.place, RUNNING, __ATOMIC_RELAXED);
  __atomic_store_n(&progress.number, launch.number, __ATOMIC_RELEASE);
  const int end = launch.core_ptr[core.core + 1];
  for (int at = launch.core_ptr[core.core]; at < end; ++at) {
    const Step& step = launch.steps[at];
    switch (step.op) {
      case RUN:
        functions[step.index](core, step.row);
        if (!goes_on(core)) return;
        break;
      case SIGNAL:
        signal(launch, step, static_cast<unsigned>(step.amount));
        break;
      case BARRIER:
        if (!meet(core, at)) return;
        break;
      case LATE:
        progress.step = at;
        run_late(core, functions, step);
        if (!goes_on(core)) return;
        break;
      case LOOP:
        at = begin_loop(core, at);
        break;
      case END:
        at = end_iteration(core, at);
        if (at < 0) return;
        break;
      case DRAIN:
        if (!run_drain(core, functions, step, progress.turn)) return;
        break;
      default:
        if (!wait(core, at)) return;
    }
  }
  __atomic_store_n(&progress.place, DONE, __ATOMIC_RELEASE);
}

}  // namespace mpmd

extern "C" {
extern __attribute__((visibility("default"), weak)) const int mpmd_abi;
const int mpmd_abi = MPMD_ABI;
}

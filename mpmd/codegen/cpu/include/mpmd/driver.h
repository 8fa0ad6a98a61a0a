// The interpreter of one core's steps.
//
// In:  the steps of the launch, and the kernel's functions. Out: the effects of the tasks.
// Not here: decoding and checking the tables (the pool does, when it opens a kernel).
#pragma once

#include "mpmd/channel.h"
#include "mpmd/drain.h"
#include "mpmd/flag.h"
#include "mpmd/late.h"
#include "mpmd/prefetch.h"
#include "mpmd/stamp.h"
#include "mpmd/sync.h"

namespace mpmd {

// After every task. False when the launch was stopped.
inline bool goes_on(const Launch& launch, Core& core) {
  return !stopped(launch) && (core.core != 0 || launch.tend(core));
}

// `late` is the step itself, or one of the items of the DRAIN `step`. A task that is passed over has no span.
template <class Stamping>
inline void run_late(Core& core, const Function* functions, const Step& late, const Step& step, int item) {
  Stamping::begin(core, RUN_SPAN, step, item);
  if (const Word* row = finish_row(core, late)) {
    functions[late.index](core, row);
    Stamping::end(core);
  }
}

// As `take`.
template <class Stamping>
inline int take_stamped(Core& core, const Step& drain, unsigned turn) {
  Stamping::begin(core, TICKET_SPAN, drain, NO_ITEM);
  const int item = take(*core.launch, drain, turn);
  Stamping::took(core, item);
  Stamping::end(core);
  return item;
}

// Takes items until there are none. False when the launch was stopped.
template <class Stamping>
inline bool run_drain(Core& core, const Function* functions, const Step& drain, unsigned turn) {
  const Launch& launch = *core.launch;
  for (int item; (item = take_stamped<Stamping>(core, drain, turn)) >= 0;) {
    run_late<Stamping>(core, functions, launch.items[drain.amount + item], drain, item);
    if (!goes_on(launch, core)) return false;
  }
  return true;
}

// The step before the next one: that of the LOOP, or of the END of a loop without iterations.
inline const Step* begin_loop(Core& core, const Step* step) {
  Loop& loop = core.launch->loops[step->index];
  Progress& progress = core.launch->progress[core.core];
  if (core.core == 0) loop.ran = 0;
  if (loop.count == 0) return step + step->amount + 1;
  progress.iteration = 0;
  progress.turn = loop.before;
  return step;
}

// The step before the next one: that of the LOOP, or of this END. Null when the launch was stopped.
template <class Stamping>
inline const Step* end_iteration(Core& core, const Step* step) {
  const Launch& launch = *core.launch;
  Loop& loop = launch.loops[step->index];
  Progress& progress = launch.progress[core.core];
  bool last = progress.iteration + 1 == loop.count;
  if (loop.until >= 0) {
    progress.step = static_cast<int>(step - launch.steps);
    if (!meet<Stamping>(core, launch.steps[loop.meeting])) return nullptr;
    last |= flag_is_set(core.base, loop);
    if (!meet<Stamping>(core, launch.steps[loop.meeting + 1])) return nullptr;
  }
  ++progress.iteration;
  ++progress.turn;
  if (!last) return step - step->amount - 1;
  if (core.core == 0) loop.ran = static_cast<unsigned>(progress.iteration);
  progress.turn = launch.epoch;
  return step;
}

// LATE, LOOP, END, PREFETCH or DRAIN: the step before the next one, or null when the launch was stopped. Apart, so
// that the code for the others stays small.
template <class Stamping>
__attribute__((noinline)) inline const Step* run_other(Core& core, const Function* functions, const Step* step) {
  const Launch& launch = *core.launch;
  Progress& progress = launch.progress[core.core];
  switch (step->op) {
    case LATE:
      progress.step = static_cast<int>(step - launch.steps);
      run_late<Stamping>(core, functions, *step, *step, NO_ITEM);
      return goes_on(launch, core) ? step : nullptr;
    case LOOP:
      return begin_loop(core, step);
    case END:
      return end_iteration<Stamping>(core, step);
    case PREFETCH:
      prefetch(core, *step);
      return step;
    default:
      return run_drain<Stamping>(core, functions, *step, progress.turn) ? step : nullptr;
  }
}

// Runs every step of this core, in order. Returns early when the launch was stopped; its place then
// still names the wait in which it was.
template <class Stamping = Unstamped>
inline void run_core(Core& core, const Function* functions) {
  Launch& launch = *core.launch;
  Progress& progress = launch.progress[core.core];
  progress.turn = launch.turn;
  progress.iteration = launch.iteration;
  __atomic_store_n(&progress.place, RUNNING, __ATOMIC_RELAXED);
  __atomic_store_n(&progress.number, launch.number, __ATOMIC_RELEASE);
  const Step* const end = launch.steps + launch.ends[core.core];
  for (const Step* step = launch.steps + launch.begins[core.core]; step != end; ++step) {
    switch (step->op) {
      case RUN:
        Stamping::begin(core, RUN_SPAN, *step, NO_ITEM);
        functions[step->index](core, step->row);
        Stamping::end(core);
        if (!goes_on(launch, core)) return;
        break;
      case SIGNAL:
        signal(launch, *step, static_cast<unsigned>(step->amount));
        break;
      case WAIT:
        if (!wait<Stamping>(core, *step)) return;
        break;
      case BARRIER:
        if (!meet<Stamping>(core, *step)) return;
        break;
      default:
        step = run_other<Stamping>(core, functions, step);
        if (!step) return;
    }
  }
  __atomic_store_n(&progress.place, DONE, __ATOMIC_RELEASE);
}

}  // namespace mpmd

extern "C" {
extern __attribute__((visibility("default"), weak)) const int mpmd_abi;
const int mpmd_abi = MPMD_ABI;
}

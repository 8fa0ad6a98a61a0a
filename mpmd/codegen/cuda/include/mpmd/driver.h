// The interpreter of one core's steps: a block of threads is a core.
//
// In:  the launch, a stretch of the steps, and the kernel's functions. Out: the effects of the tasks.
// Not here: decoding and checking the tables (mpmd/codegen/cuda/device_tables.py, mpmd/schedule/check.py).
//
// Thread 0 walks through the steps; it signals and waits. When it comes to a task it says so in shared memory, and
// all threads run it between two barriers: what it acquired, all have; what they wrote, its next signal releases.
// A PREFETCH is a hint, and the copies that would do it are not there: it is passed over.
#pragma once

#include "mpmd/channel.h"
#include "mpmd/drain.h"
#include "mpmd/late.h"

namespace mpmd {

MPMD_INLINE bool flag_is_set(const Launch& launch, const Loop& loop) {
  const char* const flag = launch.base[loop.until] + loop.flag_offset;
  bool set = false;
  for (int i = 0; i < loop.flag_bytes; ++i) set |= flag[i] != 0;
  return set;
}

// Iterations of a loop before this launch, and where those before the next one are counted.
MPMD_INLINE unsigned& turns_of(const Launch& launch, unsigned epoch, int loop) {
  return launch.turns[(epoch % 2) * static_cast<unsigned>(launch.loop_count) + static_cast<unsigned>(loop)];
}

MPMD_INLINE void begin_loop(const Core& core, Walk& walk) {
  const Launch& launch = *core.launch;
  if (launch.loops[walk.step->index].count == 0) {
    walk.step += walk.step->amount + 1;
    return;
  }
  walk.iteration = 0;
  walk.turn = turns_of(launch, launch.epoch, walk.step->index);
}

// False when the launch was stopped.
MPMD_INLINE bool end_iteration(const Core& core, Walk& walk) {
  const Launch& launch = *core.launch;
  const int number = walk.step->index;
  const Loop& loop = launch.loops[number];
  bool last = walk.iteration + 1 == loop.count;
  if (loop.until >= 0) {
    const unsigned total = 2 * static_cast<unsigned>(launch.cores);
    if (!meet(core, walk, loop.meeting, launch.cores, total)) return false;
    last |= flag_is_set(launch, loop);
    if (!meet(core, walk, loop.meeting, 2 * launch.cores, total)) return false;
  }
  ++walk.iteration;
  ++walk.turn;
  if (!last) {
    walk.step -= walk.step->amount + 1;
    return true;
  }
  if (core.core == 0) turns_of(launch, launch.epoch + 1, number) = walk.turn;
  walk.turn = launch.epoch;
  return true;
}

// The task of a step, for all threads. False when it shall not run.
MPMD_INLINE bool ready(const Core& core, const Step& task, const Walk& walk) {
  control().row = finish_row(core, task, walk.iteration);
  control().function = task.index;
  Progress& progress = core.launch->progress[core.core];
  device::store_relaxed(&progress.iteration, walk.iteration);
  device::store_relaxed(&progress.step, static_cast<unsigned>(walk.step - core.launch->steps));
  return control().row != nullptr;
}

// The next item of a drain. False when there is none left.
MPMD_INLINE bool next_item(const Core& core, Walk& walk) {
  const Launch& launch = *core.launch;
  for (int item; (item = take(launch, *walk.step, walk.turn)) >= 0;) {
    if (ready(core, launch.items[walk.step->amount + item], walk)) return true;
    if (stopped(launch)) return false;
  }
  return false;
}

// Walks on to the next task. False at the end, or when the launch was stopped.
MPMD_DEVICE bool next_task(const Core& core, Walk& walk) {
  const Launch& launch = *core.launch;
  while (walk.step != walk.end && !stopped(launch)) {
    const Step& step = *walk.step;
    bool goes_on = true, runs = false;
    switch (step.op) {
      case RUN:
      case LATE:
        runs = ready(core, step, walk);
        break;
      case SIGNAL:
        signal(launch, step.index, static_cast<unsigned>(step.amount));
        break;
      case SIGNAL_WORD:
        signal_word(launch, step, walk.turn);
        break;
      case WAIT:
        goes_on = wait(core, walk, step.index, step.amount, step.total);
        break;
      case BARRIER:
        goes_on = meet(core, walk, step.index, step.amount, step.total);
        break;
      case LOOP:
        begin_loop(core, walk);
        break;
      case END:
        goes_on = end_iteration(core, walk);
        break;
      case DRAIN:
        if (next_item(core, walk)) return true;
        break;
      default:
        break;
    }
    if (!goes_on) return false;
    ++walk.step;
    if (runs) return true;
  }
  return false;
}

MPMD_INLINE Walk begin(const Core& core, int stretch, Word iteration) {
  const Launch& launch = *core.launch;
  const int at = stretch * launch.cores + core.core, loop = launch.stretch_loop[stretch];
  Progress& progress = launch.progress[core.core];
  device::store_relaxed(&progress.place, static_cast<unsigned>(RUNNING));
  device::store_relaxed(&progress.epoch, launch.epoch + 1);
  for (int l = 0; core.core == 0 && stretch == 0 && l < launch.loop_count; ++l) {
    turns_of(launch, launch.epoch + 1, l) = turns_of(launch, launch.epoch, l);
  }
  Walk walk{launch.steps + launch.begins[at], launch.steps + launch.ends[at], launch.epoch, 0};
  if (loop >= 0) {
    walk.turn = turns_of(launch, launch.epoch, loop) + static_cast<unsigned>(iteration);
    walk.iteration = static_cast<unsigned>(iteration);
    if (core.core == 0) turns_of(launch, launch.epoch + 1, loop) = walk.turn + 1;
  }
  return walk;
}

// The scratch memory of a function that needs so much: in shared memory if it fits.
template <Word Bytes>
MPMD_INLINE void give_scratch(Core& core) {
  const Launch& launch = *core.launch;
  core.scratch = Bytes <= launch.shared_scratch ? device::shared_memory() + launch.scratch_at
                                                : launch.slab + core.core * launch.slab_bytes;
}

// Runs every step of this core in a stretch, in order; the first iteration of a loop of the host's is 0.
// `task(core, function, row)` runs one of the kernel's functions.
template <class Task>
MPMD_INLINE void run_core(const Launch* launch, int stretch, Word iteration, Task task) {
  Core core{launch, nullptr, device::block()};
  Walk walk{};
  if (device::thread() == 0) walk = begin(core, stretch, iteration);
  for (;;) {
    if (device::thread() == 0 && !next_task(core, walk)) control().function = -1;
    device::barrier();
    const int function = control().function;
    const Word* const row = control().row;
    if (function < 0) break;
    task(core, function, row);
    device::barrier();
  }
  if (device::thread() == 0 && !stopped(*launch)) {
    device::store_relaxed(&launch->progress[core.core].place, static_cast<unsigned>(DONE));
  }
}

}  // namespace mpmd

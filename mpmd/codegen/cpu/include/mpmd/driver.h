// The interpreter of one core's steps.
//
// In:  the steps of the launch, and the kernel's functions. Out: the effects of the tasks.
// Not here: decoding and checking the tables (the pool does, when it opens a kernel).
#pragma once

#include "mpmd/sync.h"

namespace mpmd {

// Runs every step of this core, in order. Returns early when the launch was stopped; its place then
// still names the wait in which it was.
inline void run_core(Core& core, const Function* functions) {
  Launch& launch = *core.launch;
  Progress& progress = launch.progress[core.core];
  __atomic_store_n(&progress.place, RUNNING, __ATOMIC_RELAXED);
  __atomic_store_n(&progress.number, launch.number, __ATOMIC_RELEASE);
  const int end = launch.core_ptr[core.core + 1];
  for (int at = launch.core_ptr[core.core]; at < end; ++at) {
    const Step& step = launch.steps[at];
    switch (step.op) {
      case RUN:
        functions[step.index](core, step.row);
        if (stopped(launch)) return;
        if (core.core == 0 && !launch.tend(core)) return;
        break;
      case SIGNAL:
        signal(launch, step, step.amount);
        break;
      case BARRIER:
        signal(launch, step, 1);
        if (!wait(core, at)) return;
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

// Counters: how cores meet.
//
// In:  counters that only grow, and a launch's epoch. Out: signal (release) and wait (acquire).
// Not here: what to do in a long wait (`Launch::stall`, in the pool).
//
// A counter stands at epoch * total when a launch begins, and nothing is zeroed between launches.
// Differences are taken modulo 2^32, so that wrapping is harmless while one launch adds less than 2^32.
#pragma once

#include "mpmd/abi.h"

namespace mpmd {

// Between two looks at a counter.
#if defined(MPMD_RELAX)
void relax();  // the build's own: the litmus tests switch cores here
#else
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ __volatile__("yield" ::: "memory");
#endif
}
#endif

// What this launch has added to the counter of `step` so far.
inline unsigned have(const Launch& launch, const Step& step) {
  return __atomic_load_n(&launch.counters[step.index].value, __ATOMIC_ACQUIRE) - launch.epoch * step.total;
}

inline void signal(const Launch& launch, const Step& step, unsigned amount) {
  __atomic_fetch_add(&launch.counters[step.index].value, amount, __ATOMIC_RELEASE);
}

// Blocks until the counter of step number `at` has its amount. False when the launch was stopped.
inline bool wait(Core& core, int at) {
  const Launch& launch = *core.launch;
  const Step& step = launch.steps[at];
  if (have(launch, step) >= step.amount) return true;
  Progress& progress = launch.progress[core.core];
  progress.since = 0;
  __atomic_store_n(&progress.place, at, __ATOMIC_RELEASE);
  for (int look = 1; have(launch, step) < step.amount; ++look) {
    if (look < launch.spins) {
      relax();
    } else if (!launch.stall(core)) {
      return false;
    }
  }
  __atomic_store_n(&progress.place, RUNNING, __ATOMIC_RELEASE);
  return true;
}

}  // namespace mpmd

// Counters: how cores meet.
//
// In:  counters that only grow, and turns. Out: signal (release) and wait (acquire).
// Not here: what to do in a long wait (`Launch::stall`, in the pool).
//
// One pass through a stretch of steps is a turn: of straight code a launch, of a loop's body an iteration.
// Turns count from when the counters were zero, over all launches. A counter stands at turn * total when a
// turn begins that every core begins together; nothing is zeroed. An amount that is negative or 0 reaches
// back into earlier turns. Differences are taken modulo 2^32, so that wrapping is harmless while the turns
// of one launch add less than 2^31.
#pragma once

#include "mpmd/stamp.h"

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

// What has been added to the counter of `step` beyond all turns before `turn`.
inline int have(const Launch& launch, const Step& step, unsigned turn) {
  return static_cast<int>(__atomic_load_n(&launch.counters[step.index].value, __ATOMIC_ACQUIRE) - turn * step.total);
}

inline void signal(const Launch& launch, const Step& step, unsigned amount) {
  __atomic_fetch_add(&launch.counters[step.index].value, amount, __ATOMIC_RELEASE);
}

// Blocks until `met()`; `place` says what for, see `waiting_at`. False when the launch was stopped.
template <class Met>
__attribute__((noinline)) inline bool block(Core& core, long long place, const Met& met) {
  const Launch& launch = *core.launch;
  Progress& progress = launch.progress[core.core];
  progress.since = 0;
  __atomic_store_n(&progress.place, place, __ATOMIC_RELEASE);
  for (int look = 1; !met(); ++look) {
    if (look < launch.spins) {
      relax();
    } else if (!launch.stall(core)) {
      return false;
    }
  }
  __atomic_store_n(&progress.place, RUNNING, __ATOMIC_RELEASE);
  return true;
}

// Blocks until the counter of a step has its amount. False when the launch was stopped. A wait
// that is over at the first look has no span: its stamps would take longer.
template <class Stamping>
inline bool wait(Core& core, const Step& step) {
  const Launch& launch = *core.launch;
  const unsigned turn = launch.progress[core.core].turn;
  if (have(launch, step, turn) >= step.amount) return true;
  const long long place = waiting_at(static_cast<int>(&step - launch.steps), turn);
  Stamping::begin(core, step.op == BARRIER ? BARRIER_SPAN : WAIT_SPAN, step, NO_ITEM);
  const bool met = block(core, place, [&] { return have(launch, step, turn) >= step.amount; });
  Stamping::end(core);
  return met;
}

// All cores meet at a BARRIER. False when the launch was stopped.
template <class Stamping>
inline bool meet(Core& core, const Step& step) {
  signal(*core.launch, step, 1);
  return wait<Stamping>(core, step);
}

}  // namespace mpmd

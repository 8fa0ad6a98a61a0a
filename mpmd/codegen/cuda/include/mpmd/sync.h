// Counters: how cores meet. All of it is done by thread 0 of a block.
//
// In:  counters that only grow, and turns. Out: signal (release) and wait (acquire).
// Not here: which threads of the block see what thread 0 has seen (driver.h).
//
// One pass through a stretch of steps is a turn: of straight code a launch, of a loop's body an iteration.
// Turns count from when the counters were zero, over all launches. A counter stands at turn * total when a
// turn begins that every core begins together; nothing is zeroed. An amount that is negative or 0 reaches
// back into earlier turns. Differences are taken modulo 2^32, so that wrapping is harmless while the turns
// of one launch add less than 2^31.
//
// A launch hangs when every core waits, or is done, and none has moved for `patience`: a core that runs a task, or
// has not begun, may still signal.
#pragma once

#include "mpmd/row.h"

namespace mpmd {

constexpr int looks = 1 << 10;  // at a counter between two looks at the clock

// How far thread 0 has come.
struct Walk {
  const Step* step;
  const Step* end;
  unsigned turn;
  unsigned iteration;
};

// What has been added to a counter beyond all turns before `turn`.
MPMD_INLINE int have(const Launch& launch, int counter, unsigned total, unsigned turn) {
  return static_cast<int>(device::load_acquire(&launch.counters[counter].value) - turn * total);
}

MPMD_INLINE void signal(const Launch& launch, int counter, unsigned amount) {
  device::add_release(&launch.counters[counter].value, amount);
}

// Of the only core that signals: what the counter stands at is known.
MPMD_INLINE void signal_word(const Launch& launch, const Step& step, unsigned turn) {
  device::store_release(&launch.counters[step.index].value, turn * step.total + static_cast<unsigned>(step.amount));
}

// What the present places of all cores come to: the same number, if none has moved. 0 where one may yet go on.
MPMD_DEVICE unsigned standstill(const Launch& launch) {
  unsigned sum = 1;
  for (int core = 0; core < launch.cores; ++core) {
    const Progress& progress = launch.progress[core];
    const unsigned place = device::load_relaxed(&progress.place);
    if (device::load_relaxed(&progress.epoch) != launch.epoch + 1 || static_cast<int>(place) == RUNNING) return 0;
    sum = sum * 31 + place;
    sum = sum * 31 + device::load_relaxed(&progress.turn);
  }
  return sum | 1;
}

// Blocks until `count()` is at least `need`, in wrap-safe arithmetic. False when the launch was stopped.
template <class Count>
MPMD_INLINE bool block(const Core& core, int place, const Walk& walk, unsigned passed, int need, Count count) {
  const Launch& launch = *core.launch;
  int now = count();
  if (now >= need) return true;
  Progress& progress = launch.progress[core.core];
  device::store_relaxed(&progress.turn, passed);
  device::store_relaxed(&progress.iteration, walk.iteration);
  device::store_relaxed(&progress.need, static_cast<unsigned>(need));
  device::store_relaxed(&progress.have, static_cast<unsigned>(now));
  device::store_relaxed(&progress.place, static_cast<unsigned>(place));
  long long since = 0;
  unsigned stood = 0;
  for (int look = 1; (now = count()) < need; ++look) {
    device::pause();
    if (look % looks != 0) continue;
    if (stopped(launch)) return false;
    device::store_relaxed(&progress.have, static_cast<unsigned>(now));
    const unsigned still = standstill(launch);
    const long long time = device::nanoseconds();
    if (still == 0 || still != stood) {
      stood = still;
      since = time;
    } else if (time - since > launch.patience) {
      stop(launch, Failure{HANG, core.core, 0, 0, 0, 0, 0});
      return false;
    }
  }
  device::store_relaxed(&progress.place, static_cast<unsigned>(RUNNING));
  return true;
}

MPMD_INLINE bool wait(const Core& core, const Walk& walk, int counter, int amount, unsigned total) {
  const Launch& launch = *core.launch;
  const int place = static_cast<int>(walk.step - launch.steps);
  return block(core, place, walk, walk.turn, amount, [&] { return have(launch, counter, total, walk.turn); });
}

// All cores meet. False when the launch was stopped.
MPMD_INLINE bool meet(const Core& core, const Walk& walk, int counter, int amount, unsigned total) {
  signal(*core.launch, counter, 1);
  return wait(core, walk, counter, amount, total);
}

}  // namespace mpmd

// How far each worker's counter is from the launching thread's.
//
// In:  a worker that answers, on a CPU of its own. Out: the offset of its counter, and how wrong that can be.
// Not here: who posts the job (pool.cpp), ticks in seconds (recording.h).
//
// The caller asks for the worker's time and looks at its own before and after: the answer was read in between.
// The fastest of many round trips says it best (Cristian, "Probabilistic clock synchronization", 1989).
#pragma once

#include <sched.h>

#include "mpmd/sync.h"

namespace mpmd {

const unsigned ROUNDS = 400;            // some 100 µs where nobody is in the way
const unsigned FEWEST_ROUNDS = 3;       // that are made however long they take
const long long LONGEST_ASKING = 2000000;  // nanoseconds
const int LOOKS_FOR_ANSWER = 2000;

// The offset is to be subtracted from the worker's ticks.
struct Offset {
  long long ticks;
  long long error;
};

struct Asking : Core {
  alignas(64) unsigned asked;
  bool over;  // published by `asked`
  alignas(64) unsigned answered;
  Ticks answer;  // published by `answered`
};

inline void until_equal(const unsigned& word, unsigned value) {
  for (int look = 0; __atomic_load_n(&word, __ATOMIC_ACQUIRE) != value; ++look) {
    if (look < LOOKS_FOR_ANSWER) {
      relax();
    } else {
      sched_yield();
    }
  }
}

// The worker's side.
inline void answer_asking(Core* core) {
  Asking& asking = *static_cast<Asking*>(core);
  for (unsigned round = 1;; ++round) {
    until_equal(asking.asked, round);
    if (asking.over) return;
    asking.answer = ticks();
    __atomic_store_n(&asking.answered, round, __ATOMIC_RELEASE);
  }
}

// The caller's side; `elapsed` gives nanoseconds.
template <class Clock>
inline Offset ask(Asking& asking, const Clock& elapsed) {
  Offset best{0, 0};
  Ticks fastest = ~static_cast<Ticks>(0);
  const long long begun = elapsed();
  unsigned round = 1;
  for (; round <= ROUNDS; ++round) {
    if (round > FEWEST_ROUNDS && elapsed() - begun > LONGEST_ASKING) break;
    const Ticks before = ticks();
    __atomic_store_n(&asking.asked, round, __ATOMIC_RELEASE);
    until_equal(asking.answered, round);
    const Ticks trip = ticks() - before;
    if (trip >= fastest) continue;
    fastest = trip;
    best = Offset{static_cast<long long>(asking.answer - before - trip / 2), static_cast<long long>(trip / 2 + 1)};
  }
  asking.over = true;
  __atomic_store_n(&asking.asked, round, __ATOMIC_RELEASE);
  return best;
}

}  // namespace mpmd

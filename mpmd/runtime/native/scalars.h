// Launch scalars: the derived ones, the guards, and how often loops run.
//
// In:  the tables and the program's own scalars. Out: the derived scalars after them; the first guard
// that fails; the iterations of a loop.
// Not here: the words that depend on scalars (pool.cpp patches them), the arithmetic (mpmd/linear.h).
#pragma once

#include "mpmd/linear.h"
#include "tables.h"

namespace mpmd {

inline bool derive(const Tables& t, Word* scalar) {
  for (long long d = 0; d < t.derived; ++d) {
    if (!derive(t.term, t.derive[d], scalar, scalar[t.scalars + d])) return false;
  }
  return true;
}

inline int failed_guard(const Tables& t, const Word* scalar) {
  for (long long g = 0; g < t.guards; ++g) {
    const Wide value = linear(t.term, t.guard[g], scalar);
    if (value < t.guard[g][3] || value > t.guard[g][4]) return static_cast<int>(g);
  }
  return -1;
}

// How often a loop runs, or -1 where that is more than `most`.
inline Word iterations(const Tables& t, long long loop, const Word* scalar, Word most) {
  const Wide count = linear(t.term, t.loop[loop], scalar);
  return count > most ? -1 : count < 0 ? 0 : static_cast<Word>(count);
}

}  // namespace mpmd

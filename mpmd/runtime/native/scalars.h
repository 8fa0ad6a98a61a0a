// Launch scalars: the derived ones, and the guards.
//
// In:  the tables and the program's own scalars. Out: the derived scalars after them; the first guard
// that fails. Not here: the words that depend on scalars (pool.cpp patches them).
#pragma once

#include "tables.h"

namespace mpmd {

typedef __int128 Wide;

inline bool fits_word(Wide value) { return value == static_cast<Word>(value); }

// const + Σ coefficient × scalar: 128 bits hold it, since no honest table has 2^60 terms.
inline Wide linear(const Tables& t, const Word* row, const Word* scalar) {
  Wide sum = row[0];
  for (Word i = row[1]; i < row[2]; ++i) sum += static_cast<Wide>(t.term[i][1]) * scalar[t.term[i][0]];
  return sum;
}

inline Wide floor_divide(Wide a, Wide b) {
  if (b == 0) return 0;
  const Wide quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

inline Wide apply(Word op, Wide a, Wide b) {
  switch (op) {
    case 0:
      return floor_divide(a, b);
    case 1:
      return b == 0 ? 0 : a - floor_divide(a, b) * b;
    case 2:
      return a < b ? a : b;
    case 3:
      return a > b ? a : b;
    default:
      return a * b;
  }
}

inline bool derive(const Tables& t, Word* scalar) {
  for (long long d = 0; d < t.derived; ++d) {
    const Wide a = linear(t, t.derive[d] + 1, scalar), b = linear(t, t.derive[d] + 4, scalar);
    if (!fits_word(a) || !fits_word(b)) return false;
    const Wide value = apply(t.derive[d][0], a, b);
    if (!fits_word(value)) return false;
    scalar[t.scalars + d] = static_cast<Word>(value);
  }
  return true;
}

inline int failed_guard(const Tables& t, const Word* scalar) {
  for (long long g = 0; g < t.guards; ++g) {
    const Wide value = linear(t, t.guard[g], scalar);
    if (value < t.guard[g][3] || value > t.guard[g][4]) return static_cast<int>(g);
  }
  return -1;
}

}  // namespace mpmd

// Integers that late programs compute: linear sums, and the operations on two of them.
//
// In:  rows of the tables (const, first term, end term), values by number. Out: 128 bits, so that nothing
// overflows on the way; who keeps a result asks `fits_word`.
// Not here: which values there are (late.h), launch scalars: the host computes those.
#pragma once

#include "mpmd/row.h"

namespace mpmd {

typedef __int128 Wide;

MPMD_INLINE bool fits_word(Wide value) { return value == static_cast<Word>(value); }

// const + Σ coefficient × value: 128 bits hold it, since no honest table has 2^60 terms.
template <class Values>
MPMD_INLINE Wide linear(const Word (*term)[2], const Word* row, const Values& value) {
  Wide sum = row[0];
  for (Word i = row[1]; i < row[2]; ++i) sum += static_cast<Wide>(term[i][1]) * value[term[i][0]];
  return sum;
}

MPMD_INLINE Wide floor_divide(Wide a, Wide b) {
  if (b == 0) return 0;
  const Wide quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

MPMD_INLINE Wide apply(Word op, Wide a, Wide b) {
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

// A derived value from its row (op, and two linear sums). False when it leaves 64 bits.
template <class Values>
MPMD_INLINE bool derive(const Word (*term)[2], const Word* row, const Values& value, Word& result) {
  const Wide a = linear(term, row + 1, value), b = linear(term, row + 4, value);
  if (!fits_word(a) || !fits_word(b)) return false;
  const Wide wide = apply(row[0], a, b);
  result = static_cast<Word>(wide);
  return fits_word(wide);
}

}  // namespace mpmd

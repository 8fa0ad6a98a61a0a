// Integers that late programs compute: linear sums, and the operations on two of them.
//
// In:  words of the tables (const, first term, end term), values by number. Out: 64 bits, and whether they fit.
// Not here: which values there are (late.h), launch scalars: the host computes those.
//
// Cores have no wider integers, so every step is checked: a sum is refused too whose parts alone leave 64 bits.
#pragma once

#include "mpmd/core.h"

namespace mpmd {

struct Checked {
  Word value;
  bool fits;
};

constexpr Word kLeast = static_cast<Word>(1ULL << 63);

__aicore__ inline Word wrapped(uint64_t bits) { return static_cast<Word>(bits); }

__aicore__ inline Checked plus(Checked a, Checked b) {
  const Word sum = wrapped(static_cast<uint64_t>(a.value) + static_cast<uint64_t>(b.value));
  return {sum, a.fits && b.fits && ((a.value ^ sum) & (b.value ^ sum)) >= 0};
}

__aicore__ inline Checked times(Checked a, Checked b) {
  const Word product = wrapped(static_cast<uint64_t>(a.value) * static_cast<uint64_t>(b.value));
  const bool fits = b.value == 0 || (b.value == -1 ? a.value != kLeast : product / b.value == a.value);
  return {product, a.fits && b.fits && fits};
}

/// const + Σ coefficient × value.
template <class Values>
__aicore__ inline Checked linear(const __gm__ Word* terms, const __gm__ Word* row, const Values& value) {
  Checked sum{row[0], true};
  for (Word i = row[1]; i < row[2]; ++i)
    sum = plus(sum, times({terms[2 * i + 1], true}, {value[terms[2 * i]], true}));
  return sum;
}

/// A derived value from its words: op (0 floordiv, 1 mod, 2 min, 3 max, 4 mul), and two linear sums.
template <class Values>
__aicore__ inline Checked derive(const __gm__ Word* terms, const __gm__ Word* row, const Values& value) {
  const Checked a = linear(terms, row + 1, value), b = linear(terms, row + 4, value);
  const bool fits = a.fits && b.fits;
  if (row[0] == 4) return times(a, b);
  if (row[0] == 3) return {most(a.value, b.value), fits};
  if (row[0] == 2) return {least(a.value, b.value), fits};
  if (b.value == -1) return {row[0] == 1 ? 0 : wrapped(0 - static_cast<uint64_t>(a.value)), fits && (row[0] == 1 || a.value != kLeast)};
  if (row[0] == 1) return {b.value == 0 ? 0 : mod(a.value, b.value), fits};
  return {floordiv(a.value, b.value), fits};
}

}  // namespace mpmd

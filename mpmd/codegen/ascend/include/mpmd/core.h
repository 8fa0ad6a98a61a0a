// What a launch gives every core, and how a task finds its tensors.
//
// In:  the launch, by value; the tables, as flat 64-bit words in global memory.
// Out: pointers, extents, numbers.
// Not here: steps and sync between cores (driver.h), what tasks do (vector.h, cube.h).
#pragma once

#include "kernel_operator.h"

namespace mpmd {

using Word = int64_t;
using f32 = float;
constexpr int kBases = 32;

struct Launch {
  __gm__ uint8_t* base[kBases];  // arguments in order, then the arena
  __gm__ Word* table;            // see words.py
  __gm__ Word* lines;            // lines of 64 bytes: one per event, two per ring; zero before the first launch
  __gm__ Word* failures;         // a line per core, zero before each launch: see check.h
  __gm__ Word* rows;             // what late programs make of rows: room for each core
  Word epoch;                    // from 1, greater by one with each launch
};

using Row = const __gm__ Word*;

template <class T>
__aicore__ inline __gm__ T* tensor(const Launch& launch, Row row, int word) {
  return reinterpret_cast<__gm__ T*>(launch.base[row[word]] + row[word + 1]);
}

/// A float scalar of a row, which is the bits of an f64, as f32. Cores have no f64. What is too small is 0, too large
/// is infinite.
__aicore__ inline float number(Word word) {
  const uint64_t bits = static_cast<uint64_t>(word);
  const int64_t exponent = static_cast<int64_t>((bits >> 52) & 0x7FF) - 1023 + 127;
  const uint64_t half = (bits >> 28) & 1;  // rounds to nearest, ties away from zero
  union {
    uint32_t bits;
    float value;
  } both;
  const uint32_t large = 0x7F800000 | (exponent == 1151 && bits << 12 != 0 ? 0x400000 : 0);
  const uint32_t finite = exponent <= 0 ? 0 : static_cast<uint32_t>((exponent << 23 | (bits >> 29 & 0x7FFFFF)) + half);
  both.bits = exponent >= 255 ? large : finite;
  both.bits |= static_cast<uint32_t>(bits >> 63) << 31;
  return both.value;
}

template <class T>
__aicore__ inline T infinity() {
  return number(0x7FF0000000000000);
}

template <class T>
__aicore__ inline T nan() {
  return number(0x7FF8000000000000);
}

__aicore__ inline Word least(Word a, Word b) { return a < b ? a : b; }
__aicore__ inline Word most(Word a, Word b) { return a > b ? a : b; }
__aicore__ inline Word floordiv(Word a, Word b) {
  if (b == 0) return 0;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
__aicore__ inline Word mod(Word a, Word b) { return a - floordiv(a, b) * b; }

}  // namespace mpmd

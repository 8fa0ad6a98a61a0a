// Comparisons, selection and bits: what a vector core has no instruction for without the framework's memory.
//
// In:  tiles of 4-byte elements, tiles to work in. Out: tiles; a bool is 0 or -1, so that it selects bits.
// Not here: arithmetic, copies (vector.h).
//
// A core's own Compare leaves a bit for each element, and Select, which reads them, is not to be had beside tiles at
// fixed addresses (vendor's guide to static tensors). Integers are compared by what their difference from the larger
// is: 0 or not. Floats are compared as integers in the same order: the bits of the absolute value, with its sign.
#pragma once

#include "mpmd/access.h"
#include "mpmd/vector.h"

namespace mpmd {

enum class Order { less, less_equal, equal, differs };

/// Calls `at(first, count)` for each run of neighbours.
template <class F>
__aicore__ inline void each_run(Shape s, F at) {
  const Runs runs(s);
  for (uint32_t r = 0, first = 0; r < runs.count; ++r, first += s.pitch) at(first, static_cast<int32_t>(runs.length));
}

template <class T>
__aicore__ inline AscendC::LocalTensor<int16_t> bits(const Tile<T>& a) {
  return a.template ReinterpretCast<int16_t>();
}

template <class T>
__aicore__ inline Tile<int32_t> words(const Tile<T>& a) {
  return a.template ReinterpretCast<int32_t>();
}

template <class T, class U, class V>
__aicore__ inline void bit_and(const Tile<T>& out, const Tile<U>& a, const Tile<V>& b, Shape s) {
  each_run(s, [&](uint32_t r, int32_t n) { AscendC::And(bits(out[r]), bits(a[r]), bits(b[r]), 2 * n); });
}

template <class T, class U, class V>
__aicore__ inline void bit_or(const Tile<T>& out, const Tile<U>& a, const Tile<V>& b, Shape s) {
  each_run(s, [&](uint32_t r, int32_t n) { AscendC::Or(bits(out[r]), bits(a[r]), bits(b[r]), 2 * n); });
}

template <class T, class U>
__aicore__ inline void bit_not(const Tile<T>& out, const Tile<U>& a, Shape s) {
  each_run(s, [&](uint32_t r, int32_t n) { AscendC::Not(bits(out[r]), bits(a[r]), 2 * n); });
}

template <class T>
__aicore__ inline void bit_xor(const Tile<T>& out, const Tile<T>& a, const Tile<T>& b, const Tile<T>& work, Shape s) {
  using namespace AscendC;
  bit_and(work, a, b, s);
  bit_or(out, a, b, s);
  PipeBarrier<PIPE_V>();  // `work` is there
  bit_not(work, work, s);
  PipeBarrier<PIPE_V>();  // both are
  bit_and(out, out, work, s);
}

template <class T>
__aicore__ inline void shift_left(const Tile<T>& out, const Tile<T>& a, T by, Shape s) {
  each_run(s, [&](uint32_t r, int32_t n) { AscendC::ShiftLeft(out[r], a[r], by, n); });
}

template <class T>
__aicore__ inline void shift_right(const Tile<T>& out, const Tile<T>& a, T by, Shape s) {
  each_run(s, [&](uint32_t r, int32_t n) { AscendC::ShiftRight(out[r], a[r], by, n); });
}

/// The low bytes, with their sign or, if `K` has none, without.
template <class K>
__aicore__ inline void wrap_bytes(const Tile<int32_t>& out, const Tile<int32_t>& a, Shape s) {
  using namespace AscendC;
  shift_left(out, a, int32_t{24}, s);
  PipeBarrier<PIPE_V>();  // `out` begins with the byte
  shift_right(out.template ReinterpretCast<K>(), out.template ReinterpretCast<K>(), K{24}, s);
}

/// Whether each element is not 0: then it or its negative is below 0.
__aicore__ inline void nonzero(const Tile<int32_t>& out, const Tile<int32_t>& a, Shape s) {
  using namespace AscendC;
  muls(out, a, int32_t{-1}, s);
  PipeBarrier<PIPE_V>();  // the negatives are there
  bit_or(out, out, a, s);
  PipeBarrier<PIPE_V>();  // the sign is that of one of them
  shift_right(out, out, int32_t{31}, s);
}

template <Order order>
__aicore__ inline void compare(
    const Tile<int32_t>& out, const Tile<int32_t>& a, const Tile<int32_t>& b, const Tile<int32_t>& work, Shape s) {
  using namespace AscendC;
  constexpr bool opposite = order == Order::less_equal || order == Order::equal;
  if constexpr (order == Order::less) {  // the larger is not `a`
    maximum(work, a, b, s);
    PipeBarrier<PIPE_V>();  // the larger is there
    sub(work, work, a, s);
  } else if constexpr (order == Order::less_equal) {  // not so: the larger is not `b`
    maximum(work, a, b, s);
    PipeBarrier<PIPE_V>();  // the larger is there
    sub(work, work, b, s);
  } else {
    sub(work, a, b, s);
  }
  PipeBarrier<PIPE_V>();  // the difference is there
  nonzero(out, work, s);
  if constexpr (opposite) {
    PipeBarrier<PIPE_V>();  // the bools are there
    bit_not(out, out, s);
  }
}

/// Integers in the order of the floats; 0 and -0 are one.
__aicore__ inline void keys(const Tile<int32_t>& out, const Tile<float>& a, const Tile<int32_t>& work, Shape s) {
  using namespace AscendC;
  abs(work.template ReinterpretCast<float>(), a, s);
  shift_right(out, words(a), int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // -1 where the sign is set
  muls(out, out, int32_t{2}, s);
  PipeBarrier<PIPE_V>();  // twice
  adds(out, out, int32_t{1}, s);
  PipeBarrier<PIPE_V>();  // 1 or -1; `work` is there
  mul(out, out, work, s);
}

/// Whether each element is no number: its bits without the sign are above those of infinity.
__aicore__ inline void no_number(const Tile<int32_t>& out, const Tile<float>& a, Shape s) {
  using namespace AscendC;
  abs(out.template ReinterpretCast<float>(), a, s);
  PipeBarrier<PIPE_V>();  // without the sign
  muls(out, out, int32_t{-1}, s);
  PipeBarrier<PIPE_V>();  // negative
  adds(out, out, int32_t{0x7F800000}, s);
  PipeBarrier<PIPE_V>();  // below 0 if above
  shift_right(out, out, int32_t{31}, s);
}

/// What is no number differs from everything, and is neither less nor equal.
template <Order order>
__aicore__ inline void compare(
    const Tile<int32_t>& out, const Tile<float>& a, const Tile<float>& b, const Tile<int32_t>& key_a, const Tile<int32_t>& key_b,
    const Tile<int32_t>& work, Shape s) {
  using namespace AscendC;
  keys(key_a, a, work, s);
  PipeBarrier<PIPE_V>();  // `work` has been read
  keys(key_b, b, work, s);
  PipeBarrier<PIPE_V>();  // both are there
  compare<order>(out, key_a, key_b, work, s);
  no_number(key_a, a, s);
  no_number(key_b, b, s);
  PipeBarrier<PIPE_V>();  // both are there
  bit_or(work, key_a, key_b, s);
  PipeBarrier<PIPE_V>();  // one of two
  if constexpr (order == Order::differs) {
    bit_or(out, out, work, s);
  } else {
    bit_not(work, work, s);
    PipeBarrier<PIPE_V>();  // both are numbers
    bit_and(out, out, work, s);
  }
}

/// `a` where the bool is set, else `b`: bits as they are, whatever they mean.
template <class T>
__aicore__ inline void select(
    const Tile<T>& out, const Tile<int32_t>& which, const Tile<T>& a, const Tile<T>& b, const Tile<T>& work, Shape s) {
  using namespace AscendC;
  bit_and(work, which, a, s);
  bit_not(out, which, s);
  PipeBarrier<PIPE_V>();  // the others
  bit_and(out, out, b, s);
  PipeBarrier<PIPE_V>();  // both halves are there
  bit_or(out, out, work, s);
}

/// A row of `count` elements of `a`, the first of which is `start`; `steps` has their places in bytes.
template <class T>
__aicore__ inline void pick(const Tile<T>& out, const Tile<T>& a, const Tile<int32_t>& steps, Word start, uint32_t count) {
  if (count == 0) return;
  AscendC::Gather(out, a, steps.template ReinterpretCast<uint32_t>(), static_cast<uint32_t>(start * sizeof(T)), count);
}

}  // namespace mpmd

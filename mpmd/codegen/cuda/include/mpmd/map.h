// Loops over a tile for elementwise bodies, shared by the threads of the block.
//
// In:  extents and a body `(L, i, …, j)`, where L is the lane tag.
// Out: the body run once for every place, neighbours along the last axis by neighbouring threads.
// Not here: what the body computes; reductions (reduce.h); the barrier between loops that need each other's
// elements: the emitted text has it.
#pragma once

#include "mpmd/math.h"

namespace mpmd {

template <int Bytes, class Body>
MPMD_INLINE void map(Word n, Body body) {
  for (Word j = device::thread(); j < n; j += device::threads) body(One{}, j);
}
template <int Bytes, class Body>
MPMD_INLINE void map(Word n0, Word n, Body body) {
  map<Bytes>(n0 * n, [&](One l, Word at) MPMD_BODY { body(l, at / n, at % n); });
}
template <int Bytes, class Body>
MPMD_INLINE void map(Word n0, Word n1, Word n, Body body) {
  map<Bytes>(n0, n1 * n, [&](One l, Word h, Word at) MPMD_BODY { body(l, h, at / n, at % n); });
}
template <int Bytes, class Body>
MPMD_INLINE void map(Word n0, Word n1, Word n2, Word n, Body body) {
  map<Bytes>(n0, n1, n2 * n, [&](One l, Word g, Word h, Word at) MPMD_BODY { body(l, g, h, at / n, at % n); });
}

// A rank-0 value: every thread computes it.
template <int Bytes, class Body>
MPMD_INLINE auto scalar(Body body) {
  return first_lane(body(One{}));
}

// A rank-0 result that all threads of the block have, into memory.
template <class T>
MPMD_INLINE void put(T* place, T value) {
  if (device::thread() == 0) *place = value;
}

// The rows of a loop whose rows are shared by the warps; and a result that a warp's lanes have.
MPMD_INLINE Word first_row() { return device::warp(); }
constexpr Word rows_apart = device::warps;
template <class T>
MPMD_INLINE void put_row(T* place, T value) {
  if (device::lane() == 0) *place = value;
}

}  // namespace mpmd

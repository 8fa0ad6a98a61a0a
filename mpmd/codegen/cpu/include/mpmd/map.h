// Loops over a tile for elementwise bodies: whole vectors along the last axis, then the rest.
//
// In:  extents and a body `(L, i, …, j)`, where L is a lane tag and j its first element.
// Out: the body run once for every place. Not here: what the body computes; reductions (reduce.h).
// `Bytes` is the size of the widest element that the body handles; it sets the lane count.
#pragma once

#include "mpmd/math.h"

namespace mpmd {

template <int Bytes, class Body>
MPMD_INLINE void map(Word n, Body body) {
  constexpr int N = lanes<Bytes>;
  Word j = 0;
  for (; j + N <= n; j += N) body(Full<N>{}, j);
  if (j < n) body(Part<N>{static_cast<int>(n - j)}, j);
}
template <int Bytes, class Body>
MPMD_INLINE void map(Word n0, Word n, Body body) {
  for (Word i = 0; i < n0; ++i) {
    map<Bytes>(n, [&](auto L, Word j) MPMD_BODY { body(L, i, j); });
  }
}
template <int Bytes, class Body>
MPMD_INLINE void map(Word n0, Word n1, Word n, Body body) {
  for (Word h = 0; h < n0; ++h) {
    map<Bytes>(n1, n, [&](auto L, Word i, Word j) MPMD_BODY { body(L, h, i, j); });
  }
}
template <int Bytes, class Body>
MPMD_INLINE void map(Word n0, Word n1, Word n2, Word n, Body body) {
  for (Word g = 0; g < n0; ++g) {
    map<Bytes>(n1, n2, n, [&](auto L, Word h, Word i, Word j) MPMD_BODY { body(L, g, h, i, j); });
  }
}

// A rank-0 value: the body's result in its first lane.
template <int Bytes, class Body>
MPMD_INLINE auto scalar(Body body) {
  return first_lane(body(Part<scalar_lanes<Bytes>>{1}));
}

}  // namespace mpmd

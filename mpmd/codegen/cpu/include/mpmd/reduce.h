// Reductions: sums, products, extrema, any/all, and the position of an extremum.
//
// In:  the extent and a body that gives the elements. Out: a scalar (`fold`, along the vectors) or a
//      vector of results (`fold_each`, across them).
// Not here: the loops over what is kept (map.h, or plain loops in the emitted text).
//
// The order of additions depends on the extent and the vector width alone, so results repeat.
#pragma once

#include "mpmd/map.h"

namespace mpmd {

template <class T, int N>
MPMD_INLINE Vec<T, N> all_lanes(T x) {
  return splat(Full<N>{}, x);
}

// The value that a reduction starts from, and how two of them join.
struct Sum {
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> start() {
    return {Raw<Lane<T>, N>{}};
  }
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> join(Vec<T, N> a, Vec<T, N> b) {
    return add(a, b);
  }
};
struct Prod {
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> start() {
    return {raw_splat<Lane<T>, N>(1)};
  }
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> join(Vec<T, N> a, Vec<T, N> b) {
    return mul(a, b);
  }
};
struct Max {
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> start() {
    if constexpr (is_float<T>) {
      return {raw_splat<Lane<T>, N>(static_cast<Lane<T>>(-__builtin_inf()))};
    } else {
      return {raw_splat<T, N>(smallest<T>)};
    }
  }
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> join(Vec<T, N> a, Vec<T, N> b) {
    return maximum(a, b);
  }
};
struct Min {
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> start() {
    if constexpr (is_float<T>) {
      return {raw_splat<Lane<T>, N>(static_cast<Lane<T>>(__builtin_inf()))};
    } else {
      return {raw_splat<T, N>(largest<T>)};
    }
  }
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> join(Vec<T, N> a, Vec<T, N> b) {
    return minimum(a, b);
  }
};
struct Any {
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> start() {
    return {Raw<i32, N>{}};
  }
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> join(Vec<T, N> a, Vec<T, N> b) {
    return bit_or(a, b);
  }
};
struct All {
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> start() {
    return {~Raw<i32, N>{}};
  }
  template <class T, int N>
  static MPMD_INLINE Vec<T, N> join(Vec<T, N> a, Vec<T, N> b) {
    return bit_and(a, b);
  }
};

// A vector with only the lanes of the tag from `v`, the others from `rest`.
template <class T, int N>
MPMD_INLINE Vec<T, N> only(Full<N>, Vec<T, N> v, Vec<T, N>) {
  return v;
}
template <class T, int N>
MPMD_INLINE Vec<T, N> only(Part<N> l, Vec<T, N> v, Vec<T, N> rest) {
  return where(Vec<bool, N>{ramp<i32, N>() < l.count}, v, rest);
}

// A rank-0 result into memory.
template <class T>
MPMD_INLINE void put(T* place, T value) {
  *place = value;
}

// The lanes joined in pairs, pairs of pairs, …
template <class Op, class T, int N>
MPMD_INLINE T fold_lanes(Vec<T, N> v) {
  if constexpr (N == 1) {
    return first_lane(v);
  } else {
    Vec<T, N / 2> half[2];
    __builtin_memcpy(half, &v, sizeof v);
    return fold_lanes<Op>(Op::join(half[0], half[1]));
  }
}

// Elements lie along the vectors: `body(L, k)` gives those from k on.
template <class Op, class T, int Bytes, class Body>
MPMD_INLINE T fold(Word n, Body body) {
  constexpr int N = lanes<Bytes>;
  Vec<T, N> a[4];
  for (int u = 0; u < 4; ++u) a[u] = Op::template start<T, N>();
  Word k = 0;
  for (; k + 4 * N <= n; k += 4 * N) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) a[u] = Op::join(a[u], body(Full<N>{}, k + u * N));
  }
  for (; k + N <= n; k += N) a[0] = Op::join(a[0], body(Full<N>{}, k));
  if (k < n) {
    const Part<N> rest{static_cast<int>(n - k)};
    a[1] = Op::join(a[1], only(rest, body(rest, k), Op::template start<T, N>()));
  }
  return fold_lanes<Op>(Op::join(Op::join(a[0], a[1]), Op::join(a[2], a[3])));
}

// Elements lie across the vectors: `body(k)` gives the k-th of every lane.
template <class Op, class T, class Tag, class Body>
MPMD_INLINE Vec<T, Tag::lanes> fold_each(Tag, Word n, Body body) {
  Vec<T, Tag::lanes> a = Op::template start<T, Tag::lanes>();
  for (Word k = 0; k < n; ++k) a = Op::join(a, body(k));
  return a;
}

// -- positions -----------------------------------------------------------------------------------

// The best element of each lane so far, and where it was. A NaN is better than any number.
template <class T, int N>
struct Best {
  Vec<T, N> value;
  Raw<i64, N> at;
};

template <bool Larger, class T, int N>
MPMD_INLINE Raw<i64, N> beats(Vec<T, N> a, Vec<T, N> b) {
  Vec<bool, N> better = Larger ? gt(a, b) : lt(a, b);
  if constexpr (is_float<T>) better = bit_or(better, bit_and(ne(a, a), eq(b, b)));
  return mask_for<i64, N>(better.r);
}

template <bool Larger, class T, int N>
MPMD_INLINE void consider(Best<T, N>& best, Vec<T, N> x, Raw<i64, N> at, Raw<i64, N> eligible) {
  const Raw<i64, N> take = eligible & (beats<Larger>(x, best.value) | (best.at < 0));
  best.value = where(Vec<bool, N>{__builtin_convertvector(take, Raw<i32, N>)}, x, best.value);
  best.at = take ? at : best.at;
}

// `Bytes` is 8 for these: positions are i64.
template <bool Larger, class T, int Bytes, class Body>
MPMD_INLINE i64 find(Word n, Body body) {
  constexpr int N = lanes<Bytes>;
  const Raw<i64, N> ids = ramp<i64, N>();
  Best<T, N> best = {{Raw<Lane<T>, N>{}}, Raw<i64, N>{} - 1};
  map<Bytes>(n, [&](auto L, Word k) MPMD_BODY {
    consider<Larger>(best, body(L, k), ids + k, ids < static_cast<i64>(L.count));
  });
  Vec<T, 1> winner = {Raw<Lane<T>, 1>{best.value.r[0]}};
  i64 at = best.at[0];
  for (int lane = 1; lane < N; ++lane) {
    const Vec<T, 1> x = {Raw<Lane<T>, 1>{best.value.r[lane]}};
    const bool same_rank = !beats<Larger>(x, winner)[0] && !beats<Larger>(winner, x)[0];
    const bool take = best.at[lane] >= 0 && (beats<Larger>(x, winner)[0] || (same_rank && best.at[lane] < at));
    winner = take ? x : winner;
    at = take ? best.at[lane] : at;
  }
  return n > 0 ? at : 0;
}

template <bool Larger, class T, class Tag, class Body>
MPMD_INLINE Vec<i64, Tag::lanes> find_each(Tag, Word n, Body body) {
  constexpr int N = Tag::lanes;
  Best<T, N> best = {{Raw<Lane<T>, N>{}}, Raw<i64, N>{} - 1};
  for (Word k = 0; k < n; ++k) consider<Larger>(best, body(k), raw_splat<i64, N>(k), ~Raw<i64, N>{});
  return {n > 0 ? best.at : Raw<i64, N>{}};
}

}  // namespace mpmd

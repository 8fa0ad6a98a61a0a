// Reductions: sums, products, extrema, any/all, and the position of an extremum.
//
// In:  the extent and a body that gives the elements.
// Out: a scalar that all threads of the block have (`fold`, `find`), or all lanes of a warp (`fold_row`,
//      `find_row`), or each thread alone (`fold_each`, `find_each`).
// Not here: the loops over what is kept (map.h, or plain loops in the emitted text).
//
// Each lane takes every 32nd (or 256th) element, then lanes are joined in pairs and warps in order: the order of
// additions depends on the extent alone, so results repeat.
#pragma once

#include "mpmd/shared.h"

namespace mpmd {

// The value that a reduction starts from, and how two of them join.
struct Sum {
  template <class T>
  static MPMD_INLINE Vec<T> start() {
    return {Lane<T>{}};
  }
  template <class T>
  static MPMD_INLINE Vec<T> join(Vec<T> a, Vec<T> b) {
    return add(a, b);
  }
};
struct Prod {
  template <class T>
  static MPMD_INLINE Vec<T> start() {
    return {static_cast<Lane<T>>(1)};
  }
  template <class T>
  static MPMD_INLINE Vec<T> join(Vec<T> a, Vec<T> b) {
    return mul(a, b);
  }
};
struct Max {
  template <class T>
  static MPMD_INLINE Vec<T> start() {
    if constexpr (is_float<T>) {
      return {-infinity<Lane<T>>()};
    } else {
      return {smallest<T>};
    }
  }
  template <class T>
  static MPMD_INLINE Vec<T> join(Vec<T> a, Vec<T> b) {
    return maximum(a, b);
  }
};
struct Min {
  template <class T>
  static MPMD_INLINE Vec<T> start() {
    if constexpr (is_float<T>) {
      return {infinity<Lane<T>>()};
    } else {
      return {largest<T>};
    }
  }
  template <class T>
  static MPMD_INLINE Vec<T> join(Vec<T> a, Vec<T> b) {
    return minimum(a, b);
  }
};
struct Any {
  template <class T>
  static MPMD_INLINE Vec<T> start() {
    return {false};
  }
  template <class T>
  static MPMD_INLINE Vec<T> join(Vec<T> a, Vec<T> b) {
    return bit_or(a, b);
  }
};
struct All {
  template <class T>
  static MPMD_INLINE Vec<T> start() {
    return {true};
  }
  template <class T>
  static MPMD_INLINE Vec<T> join(Vec<T> a, Vec<T> b) {
    return bit_and(a, b);
  }
};

// -- lanes, warps --------------------------------------------------------------------------------

// A value of another lane, word by word.
template <class V, class Move>
MPMD_INLINE V moved(V value, Move move) {
  constexpr int count = (sizeof(V) + 3) / 4;
  unsigned words[count] = {};
  device::copy(words, &value, sizeof value);
  for (int i = 0; i < count; ++i) words[i] = move(words[i]);
  device::copy(&value, words, sizeof value);
  return value;
}

// What all lanes of a warp have, joined in pairs and given to all.
template <class V, class Join>
MPMD_INLINE V joined_lanes(V value, Join join) {
#pragma unroll
  for (int by = device::lanes / 2; by > 0; by /= 2) {
    value = join(value, moved(value, [&](unsigned word) { return device::shuffle_down(word, by); }));
  }
  return moved(value, [](unsigned word) { return device::shuffle(word, 0); });
}

// The same of all threads of a block. It meets all of them before and after.
template <class V, class Join>
MPMD_INLINE V joined_threads(V value, Join join) {
  V* const parts = exchange<V>();
  value = joined_lanes(value, join);
  if (device::lane() == 0) parts[device::warp()] = value;
  device::barrier();
  V all = parts[0];
  for (int w = 1; w < device::warps; ++w) all = join(all, parts[w]);
  device::barrier();
  return all;
}

// The elements first, first + step, … of n.
template <class Op, class T, class Body>
MPMD_INLINE Vec<T> fold_from(int first, int step, Word n, Body body) {
  Vec<T> a = Op::template start<T>();
  for (Word k = first; k < n; k += step) a = Op::join(a, body(One{}, k));
  return a;
}

template <class Op, class T, int Bytes, class Body>
MPMD_INLINE T fold(Word n, Body body) {
  const Vec<T> own = fold_from<Op, T>(device::thread(), device::threads, n, body);
  return first_lane(joined_threads(own, [](Vec<T> a, Vec<T> b) { return Op::join(a, b); }));
}
template <class Op, class T, int Bytes, class Body>
MPMD_INLINE T fold_row(Word n, Body body) {
  const Vec<T> own = fold_from<Op, T>(device::lane(), device::lanes, n, body);
  return first_lane(joined_lanes(own, [](Vec<T> a, Vec<T> b) { return Op::join(a, b); }));
}
template <class Op, class T, class Body>
MPMD_INLINE Vec<T> fold_each(One, Word n, Body body) {
  Vec<T> a = Op::template start<T>();
  for (Word k = 0; k < n; ++k) a = Op::join(a, body(k));
  return a;
}

// -- positions -----------------------------------------------------------------------------------

// The best element so far, and where it was: −1 before there is one. A NaN is better than any number.
template <class T>
struct Best {
  Vec<T> value;
  i64 at;
};

template <bool Larger, class T>
MPMD_INLINE bool beats(Vec<T> a, Vec<T> b) {
  if constexpr (is_float<T>) {
    if (a.x != a.x) return b.x == b.x;
  }
  return Larger ? a.x > b.x : a.x < b.x;
}

// The first of equals.
template <bool Larger, class T>
MPMD_INLINE Best<T> better(Best<T> a, Best<T> b) {
  if (a.at < 0 || b.at < 0) return a.at < 0 ? b : a;
  if (beats<Larger>(a.value, b.value)) return a;
  if (beats<Larger>(b.value, a.value)) return b;
  return a.at < b.at ? a : b;
}

template <bool Larger, class T, class Body>
MPMD_INLINE Best<T> find_from(int first, int step, Word n, Body body) {
  Best<T> best = {{Lane<T>{}}, -1};
  for (Word k = first; k < n; k += step) best = better<Larger>(best, Best<T>{body(One{}, k), k});
  return best;
}

template <bool Larger, class T, int Bytes, class Body>
MPMD_INLINE i64 find(Word n, Body body) {
  const Best<T> own = find_from<Larger, T>(device::thread(), device::threads, n, body);
  const i64 at = joined_threads(own, [](Best<T> a, Best<T> b) { return better<Larger>(a, b); }).at;
  return at < 0 ? 0 : at;
}
template <bool Larger, class T, int Bytes, class Body>
MPMD_INLINE i64 find_row(Word n, Body body) {
  const Best<T> own = find_from<Larger, T>(device::lane(), device::lanes, n, body);
  const i64 at = joined_lanes(own, [](Best<T> a, Best<T> b) { return better<Larger>(a, b); }).at;
  return at < 0 ? 0 : at;
}
template <bool Larger, class T, class Body>
MPMD_INLINE Vec<i64> find_each(One, Word n, Body body) {
  Best<T> best = {{Lane<T>{}}, -1};
  for (Word k = 0; k < n; ++k) best = better<Larger>(best, Best<T>{body(k), k});
  return {n > 0 ? best.at : 0};
}

}  // namespace mpmd

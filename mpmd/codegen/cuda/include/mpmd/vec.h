// Elements in a thread's registers: types, loads and stores.
//
// In:  pointers. Out: `Vec<T>`, an element of type T as it is computed with, and the lane tag `One`, with
// which the bodies of loops are called: a thread handles one element at a time.
// Not here: arithmetic (arith.h, math.h), conversions (cast.h), which thread has which element (map.h).
#pragma once

#include "mpmd/device.h"

namespace mpmd {

// What an element is computed in: f32 for the 16-bit floats.
template <class T>
struct LaneOf {
  typedef T type;
};
template <>
struct LaneOf<f16> {
  typedef f32 type;
};
template <>
struct LaneOf<bf16> {
  typedef f32 type;
};
template <class T>
using Lane = typename LaneOf<T>::type;

template <int Bytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  typedef u8 type;
};
template <>
struct UnsignedOf<4> {
  typedef unsigned type;
};
template <>
struct UnsignedOf<8> {
  typedef unsigned long long type;
};
template <class T>
using Unsigned = typename UnsignedOf<sizeof(T)>::type;

template <class A, class B>
constexpr bool same = false;
template <class A>
constexpr bool same<A, A> = true;
template <class T>
constexpr bool is_float = same<Lane<T>, f32> || same<Lane<T>, f64>;
template <class T>
constexpr bool is_short_float = same<T, f16> || same<T, bf16>;

template <class T>
struct Plain {
  typedef T type;
};
template <class T>
struct Plain<const T> {
  typedef T type;
};

template <class T>
struct Vec {
  typedef T element;
  Lane<T> x;
};

struct One {};

// Of f32 and f64.
template <class T>
MPMD_INLINE T infinity() {
  return static_cast<T>(device::infinity());
}
template <class T>
MPMD_INLINE T nan() {
  return static_cast<T>(device::not_a_number());
}

template <class T>
MPMD_INLINE Vec<T> unpacked(T x) {
  if constexpr (same<T, f16>) {
    return {device::f16_value(x.bits)};
  } else if constexpr (same<T, bf16>) {
    return {device::bf16_value(x.bits)};
  } else {
    return {x};
  }
}
template <class T>
MPMD_INLINE T packed(Vec<T> v) {
  if constexpr (same<T, f16>) {
    return {device::f16_bits(v.x)};
  } else if constexpr (same<T, bf16>) {
    return {device::bf16_bits(v.x)};
  } else {
    return v.x;
  }
}

// The result of an operation, rounded to T where T is shorter.
template <class T>
MPMD_INLINE Vec<T> narrow(Lane<T> x) {
  if constexpr (is_short_float<T>) {
    return unpacked<T>(packed<T>(Vec<T>{x}));
  } else {
    return {x};
  }
}

template <class T>
MPMD_INLINE Vec<typename Plain<T>::type> load(One, T* p) {
  return unpacked<typename Plain<T>::type>(*p);
}
template <class T>
MPMD_INLINE void store(One, T* p, Vec<T> v) {
  *p = packed(v);
}

// Of several elements `stride` apart a thread has the first.
template <class T>
MPMD_INLINE Vec<typename Plain<T>::type> load(One l, T* p, Word) {
  return load(l, p);
}
template <class T>
MPMD_INLINE void store(One l, T* p, Word, Vec<T> v) {
  store(l, p, v);
}

// A row picked by an index.
template <class T, class Id>
MPMD_INLINE Vec<T> pick(One l, const T* table, Word row, Word, const Id* ids, Word) {
  return load(l, table + static_cast<Word>(*ids) * row);
}

template <class T>
MPMD_INLINE Vec<T> splat(One, T x) {
  return unpacked<T>(x);
}
template <class T>
MPMD_INLINE T first_lane(Vec<T> v) {
  return packed(v);
}

MPMD_INLINE Vec<i64> iota(One, Word start, Word) { return {start}; }

}  // namespace mpmd

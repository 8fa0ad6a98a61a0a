// Conversions between element types, as the language defines them.
//
// In:  a `Vec`. Out: the same lanes in another element type. Not here: loads and stores (vec.h).
// A float becomes an integer by truncation and saturates, NaN gives 0; integers wrap; to bool asks
// `!= 0`; a 16-bit float is reached through f32.
#pragma once

#include "mpmd/vec.h"

namespace mpmd {

template <class T>
constexpr bool is_unsigned = static_cast<T>(-1) > static_cast<T>(0);

template <class T>
constexpr T largest = is_unsigned<T> ? static_cast<T>(-1)
                                     : static_cast<T>((static_cast<Unsigned<T>>(1) << (sizeof(T) * 8 - 1)) - 1);
template <class T>
constexpr T smallest = is_unsigned<T> ? static_cast<T>(0) : static_cast<T>(-largest<T> - 1);

// Lanes of −1 and 0 in a mask of other lanes.
template <class To, int N>
MPMD_INLINE Raw<Signed<To>, N> mask_for(Raw<i32, N> mask) {
  if constexpr (sizeof(To) == 4) {
    return mask;
  } else {
    return __builtin_convertvector(mask, Raw<Signed<To>, N>);
  }
}

template <class F, int N>
MPMD_INLINE Vec<bool, N> mask_of(F mask) {
  if constexpr (sizeof(mask) == 4 * N) {
    return {(Raw<i32, N>)mask};
  } else {
    return {__builtin_convertvector(mask, Raw<i32, N>)};
  }
}

template <class To, class From, int N>
MPMD_INLINE Raw<To, N> saturate(Raw<From, N> x) {
  typedef Raw<Signed<From>, N> Mask;
  constexpr From low = static_cast<From>(smallest<To>);
  constexpr From half = static_cast<From>(static_cast<Unsigned<To>>(1) << (sizeof(To) * 8 - 2));
  constexpr From high = sizeof(To) < 4 ? static_cast<From>(largest<To>) + 1 : 2 * half;
  // Bytes go by way of i32, whose conversion is exact wherever the result is kept.
  typedef typename IntegerOf<(sizeof(To) < 4 ? 4 : sizeof(To))>::type Middle;
  const Mask below = x <= low, above = x >= high, inside = ~(below | above) & (x == x);
  const Raw<Middle, N> whole = __builtin_convertvector(inside ? x : Raw<From, N>{}, Raw<Middle, N>);
  typedef Raw<Signed<Middle>, N> Wide;
  const Wide is_below = __builtin_convertvector(below, Wide), is_above = __builtin_convertvector(above, Wide);
  Raw<Middle, N> r = is_below ? raw_splat<Middle, N>(smallest<To>) : whole;
  r = is_above ? raw_splat<Middle, N>(largest<To>) : r;
  return __builtin_convertvector(r, Raw<To, N>);
}

// f64 and integers, rounded once to f32.
template <class From, int N>
MPMD_INLINE Raw<f32, N> to_f32(Raw<From, N> x) {
  if constexpr (same<From, f32>) {
    return x;
  } else {
    return __builtin_convertvector(x, Raw<f32, N>);
  }
}

template <class To, class From, int N>
MPMD_INLINE Vec<To, N> cast(Vec<From, N> v) {
  typedef Lane<From> Source;
  if constexpr (same<To, From>) {
    return v;
  } else if constexpr (same<To, bool>) {
    return mask_of<decltype(v.r != 0), N>(v.r != 0);
  } else if constexpr (same<From, bool>) {
    if constexpr (is_float<To>) {
      return {__builtin_convertvector(v.r & 1, Raw<Lane<To>, N>)};
    } else {
      return {__builtin_convertvector(v.r & 1, Raw<To, N>)};
    }
  } else if constexpr (is_short_float<To>) {
    return narrow<To, N>(to_f32<Source, N>(v.r));
  } else if constexpr (is_float<From> && !is_float<To>) {
    return {saturate<To, Source, N>(v.r)};
  } else if constexpr (same<Source, Lane<To>>) {
    return {v.r};
  } else {
    return {__builtin_convertvector(v.r, Raw<Lane<To>, N>)};
  }
}

}  // namespace mpmd

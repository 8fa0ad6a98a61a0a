// Conversions between element types, as the language defines them.
//
// In:  a `Vec`. Out: the same element in another type. Not here: loads and stores (vec.h).
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

// `high` is the power of two behind the largest integer, which the float type has exactly.
template <class To, class From>
MPMD_INLINE To saturated(From x) {
  constexpr From low = static_cast<From>(smallest<To>);
  constexpr From half = static_cast<From>(static_cast<Unsigned<To>>(1) << (sizeof(To) * 8 - 2));
  constexpr From high = is_unsigned<To> ? 4 * half : 2 * half;
  if (!(x == x)) return To{};
  if (x <= low) return smallest<To>;
  return x >= high ? largest<To> : static_cast<To>(x);
}

template <class To, class From>
MPMD_INLINE Vec<To> cast(Vec<From> v) {
  if constexpr (same<To, From>) {
    return v;
  } else if constexpr (same<To, bool>) {
    return {v.x != 0};
  } else if constexpr (is_short_float<To>) {
    return narrow<To>(static_cast<f32>(v.x));
  } else if constexpr (is_float<From> && !is_float<To>) {
    return {saturated<To>(v.x)};
  } else {
    return {static_cast<Lane<To>>(v.x)};
  }
}

}  // namespace mpmd

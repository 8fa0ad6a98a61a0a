// Arithmetic, comparisons and bits: the cheap elementwise ops, one function each.
//
// In:  `Vec`s of one element type. Out: a `Vec` of the op's result type.
// Not here: exponentials, roots and the like (math.h).
//
// 16-bit floats are computed in f32 and rounded after every op; no product joins a later sum in one rounding.
// Integers wrap, their division rounds towards −∞ and by zero gives 0. Shifts are masked to the width.
#pragma once

#include "mpmd/cast.h"

namespace mpmd {

template <class T>
MPMD_INLINE Vec<T> add(Vec<T> a, Vec<T> b) {
  if constexpr (is_float<T>) {
    return narrow<T>(a.x + b.x);
  } else {
    return {static_cast<T>(static_cast<Unsigned<T>>(a.x) + static_cast<Unsigned<T>>(b.x))};
  }
}

template <class T>
MPMD_INLINE Vec<T> sub(Vec<T> a, Vec<T> b) {
  if constexpr (is_float<T>) {
    return narrow<T>(a.x - b.x);
  } else {
    return {static_cast<T>(static_cast<Unsigned<T>>(a.x) - static_cast<Unsigned<T>>(b.x))};
  }
}

template <class T>
MPMD_INLINE Vec<T> mul(Vec<T> a, Vec<T> b) {
  if constexpr (is_float<T>) {
    return narrow<T>(device::product(a.x, b.x));
  } else {
    return {static_cast<T>(static_cast<Unsigned<T>>(a.x) * static_cast<Unsigned<T>>(b.x))};
  }
}

template <class T>
MPMD_INLINE Vec<T> div(Vec<T> a, Vec<T> b) {
  static_assert(is_float<T>, "the language divides integers as floats");
  return narrow<T>(a.x / b.x);
}

template <class T>
MPMD_INLINE Vec<T> neg(Vec<T> a) {
  if constexpr (is_float<T>) {
    return {-a.x};
  } else {
    return {static_cast<T>(0 - static_cast<Unsigned<T>>(a.x))};
  }
}

template <class T>
MPMD_INLINE Vec<T> abs(Vec<T> a) {
  if constexpr (is_float<T>) {
    return {device::copy_sign(a.x, Lane<T>{})};
  } else if constexpr (is_unsigned<T>) {
    return a;
  } else {
    return a.x < 0 ? neg(a) : a;
  }
}

// -- comparisons and choices ---------------------------------------------------------------------

#define MPMD_COMPARISON(name, sign)               \
  template <class T>                              \
  MPMD_INLINE Vec<bool> name(Vec<T> a, Vec<T> b) { \
    return {a.x sign b.x};                        \
  }
MPMD_COMPARISON(lt, <)
MPMD_COMPARISON(le, <=)
MPMD_COMPARISON(gt, >)
MPMD_COMPARISON(ge, >=)
MPMD_COMPARISON(eq, ==)
MPMD_COMPARISON(ne, !=)
#undef MPMD_COMPARISON

template <class T>
MPMD_INLINE Vec<T> where(Vec<bool> condition, Vec<T> a, Vec<T> b) {
  return condition.x ? a : b;
}

template <class T>
MPMD_INLINE Vec<T> maximum(Vec<T> a, Vec<T> b) {
  if constexpr (is_float<T>) {
    return (a.x >= b.x) | (a.x != a.x) ? a : b;  // a NaN in b fails the comparison
  } else {
    return a.x >= b.x ? a : b;
  }
}

template <class T>
MPMD_INLINE Vec<T> minimum(Vec<T> a, Vec<T> b) {
  if constexpr (is_float<T>) {
    return (a.x <= b.x) | (a.x != a.x) ? a : b;
  } else {
    return a.x <= b.x ? a : b;
  }
}

// -- bits ----------------------------------------------------------------------------------------

template <class T>
MPMD_INLINE Vec<T> bit_and(Vec<T> a, Vec<T> b) {
  return {static_cast<T>(a.x & b.x)};
}
template <class T>
MPMD_INLINE Vec<T> bit_or(Vec<T> a, Vec<T> b) {
  return {static_cast<T>(a.x | b.x)};
}
template <class T>
MPMD_INLINE Vec<T> bit_xor(Vec<T> a, Vec<T> b) {
  return {static_cast<T>(a.x ^ b.x)};
}
template <class T>
MPMD_INLINE Vec<T> bit_not(Vec<T> a) {
  if constexpr (same<T, bool>) {
    return {!a.x};
  } else {
    return {static_cast<T>(~a.x)};
  }
}

template <class T>
MPMD_INLINE Vec<T> shl(Vec<T> a, Vec<T> b) {
  return {static_cast<T>(static_cast<Unsigned<T>>(a.x) << (static_cast<Unsigned<T>>(b.x) & (sizeof(T) * 8 - 1)))};
}
template <class T>
MPMD_INLINE Vec<T> shr(Vec<T> a, Vec<T> b) {
  return {static_cast<T>(a.x >> (static_cast<Unsigned<T>>(b.x) & (sizeof(T) * 8 - 1)))};
}

// -- integer division and powers -----------------------------------------------------------------

template <class T>
MPMD_INLINE T floor_quotient(T a, T b) {
  if (b == 0) return 0;
  if constexpr (!is_unsigned<T>) {
    if (b == -1) return static_cast<T>(0 - static_cast<Unsigned<T>>(a));
  }
  const T q = static_cast<T>(a / b);
  return static_cast<T>(q - ((a % b != 0) & ((a < 0) != (b < 0))));
}

template <class T>
MPMD_INLINE T floor_remainder(T a, T b) {
  if (b == 0) return 0;
  if constexpr (!is_unsigned<T>) {
    if (b == -1) return 0;
  }
  const T r = static_cast<T>(a % b);
  return static_cast<T>(r + (((r != 0) & ((a < 0) != (b < 0))) ? b : 0));
}

template <class T>
MPMD_INLINE T integer_power(T base, T exponent) {
  if constexpr (!is_unsigned<T>) {
    if (exponent < 0) return static_cast<T>(base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0);
  }
  unsigned long long square = static_cast<unsigned long long>(base), power = 1;
  for (Unsigned<T> left = static_cast<Unsigned<T>>(exponent); left; left = static_cast<Unsigned<T>>(left >> 1)) {
    if (left & 1) power *= square;
    square *= square;
  }
  return static_cast<T>(power);
}

// -- index arithmetic of the emitted text --------------------------------------------------------

MPMD_INLINE Word floordiv(Word a, Word b) {
  const Word q = a / b;
  return q - ((a % b != 0) & ((a < 0) != (b < 0)));
}
MPMD_INLINE Word mod(Word a, Word b) { return a - floordiv(a, b) * b; }
MPMD_INLINE Word least(Word a, Word b) { return a < b ? a : b; }
MPMD_INLINE Word most(Word a, Word b) { return a > b ? a : b; }

}  // namespace mpmd

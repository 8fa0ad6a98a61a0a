// Arithmetic, comparisons and bits on vectors: the cheap elementwise ops, one function each.
//
// In:  `Vec`s of one element type. Out: a `Vec` of the op's result type.
// Not here: functions that need polynomials or libm (math.h).
//
// 16-bit floats are computed in f32 and rounded after every op. Integers wrap, their division rounds
// towards −∞ and by zero gives 0. Shifts are masked to the width.
#pragma once

#include "mpmd/cast.h"

namespace mpmd {

template <class T, int N>
using Wrapping = Raw<Unsigned<Lane<T>>, N>;

template <class T, int N>
MPMD_INLINE Vec<T, N> add(Vec<T, N> a, Vec<T, N> b) {
  if constexpr (is_float<T>) {
    return narrow<T, N>(a.r + b.r);
  } else {
    return {(Raw<T, N>)((Wrapping<T, N>)a.r + (Wrapping<T, N>)b.r)};
  }
}

template <class T, int N>
MPMD_INLINE Vec<T, N> sub(Vec<T, N> a, Vec<T, N> b) {
  if constexpr (is_float<T>) {
    return narrow<T, N>(a.r - b.r);
  } else {
    return {(Raw<T, N>)((Wrapping<T, N>)a.r - (Wrapping<T, N>)b.r)};
  }
}

template <class T, int N>
MPMD_INLINE Vec<T, N> mul(Vec<T, N> a, Vec<T, N> b) {
  if constexpr (is_float<T>) {
    return narrow<T, N>(rounded_once<Lane<T>, N>(a.r * b.r));
  } else {
    return {(Raw<T, N>)((Wrapping<T, N>)a.r * (Wrapping<T, N>)b.r)};
  }
}

template <class T, int N>
MPMD_INLINE Vec<T, N> div(Vec<T, N> a, Vec<T, N> b) {
  static_assert(is_float<T>, "the language divides integers as floats");
  return narrow<T, N>(a.r / b.r);
}

template <class T, int N>
MPMD_INLINE Vec<T, N> neg(Vec<T, N> a) {
  if constexpr (is_float<T>) {
    return {-a.r};
  } else {
    return {(Raw<T, N>)(-(Wrapping<T, N>)a.r)};
  }
}

template <class T, int N>
MPMD_INLINE Vec<T, N> abs(Vec<T, N> a) {
  if constexpr (is_float<T>) {
    return {(Raw<Lane<T>, N>)((Wrapping<T, N>)a.r & (static_cast<Unsigned<Lane<T>>>(-1) >> 1))};
  } else if constexpr (is_unsigned<T>) {
    return a;
  } else {
    return {a.r < 0 ? neg(a).r : a.r};
  }
}

// -- comparisons and choices ---------------------------------------------------------------------

#define MPMD_COMPARISON(name, sign)                            \
  template <class T, int N>                                    \
  MPMD_INLINE Vec<bool, N> name(Vec<T, N> a, Vec<T, N> b) {    \
    if constexpr (same<T, bool>) {                             \
      return {(a.r & 1)sign(b.r & 1)};                         \
    } else {                                                   \
      return mask_of<decltype(a.r sign b.r), N>(a.r sign b.r); \
    }                                                          \
  }
MPMD_COMPARISON(lt, <)
MPMD_COMPARISON(le, <=)
MPMD_COMPARISON(gt, >)
MPMD_COMPARISON(ge, >=)
MPMD_COMPARISON(eq, ==)
MPMD_COMPARISON(ne, !=)
#undef MPMD_COMPARISON

template <class T, int N>
MPMD_INLINE Vec<T, N> where(Vec<bool, N> condition, Vec<T, N> a, Vec<T, N> b) {
  return {mask_for<Lane<T>, N>(condition.r) ? a.r : b.r};
}

template <class T, int N>
MPMD_INLINE Vec<T, N> maximum(Vec<T, N> a, Vec<T, N> b) {
  if constexpr (is_float<T>) {
    return {((a.r >= b.r) | (a.r != a.r)) ? a.r : b.r};  // a NaN in b fails the comparison
  } else {
    return {a.r >= b.r ? a.r : b.r};
  }
}

template <class T, int N>
MPMD_INLINE Vec<T, N> minimum(Vec<T, N> a, Vec<T, N> b) {
  if constexpr (is_float<T>) {
    return {((a.r <= b.r) | (a.r != a.r)) ? a.r : b.r};
  } else {
    return {a.r <= b.r ? a.r : b.r};
  }
}

// -- bits ----------------------------------------------------------------------------------------

template <class T, int N>
MPMD_INLINE Vec<T, N> bit_and(Vec<T, N> a, Vec<T, N> b) {
  return {a.r & b.r};
}
template <class T, int N>
MPMD_INLINE Vec<T, N> bit_or(Vec<T, N> a, Vec<T, N> b) {
  return {a.r | b.r};
}
template <class T, int N>
MPMD_INLINE Vec<T, N> bit_xor(Vec<T, N> a, Vec<T, N> b) {
  return {a.r ^ b.r};
}
template <class T, int N>
MPMD_INLINE Vec<T, N> bit_not(Vec<T, N> a) {
  return {~a.r};
}

template <class T, int N>
MPMD_INLINE Vec<T, N> shl(Vec<T, N> a, Vec<T, N> b) {
  return {(Raw<T, N>)((Wrapping<T, N>)a.r << ((Wrapping<T, N>)b.r & static_cast<Unsigned<T>>(sizeof(T) * 8 - 1)))};
}
template <class T, int N>
MPMD_INLINE Vec<T, N> shr(Vec<T, N> a, Vec<T, N> b) {
  return {a.r >> (b.r & static_cast<T>(sizeof(T) * 8 - 1))};
}

// -- integer division and powers, lane by lane ---------------------------------------------------

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

constexpr Word floordiv(Word a, Word b) {
  const Word q = a / b;
  return q - ((a % b != 0) & ((a < 0) != (b < 0)));
}
constexpr Word mod(Word a, Word b) {
  return a - floordiv(a, b) * b;
}
constexpr Word least(Word a, Word b) {
  return a < b ? a : b;
}
constexpr Word most(Word a, Word b) {
  return a > b ? a : b;
}

}  // namespace mpmd

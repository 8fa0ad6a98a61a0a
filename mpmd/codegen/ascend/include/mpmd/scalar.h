// What the scalar unit computes with integers and floats, one at a time.
//
// In:  numbers. Out: numbers, as the language defines them: sums, products and shifts wrap, quotients round down,
// what has no value is 0.
// Not here: loops over elements, which the task's text has.
#pragma once

#include "mpmd/core.h"

namespace mpmd {
namespace scalar {

template <class T>
__aicore__ inline T add(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <class T>
__aicore__ inline T sub(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
template <class T>
__aicore__ inline T mul(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
template <>
__aicore__ inline float add(float a, float b) {
  return a + b;
}
template <>
__aicore__ inline float mul(float a, float b) {
  return a * b;
}
template <>
__aicore__ inline float sub(float a, float b) {
  return a - b;
}
template <class T>
__aicore__ inline T neg(T a) {
  return sub<T>(0, a);
}
template <class T>
__aicore__ inline T abs(T a) {
  return a < 0 ? neg(a) : a;
}

/// Larger, smaller; what is no number wins.
template <class T>
__aicore__ inline T maximum(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
__aicore__ inline T minimum(T a, T b) {
  return a < b || a != a ? a : b;
}

template <class T>
__aicore__ inline T floordiv(T a, T b) {
  if (b == 0) return 0;
  if (b == -1) return neg(a);
  return static_cast<T>(a / b - (a % b != 0 && (a < 0) != (b < 0)));
}
template <class T>
__aicore__ inline T mod(T a, T b) {
  return b == 0 ? T(0) : sub(a, mul(floordiv(a, b), b));
}

/// The remainder of the sizes, exactly: multiples of `b` by powers of 2 are taken away, the largest first.
__aicore__ inline float remainder(float a, float b) {
  if (!(a < infinity<float>()) || b != b || b == 0) return nan<float>();
  float part = b;
  while (part <= a / 2) part *= 2;
  for (; part >= b; part /= 2) {
    if (a >= part) a -= part;
  }
  return a;
}

/// As NumPy has it: the remainder has the sign of the divisor, and the quotient is what fits to it.
template <>
__aicore__ inline float mod(float a, float b) {
  const float rest = remainder(abs(a), abs(b)), mine = a < 0 ? -rest : rest;
  if (rest == 0) return b < 0 ? -0.0f : 0.0f;
  return (mine < 0) != (b < 0) ? mine + b : mine;
}
template <>
__aicore__ inline float floordiv(float a, float b) {
  if (b == 0) return a / b;
  const float rest = remainder(abs(a), abs(b)), mine = a < 0 ? -rest : rest;
  float whole = (a - mine) / b;
  if (rest != 0 && (mine < 0) != (b < 0)) whole -= 1;
  if (!(abs(whole) < 8388608.0f)) return whole;  // it has no digits after the point
  return static_cast<float>(static_cast<int64_t>(whole < 0 ? whole - 0.5f : whole + 0.5f));
}

/// By repeated squares. A negative exponent gives 0, but of 1 and -1 a power of the same.
template <class T>
__aicore__ inline T pow(T a, T b) {
  if (b < 0) return a == 1 ? T(1) : a == -1 ? T(b % 2 == 0 ? 1 : -1) : T(0);
  T power = 1;
  for (T square = a; b > 0; b /= 2, square = mul(square, square))
    if (b % 2 != 0) power = mul(power, square);
  return power;
}

/// `bits`: of the type that the language has, which may be narrower than what it is computed in.
template <class T>
__aicore__ inline T shl(T a, T b, int bits) {
  return static_cast<T>(static_cast<uint64_t>(a) << (b & (bits - 1)));
}
template <class T>
__aicore__ inline T shr(T a, T b, int bits) {
  return a >> (b & (bits - 1));
}

/// A bool, as all bits of an element.
__aicore__ inline int32_t mask(bool holds) { return holds ? -1 : 0; }

/// As i32, with what does not fit as near as possible.
__aicore__ inline int32_t saturated(int64_t a) {
  return static_cast<int32_t>(most(INT32_MIN, least(INT32_MAX, a)));
}

}  // namespace scalar

/// The places of elements `step` bytes apart.
__aicore__ inline void steps(const AscendC::LocalTensor<int32_t>& to, uint32_t step, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) to.SetValue(i, static_cast<int32_t>(i * step));
}

}  // namespace mpmd

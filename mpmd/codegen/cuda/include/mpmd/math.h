// Functions: exponentials, roots, trigonometry, rounding, division of floats with remainder, powers.
//
// In:  a `Vec`, or two. Out: the same type. Not here: plain arithmetic (arith.h).
// The device's own accurate functions, within 4 ulp; 16-bit floats use those of f32 and round.
#pragma once

#include "mpmd/arith.h"

namespace mpmd {

#define MPMD_FUNCTION(name, value)        \
  template <class T>                      \
  MPMD_INLINE Vec<T> name(Vec<T> v) {     \
    const Lane<T> x = v.x;                \
    return narrow<T>(value);              \
  }
MPMD_FUNCTION(exp, device::exp(x))
MPMD_FUNCTION(log, device::log(x))
MPMD_FUNCTION(sqrt, device::sqrt(x))
MPMD_FUNCTION(rsqrt, 1 / device::sqrt(x))
MPMD_FUNCTION(sigmoid, 1 / (1 + device::exp(-x)))
MPMD_FUNCTION(tanh, device::tanh(x))
MPMD_FUNCTION(erf, device::erf(x))
MPMD_FUNCTION(sin, device::sin(x))
MPMD_FUNCTION(cos, device::cos(x))
MPMD_FUNCTION(round, device::round(x))
MPMD_FUNCTION(floor, device::floor(x))
MPMD_FUNCTION(ceil, -device::floor(-x))
#undef MPMD_FUNCTION

// As NumPy defines it: the remainder takes the divisor's sign, the quotient is what fits to it.
template <class T>
MPMD_INLINE T float_remainder(T a, T b) {
  const T r = device::fmod(a, b);
  if (r == 0) return device::copy_sign(T{}, b);
  return (r < 0) != (b < 0) ? r + b : r;
}
template <class T>
MPMD_INLINE T float_quotient(T a, T b) {
  if (b == 0) return a / b;
  const T r = device::fmod(a, b);
  T q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return device::copy_sign(T{}, a / b);
  const T whole = device::floor(q);
  return q - whole > static_cast<T>(0.5) ? whole + 1 : whole;
}

#define MPMD_BINARY(name, on_floats, on_integers)        \
  template <class T>                                     \
  MPMD_INLINE Vec<T> name(Vec<T> a, Vec<T> b) {          \
    if constexpr (is_float<T>) {                         \
      return narrow<T>(on_floats(a.x, b.x));             \
    } else {                                             \
      return {on_integers(a.x, b.x)};                    \
    }                                                    \
  }
MPMD_BINARY(floordiv, float_quotient, floor_quotient)
MPMD_BINARY(mod, float_remainder, floor_remainder)
MPMD_BINARY(pow, device::pow, integer_power)
#undef MPMD_BINARY

}  // namespace mpmd

// Functions on vectors: exponentials, roots, trigonometry, rounding, and the lane-by-lane rest.
//
// In:  `Vec`s of floats (and of integers for the division ops). Out: the same type.
// Not here: plain arithmetic (arith.h).
//
// f32 functions are polynomials within 4 ulp, with coefficients fitted for the least largest error; the
// 16-bit floats use them and round; f64 calls libm for each lane. Products and sums inside of a
// polynomial may fuse; what a function returns never fuses with what comes after.
#pragma once

#include "mpmd/arith.h"

namespace mpmd {

template <int N, class F>
MPMD_INLINE Raw<f64, N> each_lane(Raw<f64, N> x, F f) {
  Raw<f64, N> r = x;
  for (int lane = 0; lane < N; ++lane) r[lane] = f(x[lane]);
  return r;
}

template <class T, int N>
MPMD_INLINE Raw<T, N> with_sign(Raw<T, N> magnitude, Raw<T, N> sign) {
  constexpr Unsigned<T> top = static_cast<Unsigned<T>>(static_cast<Unsigned<T>>(1) << (sizeof(T) * 8 - 1));
  typedef Raw<Unsigned<T>, N> Bits;
  return (Raw<T, N>)(((Bits)magnitude & ~top) | ((Bits)sign & top));
}

template <class T, int N>
MPMD_INLINE Raw<T, N> magnitude_of(Raw<T, N> x) {
  return (Raw<T, N>)((Raw<Unsigned<T>, N>)x & (static_cast<Unsigned<T>>(-1) >> 1));
}

// -- rounding to whole numbers -------------------------------------------------------------------

// Half to even: adding and taking away 2^(bits of the fraction) leaves no fraction.
template <class T, int N>
MPMD_INLINE Raw<T, N> nearest(Raw<T, N> x) {
  constexpr T shift = sizeof(T) == 4 ? static_cast<T>(0x1p23) : static_cast<T>(0x1p52);
  const Raw<T, N> size = magnitude_of<T, N>(x);
  const Raw<T, N> rounded = rounded_once<T, N>(size + shift) - shift;
  return size < shift ? with_sign<T, N>(rounded, x) : x;
}
template <class T, int N>
MPMD_INLINE Raw<T, N> downwards(Raw<T, N> x) {
  const Raw<T, N> r = nearest<T, N>(x);
  return with_sign<T, N>(r > x ? r - 1 : r, x);
}

template <class T, int N>
MPMD_INLINE Vec<T, N> round(Vec<T, N> x) {
  return {nearest<Lane<T>, N>(x.r)};
}
template <class T, int N>
MPMD_INLINE Vec<T, N> floor(Vec<T, N> x) {
  return {downwards<Lane<T>, N>(x.r)};
}
template <class T, int N>
MPMD_INLINE Vec<T, N> ceil(Vec<T, N> x) {
  return {-downwards<Lane<T>, N>(-x.r)};
}

// -- exponentials in f32 -------------------------------------------------------------------------

// 2^n · x for |n| ≤ 252, in two steps so that neither factor leaves the normal numbers.
template <int N>
MPMD_INLINE Raw<f32, N> scale_by_power(Raw<f32, N> x, Raw<i32, N> n) {
  const Raw<i32, N> half = n >> 1;
  x = x * (Raw<f32, N>)((half + 127) << 23);
  return x * (Raw<f32, N>)((n - half + 127) << 23);
}

template <int N>
MPMD_INLINE Raw<f32, N> exp_f32(Raw<f32, N> x) {
  Raw<f32, N> t = x < -104.0f ? raw_splat<f32, N>(-104.0f) : x;  // e^−104 is 0, e^89 is ∞
  t = t > 89.0f ? raw_splat<f32, N>(89.0f) : t;
  const Raw<f32, N> magic = raw_splat<f32, N>(0x1.8p23f);
  const Raw<f32, N> shifted = t * 0x1.715476p+0f + magic;
  const Raw<f32, N> n = shifted - magic;
  Raw<f32, N> r = t - n * 0x1.62cp-1f;  // ln 2 in two parts; the first product is exact
  r = r - n * 0x1.217f7ep-12f;
  Raw<f32, N> p = r * 0x1.6a1a6ep-10f + 0x1.123fc6p-7f;
  p = p * r + 0x1.555916p-5f;
  p = p * r + 0x1.55548ap-3f;
  p = p * r + 0x1.fffffcp-2f;
  const Raw<f32, N> r2 = r * r;
  p = p * r2 + r;
  const Raw<f32, N> y = scale_by_power<N>(p + 1.0f, (Raw<i32, N>)shifted - 0x4b400000);
  return rounded_once<f32, N>(x == x ? y : x);
}

template <int N>
MPMD_INLINE Raw<f32, N> log_f32(Raw<f32, N> x) {
  const Raw<i32, N> tiny = x < 0x1p-126f;
  const Raw<f32, N> normal = tiny ? x * 0x1p23f : x;
  // m in [√½, √2), x = 2^e · m
  const Raw<i32, N> bits = (Raw<i32, N>)normal - 0x3f3504f3;
  const Raw<i32, N> e = (bits >> 23) - (tiny & 23);
  const Raw<f32, N> m = (Raw<f32, N>)((bits & 0x7fffff) + 0x3f3504f3);
  const Raw<f32, N> f = m - 1.0f;
  const Raw<f32, N> n = __builtin_convertvector(e, Raw<f32, N>);
  Raw<f32, N> p = f * 0x1.1b40eap-4f + -0x1.e2e8fcp-4f;
  p = p * f + 0x1.e6511cp-4f;
  p = p * f + -0x1.fb4352p-4f;
  p = p * f + 0x1.2332bap-3f;
  p = p * f + -0x1.5562e2p-3f;
  p = p * f + 0x1.99a546p-3f;
  p = p * f + -0x1.ffffeep-3f;
  p = p * f + 0x1.555546p-2f;
  const Raw<f32, N> f2 = f * f;
  const Raw<f32, N> f3 = f2 * f;
  Raw<f32, N> y = p * f3;
  y = n * 0x1.217f7ep-12f + y;
  y = f2 * -0.5f + y;
  y = y + f;
  y = n * 0x1.62cp-1f + y;
  const Raw<f32, N> infinity = raw_splat<f32, N>(__builtin_inff());
  y = x == infinity ? infinity : y;
  y = x == 0.0f ? -infinity : y;
  y = ((x < 0.0f) | (x != x)) ? raw_splat<f32, N>(__builtin_nanf("")) : y;
  return rounded_once<f32, N>(y);
}

template <int N>
MPMD_INLINE Raw<f32, N> tanh_f32(Raw<f32, N> x) {
  const Raw<f32, N> size = magnitude_of<f32, N>(x);
  const Raw<f32, N> z = x * x;
  Raw<f32, N> p = z * -0x1.7432fcp-8f + 0x1.51cebp-6f;
  p = p * z + -0x1.b8305ep-5f;
  p = p * z + 0x1.1106d8p-3f;
  p = p * z + -0x1.555532p-2f;
  const Raw<f32, N> cube = z * x;
  const Raw<f32, N> small = p * cube + x;
  const Raw<f32, N> large = 1.0f - 2.0f / (exp_f32<N>(size + size) + 1.0f);
  return rounded_once<f32, N>(size < 0.625f ? small : with_sign<f32, N>(large, x));
}

template <int N>
MPMD_INLINE Raw<f32, N> sigmoid_f32(Raw<f32, N> x) {
  return rounded_once<f32, N>(1.0f / (1.0f + exp_f32<N>(-x)));
}

template <int N>
MPMD_INLINE Raw<f32, N> erf_f32(Raw<f32, N> x) {
  const Raw<f32, N> size = magnitude_of<f32, N>(x);
  const Raw<f32, N> z = x * x;
  Raw<f32, N> p = z * -0x1.40685ep-11f + 0x1.48be58p-8f;
  p = p * z + -0x1.b6cbacp-6f;
  p = p * z + 0x1.ce1ec2p-4f;
  p = p * z + -0x1.8127p-2f;
  p = p * z + 0x1.06eba6p-3f;
  const Raw<f32, N> small = p * x + x;
  const Raw<f32, N> t = size < 4.0f ? size : raw_splat<f32, N>(4.0f);  // erf is 1 from there on
  Raw<f32, N> q = t * 0x1.55be5cp-16f + -0x1.beda94p-12f;              // −log(1 − erf t)
  q = q * t + 0x1.0ebe7cp-8f;
  q = q * t + -0x1.99dbb2p-6f;
  q = q * t + 0x1.baddf8p-4f;
  q = q * t + 0x1.4458a2p-1f;
  q = q * t + 0x1.21235cp+0f;
  q = q * t + -0x1.50b16ap-13f;
  const Raw<f32, N> large = 1.0f - exp_f32<N>(-q);
  const Raw<f32, N> y = size < 0.875f ? small : with_sign<f32, N>(large, x);
  return rounded_once<f32, N>(x == x ? y : x);
}

// -- sine and cosine in f32 ----------------------------------------------------------------------

// sin(x + quarter · π/2). Arguments beyond the reach of the four-part π/2 go to libm, lane by lane.
template <int N>
MPMD_INLINE Raw<f32, N> sine_f32(Raw<f32, N> x, i32 quarter) {
  const Raw<f32, N> magic = raw_splat<f32, N>(0x1.8p23f);
  const Raw<f32, N> shifted = x * 0x1.45f306p-1f + magic;
  const Raw<f32, N> n = shifted - magic;
  Raw<f32, N> r = x - n * 0x1.92p+0f;  // the parts have 10 bits or fewer, n has 13: exact products
  r = r - n * 0x1.fbp-12f;
  r = r - n * 0x1.51p-22f;
  r = r - n * 0x1.0b4612p-34f;
  const Raw<f32, N> z = r * r;
  Raw<f32, N> s = z * 0x1.6cbecep-19f + -0x1.a00f32p-13f;
  s = s * z + 0x1.111108p-7f;
  s = s * z + -0x1.555556p-3f;
  const Raw<f32, N> cube = z * r;
  s = s * cube + r;
  Raw<f32, N> c = z * -0x1.2417e2p-22f + 0x1.a010c4p-16f;
  c = c * z + -0x1.6c16b8p-10f;
  c = c * z + 0x1.555556p-5f;
  const Raw<f32, N> z2 = z * z;
  c = c * z2 + (z * -0.5f + 1.0f);
  const Raw<i32, N> turn = (Raw<i32, N>)shifted - 0x4b400000 + quarter;
  Raw<f32, N> y = (turn & 1) != 0 ? c : s;
  y = (turn & 2) != 0 ? -y : y;
  const Raw<i32, N> far = ~(magnitude_of<f32, N>(x) <= 8192.0f);
  i32 any = 0;
  for (int lane = 0; lane < N; ++lane) any |= far[lane];
  if (__builtin_expect(any, 0)) {
    for (int lane = 0; lane < N; ++lane) {
      if (far[lane]) y[lane] = quarter ? __builtin_cosf(x[lane]) : __builtin_sinf(x[lane]);
    }
  }
  return rounded_once<f32, N>(y);
}

template <int N>
MPMD_INLINE Raw<f32, N> sin_f32(Raw<f32, N> x) {
  const Raw<f32, N> y = sine_f32<N>(x, 0);
  return x == 0.0f ? x : y;  // −0 stays
}
template <int N>
MPMD_INLINE Raw<f32, N> cos_f32(Raw<f32, N> x) {
  return sine_f32<N>(x, 1);
}

template <int N>
MPMD_INLINE Raw<f32, N> sqrt_f32(Raw<f32, N> x) {
  Raw<f32, N> r = x;
  for (int lane = 0; lane < N; ++lane) r[lane] = __builtin_sqrtf(x[lane]);
  return r;
}
template <int N>
MPMD_INLINE Raw<f32, N> rsqrt_f32(Raw<f32, N> x) {
  return rounded_once<f32, N>(1.0f / sqrt_f32<N>(x));
}

// -- the ops -------------------------------------------------------------------------------------

#define MPMD_FUNCTION(name, in_f64)                                               \
  template <class T, int N>                                                       \
  MPMD_INLINE Vec<T, N> name(Vec<T, N> x) {                                       \
    if constexpr (same<T, f64>) {                                                 \
      return {each_lane<N>(x.r, [](f64 a) MPMD_BODY { return in_f64; })}; \
    } else {                                                                      \
      return narrow<T, N>(name##_f32<N>(x.r));                                    \
    }                                                                             \
  }
MPMD_FUNCTION(exp, __builtin_exp(a))
MPMD_FUNCTION(log, __builtin_log(a))
MPMD_FUNCTION(sqrt, __builtin_sqrt(a))
MPMD_FUNCTION(rsqrt, 1.0 / __builtin_sqrt(a))
MPMD_FUNCTION(sigmoid, 1.0 / (1.0 + __builtin_exp(-a)))
MPMD_FUNCTION(tanh, __builtin_tanh(a))
MPMD_FUNCTION(erf, __builtin_erf(a))
MPMD_FUNCTION(sin, __builtin_sin(a))
MPMD_FUNCTION(cos, __builtin_cos(a))
#undef MPMD_FUNCTION

// -- division with remainder, powers: lane by lane -----------------------------------------------

// As NumPy defines it: the remainder takes the divisor's sign, the quotient is what fits to it.
MPMD_INLINE f64 float_remainder(f64 a, f64 b) {
  const f64 r = __builtin_fmod(a, b);
  if (r == 0) return __builtin_copysign(0.0, b);
  return (r < 0) != (b < 0) ? r + b : r;
}
MPMD_INLINE f32 float_remainder(f32 a, f32 b) {
  const f32 r = __builtin_fmodf(a, b);
  if (r == 0) return __builtin_copysignf(0.0f, b);
  return (r < 0) != (b < 0) ? r + b : r;
}

template <class T>
MPMD_INLINE T float_quotient(T a, T b) {
  if (b == 0) return a / b;
  const T r = sizeof(T) == 4 ? static_cast<T>(__builtin_fmodf(static_cast<f32>(a), static_cast<f32>(b)))
                             : static_cast<T>(__builtin_fmod(a, b));
  T q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return static_cast<T>(__builtin_copysign(0.0, static_cast<f64>(a / b)));
  const T whole = static_cast<T>(__builtin_floor(static_cast<f64>(q)));
  return q - whole > static_cast<T>(0.5) ? whole + 1 : whole;
}

MPMD_INLINE f64 float_power(f64 a, f64 b) { return __builtin_pow(a, b); }
MPMD_INLINE f32 float_power(f32 a, f32 b) { return __builtin_powf(a, b); }

#define MPMD_LANEWISE(name, on_floats, on_integers)                \
  template <class T, int N>                                        \
  MPMD_INLINE Vec<T, N> name(Vec<T, N> a, Vec<T, N> b) {           \
    Raw<Lane<T>, N> r = a.r;                                       \
    for (int lane = 0; lane < N; ++lane) {                         \
      if constexpr (is_float<T>) {                                 \
        r[lane] = on_floats(a.r[lane], b.r[lane]);                 \
      } else {                                                     \
        r[lane] = on_integers<Lane<T>>(a.r[lane], b.r[lane]);      \
      }                                                            \
    }                                                              \
    return narrow<T, N>(r);                                        \
  }
MPMD_LANEWISE(floordiv, float_quotient, floor_quotient)
MPMD_LANEWISE(mod, float_remainder, floor_remainder)
MPMD_LANEWISE(pow, float_power, integer_power)
#undef MPMD_LANEWISE

}  // namespace mpmd

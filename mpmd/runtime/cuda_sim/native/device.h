// The device on this computer: the names of mpmd/device.h, for a text that is simulated.
//
// In:  nothing. Out: the functions of namespace `mpmd::device`, with the meaning that CUDA gives them.
// Not here: the simulator (simulate.cpp), which the hooks lead to; the list of names, which is CUDA's header's.
#pragma once

#include "mpmd_hooks.h"

#define MPMD_INLINE inline
#define MPMD_DEVICE inline __attribute__((noinline))
#define MPMD_KERNEL extern "C" __attribute__((visibility("default"))) void
#define MPMD_BODY
#define __device__  // what the functions of tasks begin with

#define MPMD_HOOK inline __attribute__((noinline, no_sanitize("thread")))  // hooks are not the text's memory
#define MPMD_HERE sim::Statement at = sim::Statement::here()

namespace mpmd {

typedef long long Word;

typedef double f64;
typedef float f32;
typedef long long i64;
typedef int i32;
typedef signed char i8;
typedef unsigned char u8;
struct f16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};

namespace device {

constexpr int threads = 256;
constexpr int lanes = 32;
constexpr int warps = threads / lanes;

MPMD_HOOK int thread() { return mpmd_hooks->thread(); }
inline int lane() { return thread() % lanes; }
inline int warp() { return thread() / lanes; }
MPMD_HOOK int block() { return mpmd_hooks->block(); }

MPMD_HOOK void barrier(MPMD_HERE) { mpmd_hooks->barrier(false, at); }
MPMD_HOOK bool barrier_any(bool condition, MPMD_HERE) { return mpmd_hooks->barrier(condition, at); }

MPMD_HOOK void warp_barrier(MPMD_HERE) { mpmd_hooks->warp_barrier(at); }
MPMD_HOOK unsigned shuffle_down(unsigned value, int by, MPMD_HERE) {
  return mpmd_hooks->shuffle(value, lane() + by < lanes ? lane() + by : lane(), at);
}
MPMD_HOOK unsigned shuffle(unsigned value, int from, MPMD_HERE) { return mpmd_hooks->shuffle(value, from, at); }

MPMD_HOOK char* shared_memory() { return mpmd_hooks->shared_memory(); }

MPMD_HOOK void copy(void* to, const void* from, unsigned long bytes) {
  mpmd_hooks->touch(from, bytes, false, __builtin_return_address(0));
  mpmd_hooks->touch(to, bytes, true, __builtin_return_address(0));
  __builtin_memcpy(to, from, bytes);
}

MPMD_HOOK void add_release(unsigned* place, unsigned amount, MPMD_HERE) { mpmd_hooks->add(place, amount, at); }
MPMD_HOOK void store_release(unsigned* place, unsigned value, MPMD_HERE) {
  mpmd_hooks->store(place, 4, value, true, at);
}
MPMD_HOOK void store_release(unsigned long long* place, unsigned long long value, MPMD_HERE) {
  mpmd_hooks->store(place, 8, value, true, at);
}
MPMD_HOOK unsigned load_acquire(const unsigned* place, MPMD_HERE) {
  return static_cast<unsigned>(mpmd_hooks->load(place, 4, true, at));
}
MPMD_HOOK unsigned long long load_acquire(const unsigned long long* place, MPMD_HERE) {
  return mpmd_hooks->load(place, 8, true, at);
}
MPMD_HOOK void store_relaxed(unsigned* place, unsigned value, MPMD_HERE) {
  mpmd_hooks->store(place, 4, value, false, at);
}
MPMD_HOOK void store_relaxed(long long* place, long long value, MPMD_HERE) {
  mpmd_hooks->store(place, 8, static_cast<unsigned long long>(value), false, at);
}
MPMD_HOOK unsigned load_relaxed(const unsigned* place, MPMD_HERE) {
  return static_cast<unsigned>(mpmd_hooks->load(place, 4, false, at));
}
MPMD_HOOK long long load_relaxed(const long long* place, MPMD_HERE) {
  return static_cast<long long>(mpmd_hooks->load(place, 8, false, at));
}
MPMD_HOOK unsigned exchange_if_equal(unsigned* place, unsigned expected, unsigned value, MPMD_HERE) {
  return mpmd_hooks->exchange_if_equal(place, expected, value, at);
}

MPMD_HOOK void pause() { mpmd_hooks->pause(); }
inline long long nanoseconds() { return 0; }  // no time passes: the simulator itself sees that nobody can go on

inline unsigned bits_of(f32 x) {
  unsigned bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline f32 float_of(unsigned bits) {
  f32 x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// Compilers differ in which targets they know _Float16 for: by integers, after Giesen ("Float->half variants", 2012).
inline unsigned short f16_bits(f32 x) {
  const unsigned sign = bits_of(x) >> 16 & 0x8000u;
  const f32 magnitude = __builtin_fabsf(x);
  const unsigned bits = bits_of(magnitude);
  if (x != x) return 0x7fff;  // as cvt.rn.f16.f32 makes it
  if (bits >= 0x47800000u) return static_cast<unsigned short>(sign | 0x7c00u);  // 2^16 and above
  if (bits < 0x38800000u) {  // below 2^-14: adding 1/2 brings the last place of f16 to that of f32
    return static_cast<unsigned short>(sign | (bits_of(magnitude + 0.5f) - bits_of(0.5f)));
  }
  const unsigned rounded = bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u);
  return static_cast<unsigned short>(sign | rounded >> 13);
}
inline f32 f16_value(unsigned short bits) {
  const unsigned sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) return float_of(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  const f32 magnitude = float_of(rest << 13) * 0x1p112f;
  return float_of(sign | bits_of(magnitude));
}
inline unsigned short bf16_bits(f32 x) {
  const unsigned bits = bits_of(x);
  if (x != x) return 0x7fff;  // as cvt.rn.bf16.f32 makes it
  return static_cast<unsigned short>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
inline f32 bf16_value(unsigned short bits) { return float_of(static_cast<unsigned>(bits) << 16); }

MPMD_HOOK void multiply_accumulate(f16, f32 (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], MPMD_HERE) {
  mpmd_hooks->multiply(c, a, b, f16_value, at);
}
MPMD_HOOK void multiply_accumulate(bf16, f32 (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], MPMD_HERE) {
  mpmd_hooks->multiply(c, a, b, bf16_value, at);
}

inline f32 product(f32 a, f32 b) { return a * b; }
inline f64 product(f64 a, f64 b) { return a * b; }
inline f32 fused(f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); }
inline f64 fused(f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); }

#define MPMD_OF_ONE(NAME, CALL)                          \
  inline f32 NAME(f32 x) { return __builtin_##CALL##f(x); } \
  inline f64 NAME(f64 x) { return __builtin_##CALL(x); }
#define MPMD_OF_TWO(NAME, CALL)                               \
  inline f32 NAME(f32 x, f32 y) { return __builtin_##CALL##f(x, y); }   \
  inline f64 NAME(f64 x, f64 y) { return __builtin_##CALL(x, y); }
MPMD_OF_ONE(exp, exp)
MPMD_OF_ONE(log, log)
MPMD_OF_ONE(sqrt, sqrt)
MPMD_OF_ONE(tanh, tanh)
MPMD_OF_ONE(erf, erf)
MPMD_OF_ONE(sin, sin)
MPMD_OF_ONE(cos, cos)
MPMD_OF_ONE(floor, floor)
MPMD_OF_ONE(round, rint)
MPMD_OF_TWO(fmod, fmod)
MPMD_OF_TWO(pow, pow)
MPMD_OF_TWO(copy_sign, copysign)
#undef MPMD_OF_ONE
#undef MPMD_OF_TWO
inline f32 infinity() { return __builtin_inff(); }
inline f32 not_a_number() { return __builtin_nanf(""); }

}  // namespace device
}  // namespace mpmd

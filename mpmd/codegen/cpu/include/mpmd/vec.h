// Vectors of lanes: element types, loads and stores, whole or in part.
//
// In:  GCC or Clang vector extensions. Out: `Vec<T, N>`, N lanes of the element type T, and the lane
//      tags `Full<N>` (a whole vector) and `Part<N>` (its first `count` lanes) that loads and stores take.
// Not here: arithmetic (math.h, cast.h), loops over tiles (map.h, reduce.h).
//
// A body written once with a tag `L` runs with `Full` on whole vectors and with `Part` on the rest. Both
// do the same operations on all lanes, so an element's bits do not depend on where it lies.
#pragma once

#include "mpmd/abi.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"  // everything here is inlined: no vector crosses a call
#endif

#define MPMD_INLINE __attribute__((always_inline)) inline
#define MPMD_BODY __attribute__((always_inline))  // after the parameters of a lambda that a loop calls

namespace mpmd {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

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

// Of f32 and f64.
template <class T>
constexpr T infinity() {
  return static_cast<T>(__builtin_inf());
}
template <class T>
constexpr T nan() {
  return static_cast<T>(__builtin_nan(""));
}

// Lanes of a loop whose widest element has `Bytes` bytes. 16-bit floats and bools count as 4.
template <int Bytes>
constexpr int lanes = vector_bytes / Bytes;

// Lanes in which rank-0 values are computed.
template <int Bytes>
constexpr int scalar_lanes = 16 / Bytes;

// What a lane is computed in: f32 for the 16-bit floats, a mask (0 or −1) for bool.
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
template <>
struct LaneOf<bool> {
  typedef i32 type;
};
template <class T>
using Lane = typename LaneOf<T>::type;

// What lies in memory, as a number.
template <class T>
struct StoredOf {
  typedef T type;
};
template <>
struct StoredOf<f16> {
  typedef unsigned short type;
};
template <>
struct StoredOf<bf16> {
  typedef unsigned short type;
};
template <>
struct StoredOf<bool> {
  typedef u8 type;
};
template <class T>
using Stored = typename StoredOf<T>::type;

template <int Bytes>
struct IntegerOf;
template <>
struct IntegerOf<1> {
  typedef i8 type;
  typedef u8 plain;
};
template <>
struct IntegerOf<2> {
  typedef short type;
  typedef unsigned short plain;
};
template <>
struct IntegerOf<4> {
  typedef i32 type;
  typedef unsigned plain;
};
template <>
struct IntegerOf<8> {
  typedef i64 type;
  typedef unsigned long long plain;
};
template <class T>
using Signed = typename IntegerOf<sizeof(T)>::type;
template <class T>
using Unsigned = typename IntegerOf<sizeof(T)>::plain;

template <class A, class B>
constexpr bool same = false;
template <class A>
constexpr bool same<A, A> = true;
template <class T>
constexpr bool is_float = same<Lane<T>, f32> || same<Lane<T>, f64>;
template <class T>
constexpr bool is_short_float = same<T, f16> || same<T, bf16>;

template <class T, int N>
struct RawOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N>
using Raw = typename RawOf<T, N>::type;

template <class T, int N>
struct Vec {
  typedef T element;
  static constexpr int count = N;
  Raw<Lane<T>, N> r;
};

template <int N>
struct Full {
  static constexpr int lanes = N;
  static constexpr int count = N;
};
template <int N>
struct Part {
  static constexpr int lanes = N;
  int count;
};

template <class T, int N>
MPMD_INLINE Raw<T, N> raw_splat(T x) {
  return x - Raw<T, N>{};  // keeps a negative zero
}

// One piece of `Piece` bytes, where `bytes`, fewer than `Most`, has that bit.
template <int Piece, int Most>
MPMD_INLINE void copy_piece(char* to, const char* from, int bytes, int& at) {
  if constexpr (Piece < Most) {
    if (bytes & Piece) {
      __builtin_memcpy(to + at, from + at, Piece);
      at += Piece;
    }
  }
}

template <int Most>
MPMD_INLINE void copy_part(void* to, const void* from, int bytes) {
  static_assert(Most <= 64, "a vector has at most 64 bytes");
  char* t = static_cast<char*>(to);
  const char* f = static_cast<const char*>(from);
  if (bytes >= Most) {
    __builtin_memcpy(t, f, Most);
    return;
  }
  int at = 0;
  copy_piece<32, Most>(t, f, bytes, at);
  copy_piece<16, Most>(t, f, bytes, at);
  copy_piece<8, Most>(t, f, bytes, at);
  copy_piece<4, Most>(t, f, bytes, at);
  copy_piece<2, Most>(t, f, bytes, at);
  copy_piece<1, Most>(t, f, bytes, at);
}

template <class T, int N>
MPMD_INLINE Raw<Stored<T>, N> fetch(Full<N>, const T* p) {
  Raw<Stored<T>, N> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T, int N>
MPMD_INLINE Raw<Stored<T>, N> fetch(Part<N> l, const T* p) {
  alignas(64) Stored<T> held[N] = {};
  copy_part<sizeof held>(held, p, l.count * static_cast<int>(sizeof(T)));
  Raw<Stored<T>, N> v;
  __builtin_memcpy(&v, held, sizeof v);
  return v;
}
template <class T, int N>
MPMD_INLINE void put(Full<N>, T* p, Raw<Stored<T>, N> v) {
  __builtin_memcpy(p, &v, sizeof v);
}
template <class T, int N>
MPMD_INLINE void put(Part<N> l, T* p, Raw<Stored<T>, N> v) {
  alignas(64) Stored<T> held[N];
  __builtin_memcpy(held, &v, sizeof v);
  copy_part<sizeof held>(p, held, l.count * static_cast<int>(sizeof(T)));
}

// -- 16-bit floats -------------------------------------------------------------------------------

template <int N>
MPMD_INLINE Raw<f32, N> bf16_to_f32(Raw<unsigned short, N> h) {
  return (Raw<f32, N>)(__builtin_convertvector(h, Raw<unsigned, N>) << 16);
}

template <int N>
MPMD_INLINE Raw<unsigned, N> round_to_bf16(Raw<f32, N> x) {  // the upper 16 bits are the result
  const Raw<unsigned, N> u = (Raw<unsigned, N>)x;
  const Raw<unsigned, N> rounded = u + 0x7fffu + ((u >> 16) & 1u);
  return x != x ? (u | 0x400000u) : rounded;
}

template <int N>
MPMD_INLINE Raw<f32, N> f16_to_f32(Raw<unsigned short, N> h) {
  const Raw<unsigned, N> u = __builtin_convertvector(h, Raw<unsigned, N>);
  const Raw<unsigned, N> magnitude = u & 0x7fffu;
  const Raw<f32, N> scaled = (Raw<f32, N>)(magnitude << 13) * 0x1p112f;  // exact, subnormals too
  const Raw<unsigned, N> special = (magnitude << 13) | 0x7f800000u;
  const Raw<unsigned, N> bits = magnitude >= 0x7c00u ? special : (Raw<unsigned, N>)scaled;
  return (Raw<f32, N>)(bits | ((u & 0x8000u) << 16));
}

template <int N>
MPMD_INLINE Raw<unsigned, N> f32_to_f16(Raw<f32, N> x) {  // the lower 16 bits are the result
  const Raw<unsigned, N> u = (Raw<unsigned, N>)x;
  const Raw<unsigned, N> magnitude = u & 0x7fffffffu;
  const Raw<unsigned, N> normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  // Adding 0.5 aligns the last bit with the smallest f16, and rounds.
  const Raw<unsigned, N> tiny = (Raw<unsigned, N>)((Raw<f32, N>)magnitude + 0.5f) - 0x3f000000u;
  Raw<unsigned, N> bits = magnitude < 0x38800000u ? tiny : normal;
  bits = magnitude >= 0x477ff000u ? raw_splat<unsigned, N>(0x7c00u) : bits;
  bits = magnitude > 0x7f800000u ? raw_splat<unsigned, N>(0x7e00u) : bits;
  return bits | ((u >> 16) & 0x8000u);
}

// Keeps the compiler from joining a product with a later sum into one rounding, which the language's
// numerics exclude. (Clang joins within one expression only, so it needs nothing.)
template <class T, int N>
MPMD_INLINE Raw<T, N> rounded_once(Raw<T, N> x) {
#if defined(__clang__) || !defined(__GNUC__)
#elif defined(__x86_64__)
  if constexpr (N > 1) __asm__("" : "+v"(x));
#elif defined(__aarch64__)
  if constexpr (N > 1) __asm__("" : "+w"(x));
#endif
  return x;
}

// The result of an operation in f32, rounded to T where T is shorter.
template <class T, int N>
MPMD_INLINE Vec<T, N> narrow(Raw<Lane<T>, N> x) {
  if constexpr (same<T, bf16>) {
    return {(Raw<f32, N>)(round_to_bf16<N>(x) & 0xffff0000u)};
  } else if constexpr (same<T, f16>) {
    return {f16_to_f32<N>(__builtin_convertvector(f32_to_f16<N>(x), Raw<unsigned short, N>))};
  } else {
    return {x};
  }
}

// -- between memory and lanes --------------------------------------------------------------------

template <class T, int N>
MPMD_INLINE Vec<T, N> from_stored(Raw<Stored<T>, N> v) {
  if constexpr (same<T, bf16>) {
    return {bf16_to_f32<N>(v)};
  } else if constexpr (same<T, f16>) {
    return {f16_to_f32<N>(v)};
  } else if constexpr (same<T, bool>) {
    return {__builtin_convertvector(v, Raw<i32, N>) != 0};
  } else {
    return {v};
  }
}

template <class T, int N>
MPMD_INLINE Raw<Stored<T>, N> to_stored(Vec<T, N> v) {
  if constexpr (same<T, bf16>) {
    return __builtin_convertvector((Raw<unsigned, N>)v.r >> 16, Raw<unsigned short, N>);
  } else if constexpr (same<T, f16>) {
    return __builtin_convertvector(f32_to_f16<N>(v.r), Raw<unsigned short, N>);
  } else if constexpr (same<T, bool>) {
    return __builtin_convertvector(v.r & 1, Raw<u8, N>);
  } else {
    return v.r;
  }
}

// Neighbours in memory.
template <class Tag, class T>
MPMD_INLINE Vec<T, Tag::lanes> load(Tag l, const T* p) {
  return from_stored<T, Tag::lanes>(fetch(l, p));
}
template <class Tag, class T>
MPMD_INLINE void store(Tag l, T* p, Vec<T, Tag::lanes> v) {
  put(l, p, to_stored(v));
}

// Elements `stride` apart.
template <class Tag, class T>
MPMD_INLINE Vec<T, Tag::lanes> load(Tag l, const T* p, Word stride) {
  constexpr int N = Tag::lanes;
  if (stride == 1) return load(l, p);
  Raw<Stored<T>, N> v = {};
  for (int lane = 0; lane < l.count; ++lane) {
    Stored<T> x;
    __builtin_memcpy(&x, p + lane * stride, sizeof x);
    v[lane] = x;
  }
  return from_stored<T, N>(v);
}
template <class Tag, class T>
MPMD_INLINE void store(Tag l, T* p, Word stride, Vec<T, Tag::lanes> v) {
  if (stride == 1) return store(l, p, v);
  const Raw<Stored<T>, Tag::lanes> held = to_stored(v);
  for (int lane = 0; lane < l.count; ++lane) {
    const Stored<T> x = held[lane];
    __builtin_memcpy(p + lane * stride, &x, sizeof x);
  }
}

// Rows picked by indices: lane i is `table[ids[i · id_stride] · row + i · stride]`.
template <class Tag, class T, class Id>
MPMD_INLINE Vec<T, Tag::lanes> pick(Tag l, const T* table, Word row, Word stride, const Id* ids, Word id_stride) {
  constexpr int N = Tag::lanes;
  Raw<Stored<T>, N> v = {};
  for (int lane = 0; lane < l.count; ++lane) {
    Stored<T> x;
    __builtin_memcpy(&x, table + static_cast<Word>(ids[lane * id_stride]) * row + lane * stride, sizeof x);
    v[lane] = x;
  }
  return from_stored<T, N>(v);
}

// One number in all lanes.
template <class T, class Tag>
MPMD_INLINE Vec<T, Tag::lanes> splat(Tag, T x) {
  constexpr int N = Tag::lanes;
  if constexpr (is_short_float<T> || same<T, bool>) {
    Stored<T> bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return from_stored<T, N>(raw_splat<Stored<T>, N>(bits));
  } else {
    return {raw_splat<T, N>(x)};
  }
}

template <class T, int N>
MPMD_INLINE T first_lane(Vec<T, N> v) {
  const Stored<T> bits = to_stored(v)[0];
  T x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// 0, 1, 2, … in the lanes.
template <class T, int N>
MPMD_INLINE Raw<T, N> ramp() {
  Raw<T, N> v = {};
  for (int lane = 0; lane < N; ++lane) v[lane] = static_cast<T>(lane);
  return v;
}

// start, start + step, …
template <class Tag>
MPMD_INLINE Vec<i64, Tag::lanes> iota(Tag, Word start, Word step) {
  return {ramp<i64, Tag::lanes>() * step + start};
}

}  // namespace mpmd

// Strided matrices, and loads in the type in which products add up.
//
// In:  pointers and strides. Out: `Matrix`, `load_as`. Not here: products (dot.h).
#pragma once

#include "mpmd/reduce.h"

// What is big and shared by many calls; copies of it for constant arguments would only cost compile time.
#if defined(__clang__)
#define MPMD_APART __attribute__((noinline))
#else
#define MPMD_APART __attribute__((noinline, noclone))
#endif

namespace mpmd {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int panel_vectors = 4;  // 32 registers
#else
constexpr int panel_vectors = 2;  // 16 registers
#endif
constexpr int panel_rows = 6;
constexpr int accumulators = panel_rows * panel_vectors;

template <class T>
struct Matrix {
  T* data;
  Word row;  // elements between rows
  Word col;  // elements between columns
};
template <class T>
MPMD_INLINE Matrix<T> matrix(T* data, Word row, Word col) {
  return {data, row, col};
}

// Sums in which integers wrap.
template <class T>
struct SumOf {
  typedef T type;
};
template <>
struct SumOf<i32> {
  typedef unsigned type;
};
template <>
struct SumOf<i64> {
  typedef unsigned long long type;
};

template <class C, int N, class T>
MPMD_INLINE Raw<typename SumOf<C>::type, N> load_as(const T* p) {
  return (Raw<typename SumOf<C>::type, N>)cast<C>(load(Full<N>{}, p)).r;
}
template <class C, int N, class T>
MPMD_INLINE Raw<typename SumOf<C>::type, N> load_part_as(int count, const T* p) {
  return (Raw<typename SumOf<C>::type, N>)cast<C>(load(Part<N>{count}, p)).r;
}
template <class C, class T>
MPMD_INLINE C load_one(const T* p) {
  if constexpr (same<C, T>) {
    return *p;
  } else {
    return cast<C>(load(Part<4>{1}, p)).r[0];
  }
}

}  // namespace mpmd

// Strided matrices, and elements in the type in which products add up.
//
// In:  pointers and strides. Out: `Matrix`, `load_as`, `write_sum`. Not here: products (dot.h).
#pragma once

#include "mpmd/reduce.h"

namespace mpmd {

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
template <class T>
MPMD_INLINE Matrix<T> transposed(Matrix<T> m) {
  return {m.data, m.col, m.row};
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

MPMD_INLINE f32 multiply_add(f32 a, f32 b, f32 sum) { return device::fused(a, b, sum); }
MPMD_INLINE f64 multiply_add(f64 a, f64 b, f64 sum) { return device::fused(a, b, sum); }
MPMD_INLINE unsigned multiply_add(unsigned a, unsigned b, unsigned sum) { return a * b + sum; }
MPMD_INLINE unsigned long long multiply_add(unsigned long long a, unsigned long long b, unsigned long long sum) {
  return a * b + sum;
}

template <class C, class T>
MPMD_INLINE typename SumOf<C>::type load_as(const T* p) {
  return static_cast<typename SumOf<C>::type>(cast<C>(load(One{}, p)).x);
}

// A sum into its place, or added to what is there.
template <class C, class S>
MPMD_INLINE void write_sum(C* place, S sum, bool accumulate) {
  *place = static_cast<C>(accumulate ? static_cast<S>(*place) + sum : sum);
}

}  // namespace mpmd

// Products with few rows of A: each element of B is read once.
//
// In:  up to `rows_most` rows of A at a time. Out: C. Not here: anything else (dot_tiles.h).
//
// Where B lies along k (weights as stored) a warp has a column of C for all rows, and its lanes share k;
// otherwise a thread has a column.
#pragma once

#include "mpmd/matrix.h"

namespace mpmd {

constexpr int rows_most = 8;

template <int M, class C, class TA, class TB>
MPMD_INLINE void rows_by_warps(Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate) {
  typedef typename SumOf<C>::type S;
  for (Word j = device::warp(); j < n; j += device::warps) {
    S sum[M] = {};
    const TB* const column = b.data + j * b.col;
#pragma unroll 4
    for (Word at = device::lane(); at < k; at += device::lanes) {
      const S x = load_as<C>(column + at * b.row);
#pragma unroll
      for (int i = 0; i < M; ++i) sum[i] = multiply_add(load_as<C>(a.data + i * a.row + at * a.col), x, sum[i]);
    }
#pragma unroll
    for (int i = 0; i < M; ++i) {
      const S total = joined_lanes(sum[i], [](S x, S y) { return x + y; });
      if (device::lane() == 0) write_sum(c.data + i * c.row + j * c.col, total, accumulate);
    }
  }
}

template <int M, class C, class TA, class TB>
MPMD_INLINE void rows_by_threads(Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate) {
  typedef typename SumOf<C>::type S;
  for (Word j = device::thread(); j < n; j += device::threads) {
    S sum[M] = {};
#pragma unroll 4
    for (Word at = 0; at < k; ++at) {
      const S x = load_as<C>(b.data + at * b.row + j * b.col);
#pragma unroll
      for (int i = 0; i < M; ++i) sum[i] = multiply_add(load_as<C>(a.data + i * a.row + at * a.col), x, sum[i]);
    }
#pragma unroll
    for (int i = 0; i < M; ++i) write_sum(c.data + i * c.row + j * c.col, sum[i], accumulate);
  }
}

template <int M, class C, class TA, class TB>
MPMD_INLINE void rows_of(Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate) {
  if (b.row == 1) {
    rows_by_warps<M>(n, k, a, b, c, accumulate);
  } else {
    rows_by_threads<M>(n, k, a, b, c, accumulate);
  }
}

// m rows of A, four or one at a time.
template <class C, class TA, class TB>
MPMD_DEVICE void dot_rows(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate) {
  Word i = 0;
  for (; i + 4 <= m; i += 4) {
    rows_of<4>(n, k, matrix(a.data + i * a.row, a.row, a.col), b, matrix(c.data + i * c.row, c.row, c.col), accumulate);
  }
  for (; i < m; ++i) {
    rows_of<1>(n, k, matrix(a.data + i * a.row, a.row, a.col), b, matrix(c.data + i * c.row, c.row, c.col), accumulate);
  }
}

}  // namespace mpmd

// Products with few rows of A, where a large B lies along n: B is streamed once, row after row.
//
// In:  up to `axpy_most` rows of A, B by its rows, scratch of `axpy_bytes`. Out: C.
// Not here: a B that fits the cache (`dot_direct` in dot_panels.h).
//
// Sums are kept in scratch for as many columns as the first cache holds; each row of B is added to them.
#pragma once

#include "mpmd/matrix.h"

namespace mpmd {

constexpr int axpy_most = 4;
constexpr Word axpy_bytes = 1 << 14;

// sum[m][width] += A[m, at] · B[at, …] for all of k.
template <int M, class C, class TA, class TB>
MPMD_APART void add_rows(Word n, Word k, Matrix<const TA> a, const TB* b, Word b_row, C* sum, Word width) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  for (Word at = 0; at < k; ++at) {
    Raw<S, N> y[M];
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      y[m] = raw_splat<S, N>(static_cast<S>(load_one<C>(a.data + m * a.row + at * a.col)));
    }
    const TB* row = b + at * b_row;
    const char* next = reinterpret_cast<const char*>(row + b_row);
    for (Word j = 0; j < n; j += N) {
      __builtin_prefetch(next + j * static_cast<Word>(sizeof(TB)), 0, 2);
      const int rest = static_cast<int>(least(N, n - j));
      const Raw<S, N> x = rest == N ? load_as<C, N>(row + j) : load_part_as<C, N>(rest, row + j);
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        C* to = sum + m * width + j;
        put(Full<N>{}, to, (Raw<C, N>)(load_as<C, N>(to) + y[m] * x));
      }
    }
  }
}

template <class C, class TA, class TB>
void dot_axpy(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate, C* sum) {
  // One row of A may have the sums of all four.
  typedef typename SumOf<C>::type S;
  constexpr Word width = axpy_bytes / (axpy_most * static_cast<Word>(sizeof(C)));
  const Word step = m == 1 ? axpy_most * width : width;
  for (Word j = 0; j < n; j += step) {
    const Word wide = least(step, n - j);
    for (Word i = 0; i < axpy_most * width; ++i) sum[i] = C{};
    const TB* first = b.data + j;
    switch (m) {
      case 1: add_rows<1>(wide, k, a, first, b.row, sum, step); break;
      case 2: add_rows<2>(wide, k, a, first, b.row, sum, step); break;
      case 3: add_rows<3>(wide, k, a, first, b.row, sum, step); break;
      default: add_rows<4>(wide, k, a, first, b.row, sum, step);
    }
    for (Word i = 0; i < m; ++i) {
      for (Word at = 0; at < wide; ++at) {
        C* to = c.data + i * c.row + (j + at) * c.col;
        const C total = sum[i * step + at];
        *to = accumulate ? static_cast<C>(static_cast<S>(*to) + static_cast<S>(total)) : total;
      }
    }
  }
}

}  // namespace mpmd

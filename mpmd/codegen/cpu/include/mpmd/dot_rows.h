// Products with few rows of A, where B lies along k: B is streamed once, in order, at the memory's speed.
//
// In:  up to `stream_most` rows of A, B by its columns (weights as stored), scratch of `stream_bytes`.
// Out: C. Not here: anything else (dot_panels.h).
#pragma once

#include "mpmd/matrix.h"

namespace mpmd {

constexpr int stream_most = 16;
constexpr Word stream_bytes = 1 << 19;  // of A, interleaved, within a block along k

// A run through memory that fetches what comes next of B: a piece for each row in hand at every step. One row
// is followed a little way ahead. Several are followed by those after them, in the order in which they lie
// where rows follow each other without a gap.
struct Ahead {
  const char* at;
  Word between;  // bytes between the pieces of one step
  Word step;     // bytes from step to step
};

template <int R, class T>
MPMD_INLINE Ahead ahead_of(const T* b, Word k, Word row, Word piece) {
  const char* next = reinterpret_cast<const char*>(b + R * row);
  if (row != k) return {next, row * static_cast<Word>(sizeof(T)), piece};
  return {R == 1 ? reinterpret_cast<const char*>(b) + 4096 : next, piece, piece * R};
}

// R rows of B against M rows of A, which is interleaved: to a[k / N][M][N].
template <int M, int R, class C, class TB>
MPMD_INLINE void stream_block(Word k, const C* a, const TB* b, Word b_row, Matrix<C> c, bool accumulate) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  Ahead ahead = ahead_of<R>(b, k, b_row, N * sizeof(TB));
  Raw<S, N> sum[R][M] = {};
  Word at = 0;
  for (; at + N <= k; at += N) {
    Raw<S, N> x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      __builtin_prefetch(ahead.at + r * ahead.between, 0, 2);
      x[r] = load_as<C, N>(b + r * b_row + at);
    }
    ahead.at += ahead.step;
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Raw<S, N> y = load_as<C, N>(a + at * M + m * N);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r][m] += y * x[r];
    }
  }
  if (at < k) {
    const int count = static_cast<int>(k - at);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Raw<S, N> x = load_part_as<C, N>(count, b + r * b_row + at);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) sum[r][m] += load_as<C, N>(a + at * M + m * N) * x;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const C total = fold_lanes<Sum>(Vec<C, N>{(Raw<C, N>)sum[r][m]});
      C* to = c.data + m * c.row + r * c.col;
      *to = accumulate ? static_cast<C>(static_cast<S>(*to) + static_cast<S>(total)) : total;
    }
  }
}

// Rows of B at a time: each vector of A serves them all, as far as the registers reach.
template <int M>
constexpr int streams = accumulators < 24 ? most(1, 8 / M) : M <= 2 ? 8 : M <= 6 ? 4 : 3;

template <int M, int R, class C, class TB>
MPMD_INLINE Word stream_groups(Word j, Word n, Word k, const C* a, const TB* b, Word b_row, Matrix<C> c,
                               bool accumulate) {
  for (; j + R <= n; j += R) {
    const Matrix<C> part = matrix(c.data + j * c.col, c.row, c.col);
    stream_block<M, R>(k, a, b + j * b_row, b_row, part, accumulate);
  }
  return j;
}

template <int M, class C, class TB>
MPMD_APART void stream(Word n, Word k, const C* a, const TB* b, Word b_row, Matrix<C> c, bool accumulate) {
  // One short row of A stays in the first cache by itself: then a single run through B is fastest.
  const bool single = M == 1 && k * static_cast<Word>(sizeof(C)) <= 8192;
  const Word j = single ? 0 : stream_groups<M, streams<M>>(0, n, k, a, b, b_row, c, accumulate);
  stream_groups<M, 1>(j, n, k, a, b, b_row, c, accumulate);
}

template <class C, class TB>
void stream_rows(Word m, Word n, Word k, const C* a, const TB* b, Word b_row, Matrix<C> c, bool accumulate) {
  switch (m) {
    case 1: return stream<1>(n, k, a, b, b_row, c, accumulate);
    case 2: return stream<2>(n, k, a, b, b_row, c, accumulate);
    case 3: return stream<3>(n, k, a, b, b_row, c, accumulate);
    case 4: return stream<4>(n, k, a, b, b_row, c, accumulate);
    case 5: return stream<5>(n, k, a, b, b_row, c, accumulate);
    case 6: return stream<6>(n, k, a, b, b_row, c, accumulate);
    case 7: return stream<7>(n, k, a, b, b_row, c, accumulate);
    default: return stream<8>(n, k, a, b, b_row, c, accumulate);
  }
}

// Rows of A side by side, N elements of each in turn, zeros after the last: to[k / N][m][N].
template <class C, class TA>
MPMD_APART void interleave(Word m, Word k, const TA* a, Word a_row, C* to) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  for (Word at = 0; at < k; at += N) {
    const int count = static_cast<int>(least(N, k - at));
    for (Word i = 0; i < m; ++i) {
      const TA* from = a + i * a_row + at;
      const Raw<S, N> x = count == N ? load_as<C, N>(from) : load_part_as<C, N>(count, from);
      put(Full<N>{}, to + at * m + i * N, (Raw<C, N>)x);
    }
  }
}

// Up to 8 rows of A against all of B; more rows take turns on a few rows of B that stay in the cache.
template <class C, class TA, class TB>
void dot_rows(Word m, Word n, Word k, const TA* a, Word a_row, const TB* b, Word b_row, Matrix<C> c, bool accumulate,
              C* scratch) {
  constexpr Word depth = stream_bytes / (stream_most * static_cast<Word>(sizeof(C)));
  const Word step = m <= 8 ? n : 12;
  for (Word at = 0; at < k; at += depth) {
    const Word deep = least(depth, k - at);
    for (Word i = 0; i < m; i += 8) {
      interleave(least(8, m - i), deep, a + i * a_row + at, a_row, scratch + i * depth);
    }
    for (Word j = 0; j < n; j += step) {
      for (Word i = 0; i < m; i += 8) {
        const Matrix<C> part = matrix(c.data + i * c.row + j * c.col, c.row, c.col);
        const TB* first = b + j * b_row + at;
        const bool more = accumulate || at > 0;
        const C* rows = scratch + i * depth;
        stream_rows(least(8, m - i), least(step, n - j), deep, rows, first, b_row, part, more);
      }
    }
  }
}

}  // namespace mpmd

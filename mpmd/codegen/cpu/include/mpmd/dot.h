// Products of matrices: C[m, n] = A[m, k] · B[k, n], or C += the same.
//
// In:  three strided matrices, the extents (at run time, any of them may be 0), scratch for packing.
// Out: C. Not here: which tile goes where, batches, epilogues.
//
// Three ways, by shape:
//   rows     few rows of A, B contiguous along k (weights as stored): B is streamed once, in order
//   direct   few rows of A, B contiguous along n: the micro-kernel reads B where it lies
//   packed   anything else: B (and A where needed) packed into panels, blocked along k and m
// The order of additions depends on the extents, strides and vector width alone, so results repeat.
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

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int panel_vectors = 4;  // 32 registers
#else
constexpr int panel_vectors = 2;  // 16 registers
#endif
constexpr int panel_rows = 6;
constexpr int accumulators = panel_rows * panel_vectors;
constexpr int block_bytes = 1536;  // of one row of A within a block along k
constexpr int block_rows = 240;
constexpr int stream_most = 16;  // up to here B is streamed rather than packed
constexpr Word stream_bytes = 1 << 19;  // of A, interleaved, within a block along k

// What the packed way needs: a panel of B and a block of A.
constexpr Word dot_scratch_bytes = block_bytes * (panel_vectors * vector_bytes + block_rows);

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

// -- rows: B streamed along k --------------------------------------------------------------------

// A run through memory that fetches the next rows of B while the present ones are used: a piece for each
// of them at every step, in the order in which they lie where rows follow each other without a gap.
struct Ahead {
  const char* at;
  Word between;  // bytes between the pieces of one step
  Word step;     // bytes from step to step
};

template <class T>
MPMD_INLINE Ahead ahead_of(const T* next, Word k, Word row, int rows, Word piece) {
  if (row == k) return {reinterpret_cast<const char*>(next), piece, piece * rows};
  return {reinterpret_cast<const char*>(next), row * static_cast<Word>(sizeof(T)), piece};
}

// R rows of B against M rows of A, which is interleaved: to a[k / N][M][N].
template <int M, int R, class C, class TB>
MPMD_INLINE void stream_block(Word k, const C* a, const TB* b, Word b_row, Matrix<C> c, bool accumulate) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  Ahead ahead = ahead_of(b + R * b_row, k, b_row, R, N * sizeof(TB));
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

template <int M, class C, class TB>
void stream(Word n, Word k, const C* a, const TB* b, Word b_row, Matrix<C> c, bool accumulate) {
  constexpr int R = streams<M>;
  Word j = 0;
  for (; j + R <= n; j += R) {
    stream_block<M, R>(k, a, b + j * b_row, b_row, matrix(c.data + j * c.col, c.row, c.col), accumulate);
  }
  if constexpr (R > 1) {
    for (; j < n; ++j) {
      stream_block<M, 1>(k, a, b + j * b_row, b_row, matrix(c.data + j * c.col, c.row, c.col), accumulate);
    }
  }
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
void interleave(Word m, Word k, const TA* a, Word a_row, C* to) {
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
void dot_rows(Word m, Word n, Word k, const TA* a, Word a_row, const TB* b, Word b_row, Matrix<C> c, bool accumulate, C* scratch) {
  constexpr Word depth = stream_bytes / (stream_most * static_cast<Word>(sizeof(C)));
  const Word step = m <= 8 ? n : 12;
  for (Word at = 0; at < k; at += depth) {
    const Word deep = least(depth, k - at);
    for (Word i = 0; i < m; i += 8) interleave(least(8, m - i), deep, a + i * a_row + at, a_row, scratch + i * depth);
    for (Word j = 0; j < n; j += step) {
      for (Word i = 0; i < m; i += 8) {
        const Matrix<C> part = matrix(c.data + i * c.row + j * c.col, c.row, c.col);
        const C* rows = scratch + i * depth;
        stream_rows(least(8, m - i), least(step, n - j), deep, rows, b + j * b_row + at, b_row, part, accumulate || at > 0);
      }
    }
  }
}

// -- the micro-kernel ----------------------------------------------------------------------------

// M rows of C, V vectors wide. `count` columns are stored: all V · N of them, or fewer in the last panel.
template <int M, int V, class C, class TA, class TB>
MPMD_INLINE void micro(Word k, const TA* a, Word a_row, const TB* b, Word b_row, Matrix<C> c, int count, bool accumulate) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  Raw<S, N> sum[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[m][v] = Raw<S, N>{};
  }
#pragma GCC unroll 2
  for (Word at = 0; at < k; ++at) {
    Raw<S, N> x[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) x[v] = load_as<C, N>(b + at * b_row + v * N);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Raw<S, N> y = raw_splat<S, N>(static_cast<S>(load_one<C>(a + m * a_row + at)));
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[m][v] += y * x[v];
    }
  }
  if (c.col == 1 && count == V * N) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        C* to = c.data + m * c.row + v * N;
        if (accumulate) sum[m][v] += load_as<C, N>(to);
        put(Full<N>{}, to, (Raw<C, N>)sum[m][v]);
      }
    }
    return;
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    alignas(64) S held[V * N];
    __builtin_memcpy(held, sum[m], sizeof held);
    for (int j = 0; j < count; ++j) {
      C* to = c.data + m * c.row + j * c.col;
      *to = static_cast<C>(accumulate ? static_cast<S>(*to) + held[j] : held[j]);
    }
  }
}

template <int V, class C, class TA, class TB>
void micro_rows(Word m, Word k, const TA* a, Word a_row, const TB* b, Word b_row, Matrix<C> c, int count, bool accumulate) {
  Word i = 0;
  for (; i + panel_rows <= m; i += panel_rows) {
    micro<panel_rows, V>(k, a + i * a_row, a_row, b, b_row, matrix(c.data + i * c.row, c.row, c.col), count, accumulate);
  }
  a += i * a_row;
  c.data += i * c.row;
  switch (m - i) {
    case 5: return micro<5, V>(k, a, a_row, b, b_row, c, count, accumulate);
    case 4: return micro<4, V>(k, a, a_row, b, b_row, c, count, accumulate);
    case 3: return micro<3, V>(k, a, a_row, b, b_row, c, count, accumulate);
    case 2: return micro<2, V>(k, a, a_row, b, b_row, c, count, accumulate);
    case 1: return micro<1, V>(k, a, a_row, b, b_row, c, count, accumulate);
    default: return;
  }
}

// -- packing -------------------------------------------------------------------------------------

// A square of N × N, transposed in log2(N) exchanges of halves.
template <int N, class S>
MPMD_INLINE void transpose_square(Raw<S, N> (&x)[N]) {
#pragma GCC unroll 8
  for (int half = N / 2; half > 0; half /= 2) {
    Raw<Signed<S>, N> low = {}, high = {};
#pragma GCC unroll 16
    for (int lane = 0; lane < N; ++lane) {
      low[lane] = lane & half ? N + lane - half : lane;
      high[lane] = lane & half ? N + lane : lane + half;
    }
#pragma GCC unroll 16
    for (int row = 0; row < N; ++row) {
      if (row & half) continue;
      const Raw<S, N> upper = x[row], lower = x[row + half];
#if defined(__clang__)
      for (int lane = 0; lane < N; ++lane) {
        x[row][lane] = lane & half ? lower[lane - half] : upper[lane];
        x[row + half][lane] = lane & half ? lower[lane] : upper[lane + half];
      }
#else
      x[row] = __builtin_shuffle(upper, lower, low);
      x[row + half] = __builtin_shuffle(upper, lower, high);
#endif
    }
  }
}

// B[k, n] to panels of `width` columns: to[k][width], zeros beyond n.
template <class C, class TB>
void pack_b(Word k, Word n, Word width, Matrix<const TB> b, C* to) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  Word done = 0;  // columns finished for all of k
  if (b.col == 1) {
    for (Word at = 0; at < k; ++at) {
      const TB* from = b.data + at * b.row;
      Word j = 0;
      for (; j + N <= n; j += N) put(Full<N>{}, to + at * width + j, (Raw<C, N>)load_as<C, N>(from + j));
      if (j < n) put(Full<N>{}, to + at * width + j, (Raw<C, N>)load_part_as<C, N>(static_cast<int>(n - j), from + j));
      for (j = (n + N - 1) / N * N; j < width; j += N) put(Full<N>{}, to + at * width + j, Raw<C, N>{});
    }
    return;
  }
  if (b.row == 1) {
    for (; done + N <= n; done += N) {
      Word at = 0;
      for (; at + N <= k; at += N) {
        Raw<S, N> x[N];
#pragma GCC unroll 16
        for (int j = 0; j < N; ++j) {
          const TB* from = b.data + (done + j) * b.col + at;
          __builtin_prefetch(reinterpret_cast<const char*>(from) + 512);
          x[j] = load_as<C, N>(from);
        }
        transpose_square<N, S>(x);
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) put(Full<N>{}, to + (at + i) * width + done, (Raw<C, N>)x[i]);
      }
      for (; at < k; ++at) {
        for (int j = 0; j < N; ++j) to[at * width + done + j] = load_one<C>(b.data + (done + j) * b.col + at);
      }
    }
  }
  for (Word at = 0; at < k; ++at) {
    for (Word j = done; j < width; ++j) {
      to[at * width + j] = j < n ? load_one<C>(b.data + at * b.row + j * b.col) : C{};
    }
  }
}

// A[m, k] to to[m][k].
template <class C, class TA>
void pack_a(Word m, Word k, Matrix<const TA> a, C* to) {
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  for (Word i = 0; i < m; ++i) {
    for (Word at = 0; at < k; at += N) {
      const int count = static_cast<int>(least(N, k - at));
      const Part<N> rest{count};
      store(rest, to + i * k + at, cast<C>(load(rest, a.data + i * a.row + at * a.col, a.col)));
    }
  }
}

// -- packed and direct ---------------------------------------------------------------------------

template <class C, class TA, class TB>
void dot_packed(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate, C* scratch) {
  constexpr Word width = panel_vectors * vector_bytes / static_cast<Word>(sizeof(C));
  constexpr Word depth = block_bytes / static_cast<Word>(sizeof(C));
  C* panel = scratch;
  C* rows = scratch + depth * width;
  for (Word at = 0; at < k; at += depth) {
    const Word deep = least(depth, k - at);
    for (Word i = 0; i < m; i += block_rows) {
      const Word high = least(block_rows, m - i);
      const Matrix<const TA> block = matrix(a.data + i * a.row + at * a.col, a.row, a.col);
      const bool pack = a.col != 1 || !same<TA, C>;
      if (pack) pack_a<C>(high, deep, block, rows);
      for (Word j = 0; j < n; j += width) {
        const Word wide = least(width, n - j);
        pack_b<C>(deep, wide, width, matrix(b.data + at * b.row + j * b.col, b.row, b.col), panel);
        const Matrix<C> part = matrix(c.data + i * c.row + j * c.col, c.row, c.col);
        const bool more = accumulate || at > 0;
        const int count = static_cast<int>(wide);
        if (pack) {
          micro_rows<panel_vectors>(high, deep, static_cast<const C*>(rows), deep, static_cast<const C*>(panel), width, part, count, more);
        } else {
          micro_rows<panel_vectors>(high, deep, block.data, block.row, static_cast<const C*>(panel), width, part, count, more);
        }
      }
    }
  }
}

template <class C, class TA, class TB>
void dot_direct(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate, C* scratch) {
  constexpr Word width = panel_vectors * vector_bytes / static_cast<Word>(sizeof(C));
  const Word whole = n / width * width;
  for (Word j = 0; j < whole; j += width) {
    const Matrix<C> part = matrix(c.data + j * c.col, c.row, c.col);
    micro_rows<panel_vectors>(m, k, a.data, a.row, b.data + j, b.row, part, static_cast<int>(width), accumulate);
  }
  if (whole < n) {
    const Matrix<C> part = matrix(c.data + whole * c.col, c.row, c.col);
    dot_packed(m, n - whole, k, a, matrix(b.data + whole, b.row, b.col), part, accumulate, scratch);
  }
}

template <class C>
MPMD_INLINE void clear(Word m, Word n, Matrix<C> c) {
  for (Word i = 0; i < m; ++i) {
    for (Word j = 0; j < n; ++j) c.data[i * c.row + j * c.col] = C{};
  }
}

// C (+)= A · B. `scratch` has `dot_scratch_bytes`.
template <class C, class TA, class TB>
void dot(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate, void* scratch) {
  C* const space = static_cast<C*>(scratch);
  if (k == 0) {
    if (!accumulate) clear(m, n, c);
  } else if (a.col == 1 && b.row == 1 && m <= stream_most) {
    dot_rows(m, n, k, a.data, a.row, b.data, b.col, c, accumulate, space);
  } else if (a.col == 1 && b.row == 1 && n <= stream_most) {  // the same, transposed
    dot_rows(n, m, k, b.data, b.col, a.data, a.row, matrix(c.data, c.col, c.row), accumulate, space);
  } else if (a.col == 1 && b.col == 1 && m <= 2 * panel_rows) {
    dot_direct(m, n, k, a, b, c, accumulate, space);
  } else {
    dot_packed(m, n, k, a, b, c, accumulate, space);
  }
}

}  // namespace mpmd

// Products of matrices by a register-blocked micro-kernel on panels of B.
//
// In:  matrices of any strides, scratch of `panel_scratch_bytes`. Out: C.
// Not here: the choice between this and streaming (dot.h).
//
// `dot_packed` copies B (and A where needed) into panels, blocked along k and m. `dot_direct` reads B where it
// lies. The next panel is fetched into the cache while the present one is used.
#pragma once

#include "mpmd/matrix.h"

namespace mpmd {

constexpr int block_bytes = 1536;  // of one row of A within a block along k
constexpr int block_rows = 240;

constexpr Word panel_scratch_bytes = block_bytes * panel_vectors * vector_bytes + (block_bytes + 64) * block_rows;

// A piece of memory that is fetched into the cache bit by bit: `rows` rows of `bytes` bytes.
struct NextPanel {
  const char* at;
  Word row;  // bytes between rows
  Word bytes;
  Word rows;
  Word done;  // bytes of the first row

  MPMD_INLINE void some(Word lines) {
    for (; lines > 0 && rows > 0; --lines) {
      __builtin_prefetch(at + done, 0, 2);
      done += 64;
      if (done >= bytes) done = 0, at += row, --rows;
    }
  }
};

// The panel B[k, n], in the order in which it lies.
template <class T>
MPMD_INLINE NextPanel next_panel(Matrix<const T> b, Word k, Word n) {
  constexpr Word item = sizeof(T);
  const char* at = reinterpret_cast<const char*>(b.data);
  if (b.row == 1) return {at, b.col * item, k * item, n, 0};
  return {at, b.row * item, n * item, n > 0 ? k : 0, 0};
}

// M rows of C, V vectors wide. `count` columns are stored: all V · N of them, or fewer in the last panel.
template <int M, int V, class C, class TA, class TB>
MPMD_INLINE void micro(Word k, const TA* a, Word a_row, const TB* b, Word b_row, Matrix<C> c, int count,
                       bool accumulate, NextPanel& fetch, Word share) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  Raw<S, N> sum[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[m][v] = Raw<S, N>{};
  }
  const auto step = [&](Word at) __attribute__((always_inline)) {
    Raw<S, N> x[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) x[v] = load_as<C, N>(b + at * b_row + v * N);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Raw<S, N> y = raw_splat<S, N>(static_cast<S>(load_one<C>(a + m * a_row + at)));
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[m][v] += y * x[v];
    }
  };
  Word at = 0;
  for (; at + 8 <= k; at += 8) {
    fetch.some(share);
#pragma GCC unroll 8
    for (int u = 0; u < 8; ++u) step(at + u);
  }
  for (; at < k; ++at) step(at);
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
MPMD_APART void micro_rows(Word m, Word k, const TA* a, Word a_row, const TB* b, Word b_row, Matrix<C> c, int count,
                           bool accumulate, NextPanel fetch) {
  const Word chunks = (m / panel_rows) * (k / 8) + 1;
  const Word share = (fetch.rows * ((fetch.bytes + 63) / 64) + chunks - 1) / chunks;
  Word i = 0;
  for (; i + panel_rows <= m; i += panel_rows) {
    const Matrix<C> part = matrix(c.data + i * c.row, c.row, c.col);
    micro<panel_rows, V>(k, a + i * a_row, a_row, b, b_row, part, count, accumulate, fetch, share);
  }
  a += i * a_row;
  c.data += i * c.row;
  switch (m - i) {
    case 5: return micro<5, V>(k, a, a_row, b, b_row, c, count, accumulate, fetch, share);
    case 4: return micro<4, V>(k, a, a_row, b, b_row, c, count, accumulate, fetch, share);
    case 3: return micro<3, V>(k, a, a_row, b, b_row, c, count, accumulate, fetch, share);
    case 2: return micro<2, V>(k, a, a_row, b, b_row, c, count, accumulate, fetch, share);
    case 1: return micro<1, V>(k, a, a_row, b, b_row, c, count, accumulate, fetch, share);
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
MPMD_APART void pack_b(Word k, Word n, Word width, Matrix<const TB> b, C* to) {
  typedef typename SumOf<C>::type S;
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  Word done = 0;  // columns finished for all of k
  if (b.col == 1) {
    for (Word at = 0; at < k; ++at) {
      const TB* from = b.data + at * b.row;
      Word j = 0;
      for (; j + N <= n; j += N) put(Full<N>{}, to + at * width + j, (Raw<C, N>)load_as<C, N>(from + j));
      const int rest = static_cast<int>(n - j);
      if (rest > 0) put(Full<N>{}, to + at * width + j, (Raw<C, N>)load_part_as<C, N>(rest, from + j));
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
          x[j] = load_as<C, N>(b.data + (done + j) * b.col + at);
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

// A[m, k] to rows `row` apart.
template <class C, class TA>
MPMD_APART void pack_a(Word m, Word k, Matrix<const TA> a, C* to, Word row) {
  constexpr int N = vector_bytes / static_cast<int>(sizeof(C));
  for (Word i = 0; i < m; ++i) {
    for (Word at = 0; at < k; at += N) {
      const int count = static_cast<int>(least(N, k - at));
      const Part<N> rest{count};
      store(rest, to + i * row + at, cast<C>(load(rest, a.data + i * a.row + at * a.col, a.col)));
    }
  }
}

// -- packed and direct ---------------------------------------------------------------------------

template <class C, class TA, class TB>
MPMD_APART void dot_packed(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c,
                           bool accumulate, C* scratch) {
  constexpr Word width = panel_vectors * vector_bytes / static_cast<Word>(sizeof(C));
  constexpr Word depth = block_bytes / static_cast<Word>(sizeof(C));
  constexpr Word row = depth + 64 / static_cast<Word>(sizeof(C));  // no power of two
  C* const panel = scratch;
  C* const rows = scratch + depth * width;
  const bool crowded = n >= 128 && a.row * static_cast<Word>(sizeof(TA)) % 1024 == 0;  // rows meet in the cache
  const bool pack = a.col != 1 || !same<TA, C> || crowded;
  for (Word at = 0; at < k; at += depth) {
    const Word deep = least(depth, k - at);
    for (Word i = 0; i < m; i += block_rows) {
      const Word high = least(block_rows, m - i);
      const Matrix<const TA> block = matrix(a.data + i * a.row + at * a.col, a.row, a.col);
      if (pack) pack_a<C>(high, deep, block, rows, row);
      for (Word j = 0; j < n; j += width) {
        const Word wide = least(width, n - j);
        const Matrix<const TB> cut = matrix(b.data + at * b.row + j * b.col, b.row, b.col);
        pack_b<C>(deep, wide, width, cut, panel);
        const NextPanel next = next_panel(matrix(cut.data + wide * b.col, b.row, b.col), deep, least(width, n - j - wide));
        const Matrix<C> part = matrix(c.data + i * c.row + j * c.col, c.row, c.col);
        const C* const ready = panel;
        const int count = static_cast<int>(wide);
        if (pack) {
          const C* const packed = rows;
          micro_rows<panel_vectors>(high, deep, packed, row, ready, width, part, count, accumulate || at > 0, next);
        } else {
          micro_rows<panel_vectors>(high, deep, block.data, block.row, ready, width, part, count, accumulate || at > 0,
                                    next);
        }
      }
    }
  }
}

template <class C, class TA, class TB>
void dot_direct(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate,
                C* scratch) {
  constexpr Word width = panel_vectors * vector_bytes / static_cast<Word>(sizeof(C));
  const Word whole = n / width * width;
  for (Word j = 0; j < whole; j += width) {
    const Matrix<C> part = matrix(c.data + j * c.col, c.row, c.col);
    constexpr int count = static_cast<int>(width);
    micro_rows<panel_vectors>(m, k, a.data, a.row, b.data + j, b.row, part, count, accumulate, NextPanel{});
  }
  if (whole < n) {
    const Matrix<C> part = matrix(c.data + whole * c.col, c.row, c.col);
    dot_packed(m, n - whole, k, a, matrix(b.data + whole, b.row, b.col), part, accumulate, scratch);
  }
}

}  // namespace mpmd

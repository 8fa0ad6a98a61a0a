// Products by tiles of 64 × 64: A and B come through shared memory, each thread adds up 4 × 4 elements of C.
//
// In:  three strided matrices, any extents. Out: C. Not here: tensor cores (dot_mma.h), few rows (dot_rows.h).
#pragma once

#include "mpmd/matrix.h"

namespace mpmd {

constexpr int tile_side = 64;
constexpr int tile_depth = 16;
constexpr int tile_pitch = tile_side + 4;  // so that neighbours along k lie in other banks

// tile[at][i] = m(i0 + i, k0 + at), zero beyond `rows` and `k`; neighbouring threads go along the unit stride.
template <class C, class T>
MPMD_INLINE void stage_tile(typename SumOf<C>::type* tile, Matrix<const T> m, Word i0, Word rows, Word k0, Word k) {
  typedef typename SumOf<C>::type S;
  for (int at = device::thread(); at < tile_side * tile_depth; at += device::threads) {
    const int i = m.col == 1 ? at / tile_depth : at % tile_side;
    const int d = m.col == 1 ? at % tile_depth : at / tile_side;
    const bool inside = i0 + i < rows && k0 + d < k;
    tile[d * tile_pitch + i] = inside ? load_as<C>(m.data + (i0 + i) * m.row + (k0 + d) * m.col) : S{};
  }
}

template <class S>
MPMD_INLINE void add_tiles(S (&sum)[4][4], const S* a, const S* b, int i, int j) {
#pragma unroll
  for (int d = 0; d < tile_depth; ++d) {
    S x[4], y[4];
#pragma unroll
    for (int u = 0; u < 4; ++u) x[u] = a[d * tile_pitch + i + u];
#pragma unroll
    for (int u = 0; u < 4; ++u) y[u] = b[d * tile_pitch + j + 16 * u];
#pragma unroll
    for (int u = 0; u < 4; ++u) {
#pragma unroll
      for (int v = 0; v < 4; ++v) sum[u][v] = multiply_add(x[u], y[v], sum[u][v]);
    }
  }
}

// A thread's rows are neighbours, its columns 16 apart, so that a warp reads and writes neighbours.
template <class C, class TA, class TB>
MPMD_DEVICE void dot_tiles(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate) {
  typedef typename SumOf<C>::type S;
  static_assert(2 * tile_depth * tile_pitch * sizeof(S) <= stage_bytes, "both tiles are staged");
  S* const left = reinterpret_cast<S*>(stage());
  S* const right = left + tile_depth * tile_pitch;
  const int i = 4 * (device::thread() / 16), j = device::thread() % 16;
  for (Word i0 = 0; i0 < m; i0 += tile_side) {
    for (Word j0 = 0; j0 < n; j0 += tile_side) {
      S sum[4][4] = {};
      for (Word k0 = 0; k0 < k; k0 += tile_depth) {
        stage_tile<C>(left, a, i0, m, k0, k);
        stage_tile<C>(right, transposed(b), j0, n, k0, k);
        device::barrier();
        add_tiles(sum, left, right, i, j);
        device::barrier();
      }
#pragma unroll
      for (int u = 0; u < 4; ++u) {
#pragma unroll
        for (int v = 0; v < 4; ++v) {
          const Word row = i0 + i + u, col = j0 + j + 16 * v;
          if (row < m && col < n) write_sum(c.data + row * c.row + col * c.col, sum[u][v], accumulate);
        }
      }
    }
  }
}

}  // namespace mpmd

// Products of 16-bit floats on tensor cores, added up in f32.
//
// In:  three strided matrices, A and B of one 16-bit type, any extents. Out: C.
// Not here: few rows (dot_rows.h), other types (dot_tiles.h).
//
// Tiles of 64 × 64 come through shared memory, 32 deep; each of the 8 warps has 32 × 16 of them, as 2 × 2
// products of mma.m16n8k16. Ragged edges are zeros in the tiles.
#pragma once

#include "mpmd/matrix.h"

namespace mpmd {

constexpr int mma_side = 64;
constexpr int mma_depth = 32;
constexpr int mma_pitch = mma_depth + 8;  // so that the eight rows of a fragment lie in other banks

// tile[i][at] = m(i0 + i, k0 + at), zero beyond `rows` and `k`; neighbouring threads go along the unit stride.
template <class T>
MPMD_INLINE void stage_short(unsigned short* tile, Matrix<const T> m, Word i0, Word rows, Word k0, Word k) {
#pragma unroll 4
  for (int at = device::thread(); at < mma_side * mma_depth; at += device::threads) {
    const int i = m.col == 1 ? at / mma_depth : at % mma_side;
    const int d = m.col == 1 ? at % mma_depth : at / mma_side;
    const bool inside = i0 + i < rows && k0 + d < k;
    tile[i * mma_pitch + d] = inside ? m.data[(i0 + i) * m.row + (k0 + d) * m.col].bits : 0;
  }
}

// Two neighbours along k as one word.
MPMD_INLINE unsigned pair(const unsigned short* place) { return *reinterpret_cast<const unsigned*>(place); }

template <class T>
MPMD_INLINE void add_short_tiles(f32 (&sum)[2][2][4], const unsigned short* a, const unsigned short* b) {
  const int row = device::warp() / 4 * 32 + device::lane() / 4, col = device::warp() % 4 * 16 + device::lane() / 4;
  const int first = device::lane() % 4 * 2;
#pragma unroll
  for (int d = 0; d < mma_depth; d += 16) {
    unsigned left[2][4], right[2][2];
#pragma unroll
    for (int u = 0; u < 2; ++u) {
      const unsigned short* place = a + (row + 16 * u) * mma_pitch + d + first;
      left[u][0] = pair(place);
      left[u][1] = pair(place + 8 * mma_pitch);
      left[u][2] = pair(place + 8);
      left[u][3] = pair(place + 8 * mma_pitch + 8);
    }
#pragma unroll
    for (int v = 0; v < 2; ++v) {
      const unsigned short* place = b + (col + 8 * v) * mma_pitch + d + first;
      right[v][0] = pair(place);
      right[v][1] = pair(place + 8);
    }
#pragma unroll
    for (int u = 0; u < 2; ++u) {
#pragma unroll
      for (int v = 0; v < 2; ++v) device::multiply_accumulate(T{}, sum[u][v], left[u], right[v]);
    }
  }
}

template <class C>
MPMD_INLINE void write_sums(const f32 (&sum)[2][2][4], Word i0, Word m, Word j0, Word n, Matrix<C> c, bool accumulate) {
#pragma unroll
  for (int at = 0; at < 16; ++at) {
    const int u = at / 8, v = at / 4 % 2, e = at % 4;
    const Word row = i0 + device::warp() / 4 * 32 + 16 * u + device::lane() / 4 + e / 2 * 8;
    const Word col = j0 + device::warp() % 4 * 16 + 8 * v + device::lane() % 4 * 2 + e % 2;
    if (row < m && col < n) write_sum(c.data + row * c.row + col * c.col, sum[u][v][e], accumulate);
  }
}

template <class T>
MPMD_DEVICE void dot_mma(Word m, Word n, Word k, Matrix<const T> a, Matrix<const T> b, Matrix<f32> c, bool accumulate) {
  static_assert(2 * mma_side * mma_pitch * sizeof(short) <= stage_bytes, "both tiles are staged");
  unsigned short* const left = reinterpret_cast<unsigned short*>(stage());
  unsigned short* const right = left + mma_side * mma_pitch;
  for (Word i0 = 0; i0 < m; i0 += mma_side) {
    for (Word j0 = 0; j0 < n; j0 += mma_side) {
      f32 sum[2][2][4] = {};
      for (Word k0 = 0; k0 < k; k0 += mma_depth) {
        stage_short(left, a, i0, m, k0, k);
        stage_short(right, transposed(b), j0, n, k0, k);
        device::barrier();
        add_short_tiles<T>(sum, left, right);
        device::barrier();
      }
      write_sums(sum, i0, m, j0, n, c, accumulate);
    }
  }
}

}  // namespace mpmd

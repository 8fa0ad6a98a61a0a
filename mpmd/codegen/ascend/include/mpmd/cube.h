// Products on a cube core: global memory → L1 → L0, products, and back.
//
// In:  matrices in global memory, rows or columns apart by strides. Out: their product there.
// Not here: what stands between two products of a task, which the task's text states.
//
// Layouts (2201): L1 has columns of 16 by 16 fractals (NZ), L0A rows of fractals (ZZ), L0B rows of fractals with
// columns inside (ZN), L0C columns of fractals (NZ).
#pragma once

#include "mpmd/core.h"

namespace mpmd {

constexpr uint32_t kSide = 16;      // of a fractal
constexpr uint32_t kFractal = 256;  // its elements
constexpr uint32_t kTile = 128;     // of the sides of a product on chip: half of L0A, L0B and L0C each

__aicore__ inline uint32_t fractals(uint32_t extent) { return (extent + kSide - 1) / kSide; }

/// How sums in f32 become elements of the result.
template <class Out>
constexpr QuantMode_t kRounding = QuantMode_t::NoQuant;
template <>
constexpr QuantMode_t kRounding<half> = QuantMode_t::F322F16;
template <>
constexpr QuantMode_t kRounding<bfloat16_t> = QuantMode_t::F322BF16;

/// A matrix in global memory: rows, or with `transposed` columns, lie `stride` elements apart.
template <class T, bool transposed>
struct Matrix {
  __gm__ T* data;
  Word stride;
};

/// A tile of `rows` by `columns`, as it lies in memory, into L1.
template <class T, bool transposed>
__aicore__ inline void bring(
    const AscendC::LocalTensor<T>& to, Matrix<T, transposed> from, uint32_t row, uint32_t column, uint32_t rows, uint32_t columns) {
  using namespace AscendC;
  const uint32_t n = transposed ? columns : rows, d = transposed ? rows : columns;
  GlobalTensor<T> global;
  global.SetGlobalBuffer(from.data + (transposed ? column * from.stride + row : row * from.stride + column));
  const uint16_t high = fractals(n) * kSide;
  DataCopy(to, global, Nd2NzParams(1, n, d, 0, from.stride, high, 1, 0));
}

/// out = a @ b, of m by k and k by n, in f32, rounded to the type of `out`.
template <class Out, class T, bool kA, bool kB>
__aicore__ inline void product(
    Matrix<Out, false> out, Matrix<T, kA> a, Matrix<T, kB> b, uint32_t m, uint32_t n, uint32_t k) {
  using namespace AscendC;
  constexpr uint32_t bytes = kTile * kTile * sizeof(T);
  const LocalTensor<T> a1(TPosition::A1, 0, kTile * kTile), b1(TPosition::B1, bytes, kTile * kTile);
  const LocalTensor<T> a2(TPosition::A2, 0, kTile * kTile), b2(TPosition::B2, 0, kTile * kTile);
  const LocalTensor<float> sum(TPosition::CO1, 0, kTile * kTile);
  bool first = true;  // no tile of factors is on chip yet
  for (uint32_t row = 0; row < m; row += kTile) {
    for (uint32_t column = 0; column < n; column += kTile) {
      const uint32_t high = least(kTile, m - row), wide = least(kTile, n - column);
      const uint32_t rows = fractals(high), columns = fractals(wide);
      for (uint32_t inner = 0; inner < k; inner += kTile) {
        const uint32_t deep = least(kTile, k - inner), depth = fractals(deep);
        const bool last = row + kTile >= m && column + kTile >= n && inner + kTile >= k;
        if (!first) WaitFlag<HardEvent::MTE1_MTE2>(EVENT_ID0);  // L1 has been read
        bring(a1, a, row, inner, high, deep);
        bring(b1, b, inner, column, deep, wide);
        SetFlag<HardEvent::MTE2_MTE1>(EVENT_ID0);
        WaitFlag<HardEvent::MTE2_MTE1>(EVENT_ID0);           // L1 is there
        if (!first) WaitFlag<HardEvent::M_MTE1>(EVENT_ID0);  // L0A and L0B have been read
        for (uint32_t i = 0; i < rows; ++i) {
          const LoadData2DParams line(0, depth, kA ? 1 : rows, 0, 0, kA, 0);
          LoadData(a2[i * depth * kFractal], a1[i * (kA ? depth : 1) * kFractal], line);
        }
        for (uint32_t i = 0; i < depth; ++i) {
          const LoadData2DParams line(0, columns, kB ? 1 : depth, 0, 0, !kB, 0);
          LoadData(b2[i * columns * kFractal], b1[i * (kB ? columns : 1) * kFractal], line);
        }
        if (!last) SetFlag<HardEvent::MTE1_MTE2>(EVENT_ID0);
        SetFlag<HardEvent::MTE1_M>(EVENT_ID0);
        WaitFlag<HardEvent::MTE1_M>(EVENT_ID0);                           // L0A and L0B are there
        if (inner == 0 && !first) WaitFlag<HardEvent::FIX_M>(EVENT_ID0);  // L0C has been read
        Mmad(sum, a2, b2, MmadParams(high, wide, deep, 0, false, inner == 0));
        if (!last) SetFlag<HardEvent::M_MTE1>(EVENT_ID0);
        first = false;
      }
      SetFlag<HardEvent::M_FIX>(EVENT_ID0);
      WaitFlag<HardEvent::M_FIX>(EVENT_ID0);  // the sums are there
      GlobalTensor<Out> global;
      global.SetGlobalBuffer(out.data + row * out.stride + column);
      const FixpipeParamsV220 params(wide, high, rows * kSide, out.stride, false, kRounding<Out>, 0, 1, 0, 0, 0);
      Fixpipe<Out, float, CFG_ROW_MAJOR>(global, sum, params);
      if (row + kTile < m || column + kTile < n) SetFlag<HardEvent::FIX_M>(EVENT_ID0);
    }
  }
}

}  // namespace mpmd

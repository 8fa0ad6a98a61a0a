// Products on a cube core: global memory → L1 → L0, products, and back.
//
// In:  matrices in global memory, rows or columns apart by strides. Out: their product there.
// Not here: what stands between two products of a task, which the task's text states.
//
// Layouts (2201): fractals of 16 rows of 32 bytes. L1 has columns of them (NZ), L0A rows of them (ZZ), L0B rows of
// them with columns inside (ZN), L0C columns of 16 by 16 floats (NZ). On their way to L0 16-bit elements are turned
// over a fractal at a time; floats a square of two fractals at a time, side by side, so that a matrix of floats that
// is to be turned over lies in L1 in rows of fractals (ZZ).
#pragma once

#include "mpmd/core.h"

namespace mpmd {

constexpr uint32_t kSide = 16;   // rows of a fractal
constexpr uint32_t kTile = 128;  // of the sides of a product on chip

template <class T>
constexpr uint32_t kAlong = 32 / sizeof(T);  // elements of a row of a fractal
template <class T>
constexpr uint32_t kFractal = kSide * kAlong<T>;
template <class T>
constexpr bool kShort = sizeof(T) == 2;

/// Blocks of 16 in an extent.
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

/// A tile of `rows` by `columns`, as it lies in memory, into L1; `turned` if it is to be turned over on its way to L0.
template <bool turned, class T, bool transposed>
__aicore__ inline void bring(
    const AscendC::LocalTensor<T>& to, Matrix<T, transposed> from, uint32_t row, uint32_t column, uint32_t rows, uint32_t columns) {
  using namespace AscendC;
  const uint32_t n = transposed ? columns : rows, d = transposed ? rows : columns;
  GlobalTensor<T> global;
  global.SetGlobalBuffer(from.data + (transposed ? column * from.stride + row : row * from.stride + column));
  if constexpr (kShort<T> || !turned) {
    const uint16_t high = fractals(n) * kSide;
    DataCopy(to, global, Nd2NzParams(1, n, d, 0, from.stride, high, 1, 0));
  } else {
    for (uint32_t i = 0; i < n; i += kSide) {
      const uint16_t high = least(kSide, n - i);
      DataCopy(to[i * fractals(d) * kSide], global[i * from.stride], Nd2NzParams(1, high, d, 0, from.stride, kSide, 1, 0));
    }
  }
}

/// A single row, twice: the cube takes a left factor of one row for a vector, which lies otherwise.
template <class T>
__aicore__ inline void bring_twice(const AscendC::LocalTensor<T>& to, Matrix<T, false> from, uint32_t row, uint32_t column, uint32_t columns) {
  using namespace AscendC;
  GlobalTensor<T> global;
  global.SetGlobalBuffer(from.data + row * from.stride + column);
  DataCopy(to, global, Nd2NzParams(2, 1, columns, 0, columns, kSide, 1, kAlong<T>));
}

/// A left factor of `rows` by `depth` blocks of 16, from L1 to L0A.
template <bool turned, class T>
__aicore__ inline void take_left(const AscendC::LocalTensor<T>& to, const AscendC::LocalTensor<T>& from, uint32_t rows, uint32_t depth) {
  using namespace AscendC;
  const uint32_t across = depth * kSide / kAlong<T>;
  if constexpr (kShort<T> || !turned) {
    for (uint32_t i = 0; i < rows; ++i) {
      const LoadData2DParams line(0, across, turned ? 1 : rows, 0, 0, turned, 0);
      LoadData(to[i * across * kFractal<T>], from[i * (turned ? across : 1) * kFractal<T>], line);
    }
  } else {
    for (uint32_t i = 0; i < depth; ++i)
      LoadDataWithTranspose(to[2 * i * kFractal<T>], from[2 * i * rows * kFractal<T>], LoadData2dTransposeParams(0, rows, 1, across - 1, 0));
  }
}

/// A right factor of `depth` by `columns` blocks of 16, from L1 to L0B.
template <bool turned, class T>
__aicore__ inline void take_right(const AscendC::LocalTensor<T>& to, const AscendC::LocalTensor<T>& from, uint32_t depth, uint32_t columns) {
  using namespace AscendC;
  const uint32_t across = depth * kSide / kAlong<T>;
  if constexpr (kShort<T> || !turned) {
    for (uint32_t i = 0; i < across; ++i) {
      const LoadData2DParams line(0, columns, turned ? across : 1, 0, 0, turned, 0);
      LoadData(to[i * columns * kFractal<T>], from[i * (turned ? 1 : columns) * kFractal<T>], line);
    }
  } else {
    for (uint32_t i = 0; i < depth; ++i)
      LoadDataWithTranspose(
          to[2 * i * columns * kFractal<T>], from[2 * i * columns * kFractal<T>],
          LoadData2dTransposeParams(0, columns, 1, 0, columns - 1));
  }
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
  for (uint32_t row = 0, high; row < m; row += high) {
    high = m - row == kTile + 1 ? kTile - 1 : least(kTile, m - row);  // leaves no single row
    for (uint32_t column = 0; column < n; column += kTile) {
      const uint32_t wide = least(kTile, n - column);
      const uint32_t rows = fractals(high), columns = fractals(wide);
      for (uint32_t inner = 0; inner < k; inner += kTile) {
        const uint32_t deep = least(kTile, k - inner), depth = fractals(deep);
        const bool last = row + high >= m && column + kTile >= n && inner + kTile >= k;
        if (!first) WaitFlag<HardEvent::MTE1_MTE2>(EVENT_ID0);  // L1 has been read
        if constexpr (!kA) {
          high == 1 ? bring_twice(a1, a, row, inner, deep) : bring<kA>(a1, a, row, inner, high, deep);
        } else {
          bring<kA>(a1, a, row, inner, high, deep);
        }
        bring<!kB>(b1, b, inner, column, deep, wide);
        SetFlag<HardEvent::MTE2_MTE1>(EVENT_ID0);
        WaitFlag<HardEvent::MTE2_MTE1>(EVENT_ID0);           // L1 is there
        if (!first) WaitFlag<HardEvent::M_MTE1>(EVENT_ID0);  // L0A and L0B have been read
        take_left<kA>(a2, a1, rows, depth);
        take_right<!kB>(b2, b1, depth, columns);
        if (!last) SetFlag<HardEvent::MTE1_MTE2>(EVENT_ID0);
        SetFlag<HardEvent::MTE1_M>(EVENT_ID0);
        WaitFlag<HardEvent::MTE1_M>(EVENT_ID0);                           // L0A and L0B are there
        if (inner == 0 && !first) WaitFlag<HardEvent::FIX_M>(EVENT_ID0);  // L0C has been read
        MmadParams product(most(high, 2), wide, deep, 0, false, inner == 0);
        product.kDirectionAlign = !kShort<T>;  // floats too come in blocks of 16
        Mmad(sum, a2, b2, product);
        if (!last) SetFlag<HardEvent::M_MTE1>(EVENT_ID0);
        first = false;
      }
      SetFlag<HardEvent::M_FIX>(EVENT_ID0);
      WaitFlag<HardEvent::M_FIX>(EVENT_ID0);  // the sums are there
      GlobalTensor<Out> global;
      global.SetGlobalBuffer(out.data + row * out.stride + column);
      const FixpipeParamsV220 params(wide, high, rows * kSide, out.stride, false, kRounding<Out>, 0, 1, 0, 0, 0);
      Fixpipe<Out, float, CFG_ROW_MAJOR>(global, sum, params);
      if (row + high < m || column + kTile < n) SetFlag<HardEvent::FIX_M>(EVENT_ID0);
    }
  }
}

}  // namespace mpmd

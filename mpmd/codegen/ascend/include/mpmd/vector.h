// Tiles in the unified buffer: copies, and runs of vector instructions over their rows.
//
// In:  tiles at addresses that the compiler planned. Out: the same.
// Not here: order between pipes and between instructions of a task, which the task's text states; only where a
// function needs it between its own instructions is it here.
//
// Rows of a tile lie `pitch` elements apart, so that each begins at a multiple of 32 bytes in every element
// type. What lies between the end of a row and the next is neither read nor written.
#pragma once

#include "mpmd/scalar.h"

namespace mpmd {

template <class T>
using Tile = AscendC::LocalTensor<T>;

struct Shape {
  uint32_t rows, columns, pitch;
  __aicore__ inline bool empty() const { return rows == 0 || columns == 0; }
};

/// The fewest runs of neighbours that a tile consists of.
struct Runs {
  uint32_t count, length;
  __aicore__ inline explicit Runs(Shape s)
      : count(s.empty() ? 0 : s.columns == s.pitch ? 1 : s.rows), length(s.columns == s.pitch ? s.rows * s.columns : s.columns) {}
};

constexpr uint32_t kBlock = 32;     // bytes; what addresses and strides count in
constexpr uint32_t kLanes = 64;     // elements of 4 bytes in one repeat of an instruction
constexpr uint32_t kRepeats = 248;  // repeats of one instruction: at most 255, and results stay aligned
constexpr uint32_t kBursts = 4095;  // rows of one copy

template <class T>
__aicore__ inline Tile<T> tile(uint32_t address, uint32_t elements) {
  return Tile<T>(AscendC::TPosition::VECCALC, address, elements);
}

template <class T>
__aicore__ inline uint32_t gap(Shape s) {
  return (s.pitch * sizeof(T)) / kBlock - (s.columns * sizeof(T) + kBlock - 1) / kBlock;
}

template <class T>
__aicore__ inline void load(const Tile<T>& to, __gm__ T* from, Shape s, Word stride) {
  using namespace AscendC;
  if (s.empty()) return;
  for (uint32_t row = 0; row < s.rows; row += kBursts) {
    const uint16_t count = least(kBursts, s.rows - row);
    const uint32_t skipped = count == 1 ? 0 : (stride - s.columns) * sizeof(T);
    GlobalTensor<T> global;
    global.SetGlobalBuffer(from + row * stride);
    const DataCopyExtParams rows(count, s.columns * sizeof(T), skipped, gap<T>(s), 0);
    DataCopyPad(to[row * s.pitch], global, rows, DataCopyPadExtParams<T>(false, 0, 0, 0));
  }
}

template <class T>
__aicore__ inline void store(__gm__ T* to, const Tile<T>& from, Shape s, Word stride) {
  using namespace AscendC;
  if (s.empty()) return;
  for (uint32_t row = 0; row < s.rows; row += kBursts) {
    const uint16_t count = least(kBursts, s.rows - row);
    const uint32_t skipped = count == 1 ? 0 : (stride - s.columns) * sizeof(T);
    GlobalTensor<T> global;
    global.SetGlobalBuffer(to + row * stride);
    DataCopyPad(global, from[row * s.pitch], DataCopyExtParams(count, s.columns * sizeof(T), gap<T>(s), skipped, 0));
  }
}

/// Elements `stride` apart, each into a block of its own.
template <class T>
__aicore__ inline void load_apart(const Tile<T>& to, __gm__ T* from, uint32_t count, Word stride) {
  using namespace AscendC;
  for (uint32_t first = 0; first < count; first += kBursts) {
    GlobalTensor<T> global;
    global.SetGlobalBuffer(from + first * stride);
    const uint32_t skipped = (stride - 1) * sizeof(T);
    const DataCopyExtParams blocks(least(kBursts, count - first), sizeof(T), count - first == 1 ? 0 : skipped, 0, 0);
    DataCopyPad(to[first * (kBlock / sizeof(T))], global, blocks, DataCopyPadExtParams<T>(false, 0, 0, 0));
  }
}

/// The first element of each block, `stride` apart.
template <class T>
__aicore__ inline void store_apart(__gm__ T* to, const Tile<T>& from, uint32_t count, Word stride) {
  using namespace AscendC;
  for (uint32_t first = 0; first < count; first += kBursts) {
    GlobalTensor<T> global;
    global.SetGlobalBuffer(to + first * stride);
    const uint32_t skipped = (stride - 1) * sizeof(T);
    const DataCopyExtParams blocks(least(kBursts, count - first), sizeof(T), 0, count - first == 1 ? 0 : skipped, 0);
    DataCopyPad(global, from[first * (kBlock / sizeof(T))], blocks);
  }
}

#define MPMD_BINARY(name, instruction)                                                                     \
  template <class T>                                                                                       \
  __aicore__ inline void name(const Tile<T>& out, const Tile<T>& a, const Tile<T>& b, Shape s) {           \
    const Runs runs(s);                                                                                    \
    for (uint32_t r = 0, at = 0; r < runs.count; ++r, at += s.pitch)                                       \
      AscendC::instruction(out[at], a[at], b[at], static_cast<int32_t>(runs.length));                      \
  }
MPMD_BINARY(add, Add)
MPMD_BINARY(sub, Sub)
MPMD_BINARY(mul, Mul)
MPMD_BINARY(div, Div)
MPMD_BINARY(maximum, Max)
MPMD_BINARY(minimum, Min)
#undef MPMD_BINARY

#define MPMD_UNARY(name, instruction)                                                  \
  template <class T>                                                                   \
  __aicore__ inline void name(const Tile<T>& out, const Tile<T>& a, Shape s) {         \
    const Runs runs(s);                                                                \
    for (uint32_t r = 0, at = 0; r < runs.count; ++r, at += s.pitch)                   \
      AscendC::instruction(out[at], a[at], static_cast<int32_t>(runs.length));         \
  }
MPMD_UNARY(exp, Exp)
MPMD_UNARY(log, Ln)
MPMD_UNARY(abs, Abs)
MPMD_UNARY(sqrt, Sqrt)
#undef MPMD_UNARY

#define MPMD_SCALED(name, instruction)                                                       \
  template <class T>                                                                         \
  __aicore__ inline void name(const Tile<T>& out, const Tile<T>& a, T number, Shape s) {     \
    const Runs runs(s);                                                                      \
    for (uint32_t r = 0, at = 0; r < runs.count; ++r, at += s.pitch)                         \
      AscendC::instruction(out[at], a[at], number, static_cast<int32_t>(runs.length));       \
  }
MPMD_SCALED(adds, Adds)
MPMD_SCALED(muls, Muls)
#undef MPMD_SCALED

template <class T>
__aicore__ inline void fill(const Tile<T>& out, T number, Shape s) {
  const Runs runs(s);
  for (uint32_t r = 0, at = 0; r < runs.count; ++r, at += s.pitch)
    AscendC::Duplicate(out[at], number, static_cast<int32_t>(runs.length));
}

/// By the scalar unit.
__aicore__ inline void fill_wide(const Tile<int64_t>& out, int64_t number, Shape s) {
  for (uint32_t r = 0; r < s.rows; ++r) {
    for (uint32_t c = 0; c < s.columns; ++c) out.SetValue(r * s.pitch + c, number);
  }
}

/// Bits as they are.
template <class T>
__aicore__ inline void copy(const Tile<T>& out, const Tile<T>& a, Shape s) {
  const Runs runs(s);
  constexpr uint32_t words = sizeof(T) / 2;
  for (uint32_t r = 0, at = 0; r < runs.count; ++r, at += s.pitch) {
    const AscendC::LocalTensor<int16_t> from = a[at].template ReinterpretCast<int16_t>();
    AscendC::Or(out[at].template ReinterpretCast<int16_t>(), from, from, static_cast<int32_t>(words * runs.length));
  }
}

template <class T, class U>
__aicore__ inline void cast(const Tile<T>& out, const Tile<U>& a, AscendC::RoundMode mode, Shape s) {
  const Runs runs(s);
  for (uint32_t r = 0, at = 0; r < runs.count; ++r, at += s.pitch) AscendC::Cast(out[at], a[at], mode, runs.length);
}

/// What a fold of nothing is.
template <AscendC::ReduceType kind, class T>
__aicore__ inline T nothing() {
  if constexpr (kind == AscendC::ReduceType::SUM) return 0;
  if constexpr (sizeof(T) == 4 && T(0.5) == 0) return INT32_MIN;
  return -infinity<T>();
}

/// The sum or the largest of each row. `part` has room for a number of each row.
template <AscendC::ReduceType kind>
__aicore__ inline void fold_rows(const Tile<float>& out, const Tile<float>& a, const Tile<float>& part, Shape s) {
  using namespace AscendC;
  if (s.empty()) return fill(out, nothing<kind, float>(), Shape{1, s.rows, s.rows});
  for (uint32_t c = 0; c < s.columns; c += kLanes) {
    const Tile<float>& to = c == 0 ? out : part;
    if (c > kLanes) PipeBarrier<PIPE_V>();  // `part` has been read
    for (uint32_t r = 0; r < s.rows; r += kRepeats) {
      const int32_t mask = least(kLanes, s.columns - c), repeats = least(kRepeats, s.rows - r);
      const int32_t far = s.rows == 1 ? 8 : s.pitch / 8;
      if constexpr (kind == ReduceType::SUM) {
        ReduceRepeat<kind>(to[r], a[r * s.pitch + c], mask, repeats, 1, 1, far);
      } else {
        ReduceRepeat<kind>(to[r], a[r * s.pitch + c], mask, repeats, 1, 1, far, ReduceOrder::ORDER_ONLY_VALUE);
      }
    }
    if (c == 0) continue;
    PipeBarrier<PIPE_V>();  // `part` is there
    if constexpr (kind == ReduceType::SUM) {
      Add(out, out, part, static_cast<int32_t>(s.rows));
    } else {
      Max(out, out, part, static_cast<int32_t>(s.rows));
    }
  }
}

/// The sum or the largest of each column.
template <AscendC::ReduceType kind, class T>
__aicore__ inline void fold_columns(const Tile<T>& out, const Tile<T>& a, Shape s) {
  using namespace AscendC;
  if (s.empty()) return fill(out, nothing<kind, T>(), Shape{1, s.columns, s.columns});
  const int32_t length = s.columns;
  Max(out, a, a, length);
  for (uint32_t r = 1; r < s.rows; ++r) {
    PipeBarrier<PIPE_V>();  // `out` is there
    if constexpr (kind == ReduceType::SUM) {
      Add(out, out, a[r * s.pitch], length);
    } else {
      Max(out, out, a[r * s.pitch], length);
    }
  }
}

/// All elements of the tile become 0, those between rows included.
template <class T>
__aicore__ inline void clear(const Tile<T>& out) {
  AscendC::Duplicate(out, static_cast<T>(0), static_cast<int32_t>(out.GetSize()));
}

/// Row `r` of `out` is filled with element `r` of `a`, or with its only one. `padded` is cleared, and has an
/// element for each row, rounded up to eight; `blocks` has eight times as many.
template <class T>
__aicore__ inline void spread(const Tile<T>& out, const Tile<T>& a, const Tile<T>& padded, const Tile<T>& blocks, Shape s, uint32_t count) {
  using namespace AscendC;
  if (s.empty()) return;
  const uint32_t whole = (count + 7) / 8 * 8;
  Max(padded, a, a, static_cast<int32_t>(count));
  PipeBarrier<PIPE_V>();  // `a` stands before zeros
  Brcb(blocks, padded, static_cast<uint8_t>(whole / 8), BrcbRepeatParams(1, 8));
  PipeBarrier<PIPE_V>();  // blocks are there
  const uint8_t step = count == 1 ? 0 : 1;
  for (uint32_t c = 0; c < s.columns; c += kLanes) {
    for (uint32_t r = 0; r < s.rows; r += kRepeats) {
      const uint64_t mask = least(kLanes, s.columns - c);
      const uint8_t repeats = least(kRepeats, s.rows - r), far = s.rows == 1 ? 0 : s.pitch / 8;
      const Tile<T> block = blocks[r * 8 * step];
      Max(out[r * s.pitch + c], block, block, mask, repeats, BinaryRepeatParams(1, 0, 0, far, step, step));
    }
  }
}

/// Every row of `out` becomes `a`.
template <class T>
__aicore__ inline void repeat(const Tile<T>& out, const Tile<T>& a, Shape s) {
  if (s.empty()) return;
  for (uint32_t r = 0; r < s.rows; ++r) AscendC::Max(out[r * s.pitch], a, a, static_cast<int32_t>(s.columns));
}

}  // namespace mpmd

// Products of matrices: C[m, n] = A[m, k] · B[k, n], or C += the same.
//
// In:  three strided matrices, the extents (at run time, any of them may be 0), scratch for packing.
// Out: C. Not here: which tile goes where, batches, epilogues.
//
// The way is chosen by shape:
//   rows     few rows of A, B contiguous along k (weights as stored): B is streamed once, in order
//   axpy     few rows of A, a large B contiguous along n: the same, by rows
//   direct   few rows of A, or a small B, contiguous along n: the micro-kernel reads B where it lies
//   packed   anything else
// The order of additions depends on the extents, strides and vector width alone, so results repeat.
#pragma once

#include "mpmd/dot_axpy.h"
#include "mpmd/dot_panels.h"
#include "mpmd/dot_rows.h"

namespace mpmd {

constexpr Word small_b = 1 << 15;  // bytes that stay in the first cache without being packed
constexpr Word large_b = 1 << 18;  // bytes that come from memory
constexpr Word dot_scratch_bytes = most(panel_scratch_bytes, stream_bytes);

template <class C>
MPMD_INLINE void clear(Word m, Word n, Matrix<C> c) {
  for (Word i = 0; i < m; ++i) {
    for (Word j = 0; j < n; ++j) c.data[i * c.row + j * c.col] = C{};
  }
}

// C (+)= A · B. `scratch` has `dot_scratch_bytes`.
template <class C, class TA, class TB>
MPMD_APART void dot(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate,
                    void* scratch) {
  C* const space = static_cast<C*>(scratch);
  const Word b_bytes = k * b.row * static_cast<Word>(sizeof(TB));
  const bool along_k = a.col == 1 && b.row == 1, along_n = a.col == 1 && b.col == 1;
  if (k == 0) {
    if (!accumulate) clear(m, n, c);
  } else if (along_k && m <= stream_most) {
    dot_rows(m, n, k, a.data, a.row, b.data, b.col, c, accumulate, space);
  } else if (along_k && n <= stream_most) {  // the same, transposed
    dot_rows(n, m, k, b.data, b.col, a.data, a.row, matrix(c.data, c.col, c.row), accumulate, space);
  } else if (b.col == 1 && m <= axpy_most && b_bytes > large_b && n > 256) {
    dot_axpy(m, n, k, a, b, c, accumulate, space);
  } else if (along_n && (m <= 2 * panel_rows || b_bytes <= small_b)) {
    dot_direct(m, n, k, a, b, c, accumulate, space);
  } else {
    dot_packed(m, n, k, a, b, c, accumulate, space);
  }
}

}  // namespace mpmd

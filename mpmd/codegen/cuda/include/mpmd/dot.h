// Products of matrices: C[m, n] = A[m, k] · B[k, n], or C += the same, by all threads of the block.
//
// In:  three strided matrices, the extents (at run time, any of them may be 0). Out: C.
// Not here: which tile goes where, batches, epilogues; barriers before and after: the emitted text has them.
//
// The way is chosen by shape and type:
//   rows     few rows of A, or few columns of B: what is large is read once
//   mma      16-bit floats of one type
//   tiles    anything else
// The order of additions depends on the extents, strides and types alone, so results repeat.
#pragma once

#include "mpmd/dot_mma.h"
#include "mpmd/dot_rows.h"
#include "mpmd/dot_tiles.h"

namespace mpmd {

// C (+)= A · B. It stages in shared memory and needs no scratch.
template <class C, class TA, class TB>
MPMD_INLINE void dot(Word m, Word n, Word k, Matrix<const TA> a, Matrix<const TB> b, Matrix<C> c, bool accumulate, void*) {
  if (m <= rows_most) {
    dot_rows(m, n, k, a, b, c, accumulate);
  } else if (n <= rows_most) {
    dot_rows(n, m, k, transposed(b), transposed(a), transposed(c), accumulate);
  } else if constexpr (same<TA, TB> && is_short_float<TA> && same<C, f32>) {
    dot_mma(m, n, k, a, b, c, accumulate);
  } else {
    dot_tiles(m, n, k, a, b, c, accumulate);
  }
}

}  // namespace mpmd

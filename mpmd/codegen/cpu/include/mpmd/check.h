// Run-time checks of places that come from data or from scalars.
//
// In:  an array of indices, a slice with a step, or the extent of a tile. Out: whether all lie within the
//      limit; a failure is recorded in the launch.
// Not here: single indices and plain ranges (abi.h), the reads themselves (vec.h).
#pragma once

#include "mpmd/vec.h"

namespace mpmd {

// Every index of a gather.
template <class Id>
inline bool check_indices(Core& core, int check, Word n, const Id* ids, Word stride, Word limit) {
  for (Word i = 0; i < n; ++i) {
    if (!check_index(core, check, static_cast<Word>(ids[i * stride]), limit)) return false;
  }
  return true;
}

// 0 <= extent. A failure has no limit: it is recorded as -1.
inline bool check_extent(Core& core, int check, Word extent) {
  if (__builtin_expect(extent >= 0, 1)) return true;
  return fail(core, check, 0, extent, -1);
}

// `extent` elements from `start`, `step` apart.
inline bool check_slice(Core& core, int check, Word start, Word extent, Word step, Word limit) {
  const Word reach = extent > 0 ? (extent - 1) * step + 1 : extent;
  return check_range(core, check, start, reach, limit);
}

}  // namespace mpmd

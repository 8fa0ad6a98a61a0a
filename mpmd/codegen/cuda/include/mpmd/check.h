// Run-time checks of places that come from data or from scalars.
//
// In:  an index, a range, an array of indices, a slice with a step, or the extent of a tile, the same for all threads.
// Out: whether all lie within the limit, the same for all threads; a failure ends the launch.
// Not here: the reads themselves (vec.h).
#pragma once

#include "mpmd/row.h"

namespace mpmd {

constexpr Word OTHER_EXTENT = -2;  // the limit of a failure: `value` elements were sent, `extent` are received

MPMD_DEVICE void record(Core& core, int check, Word value, Word extent, Word limit) {
  stop(*core.launch, Failure{FAILED_CHECK, core.core, check, 0, value, extent, limit});
}

MPMD_INLINE bool fail(Core& core, int check, Word value, Word extent, Word limit) {
  if (device::thread() == 0) record(core, check, value, extent, limit);
  return false;
}

// 0 <= value < limit
MPMD_INLINE bool check_index(Core& core, int check, Word value, Word limit) {
  return (value >= 0 && value < limit) || fail(core, check, value, 1, limit);
}

// 0 <= start, 0 <= extent, start + extent <= limit
MPMD_INLINE bool check_range(Core& core, int check, Word start, Word extent, Word limit) {
  const bool holds = start >= 0 && extent >= 0 && start <= limit && extent <= limit - start;
  return holds || fail(core, check, start, extent, limit);
}

// Every index of a gather: the threads share them.
template <class Id>
MPMD_INLINE bool check_indices(Core& core, int check, Word n, const Id* ids, Word stride, Word limit) {
  bool wrong = false;
  for (Word i = device::thread(); i < n; i += device::threads) {
    const Word value = static_cast<Word>(ids[i * stride]);
    if (value >= 0 && value < limit) continue;
    record(core, check, value, 1, limit);
    wrong = true;
  }
  return !device::barrier_any(wrong);
}

// 0 <= extent. A failure has no limit: it is recorded as -1.
MPMD_INLINE bool check_extent(Core& core, int check, Word extent) {
  return extent >= 0 || fail(core, check, 0, extent, -1);
}

// `extent` elements from `start`, `step` apart.
MPMD_INLINE bool check_slice(Core& core, int check, Word start, Word extent, Word step, Word limit) {
  return check_range(core, check, start, extent > 0 ? (extent - 1) * step + 1 : extent, limit);
}

}  // namespace mpmd

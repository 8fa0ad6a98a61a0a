// Checks of accesses whose bounds are known only when a task runs.
//
// In:  what is accessed, and of how much. Out: whether it is within; if not, the host is told (check.h).
// Not here: which accesses need one (the compiler), guards of rows (late.h).
#pragma once

#include "mpmd/check.h"

namespace mpmd {

__aicore__ inline bool check_extent(const Launch& launch, Word check, Word extent) {
  if (extent >= 0) return true;
  fail(launch, kFailedCheck, check, 0, extent, -1);  // there is no limit
  return false;
}

__aicore__ inline bool check_index(const Launch& launch, Word check, Word at, Word limit) {
  if (at >= 0 && at < limit) return true;
  fail(launch, kFailedCheck, check, at, 1, limit);
  return false;
}

__aicore__ inline bool check_range(const Launch& launch, Word check, Word start, Word extent, Word limit) {
  if (start >= 0 && extent >= 0 && start <= limit && extent <= limit - start) return true;
  fail(launch, kFailedCheck, check, start, extent, limit);
  return false;
}

/// `extent` elements from `start`, `step` apart.
__aicore__ inline bool check_slice(const Launch& launch, Word check, Word start, Word extent, Word step, Word limit) {
  return check_range(launch, check, start, extent > 0 ? (extent - 1) * step + 1 : extent, limit);
}

template <class T>
__aicore__ inline bool check_indices(const Launch& launch, Word check, const AscendC::LocalTensor<T>& ids, Word count, Word limit) {
  for (Word i = 0; i < count; ++i) {
    if (!check_index(launch, check, ids.GetValue(i), limit)) return false;
  }
  return true;
}

}  // namespace mpmd

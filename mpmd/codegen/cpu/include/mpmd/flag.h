// The flag that ends a loop.
//
// In:  the bases of a launch, a loop with `until`. Out: whether its flag is set.
// Not here: who may look when (driver.h for loops of the cores, the pool for those of the host).
#pragma once

#include "mpmd/abi.h"

namespace mpmd {

inline bool flag_is_set(void* const* base, const Loop& loop) {
  const char* flag = static_cast<const char*>(base[loop.until]) + loop.flag_offset;
  bool set = false;
  for (int i = 0; i < loop.flag_bytes; ++i) set |= flag[i] != 0;
  return set;
}

}  // namespace mpmd

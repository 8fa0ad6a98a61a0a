// What a block's shared memory holds, from its front.
//
// In:  shared memory. Out: where each part of it lies.
// Not here: the kept tiles of functions, which follow where the launch says (driver.h).
//
//   0      control: what thread 0 tells the others
//   256    exchange: a value of each warp
//   512    stage: the tiles of products (dot.h)
//   17920  rows of late programs and what follows them (driver.h)
#pragma once

#include "mpmd/map.h"

namespace mpmd {

constexpr int exchange_at = 256;
constexpr int stage_at = 512;
constexpr int stage_bytes = 17408;
constexpr int rows_at = stage_at + stage_bytes;

// What thread 0 says before a barrier and all read after it.
struct Control {
  int function;     // to run, or -1 at the end
  bool goes_on;     // of what a task asks for: false where the launch was stopped
  const Word* row;
  unsigned long long token;
};

MPMD_INLINE Control& control() { return *reinterpret_cast<Control*>(device::shared_memory()); }

template <class V>
MPMD_INLINE V* exchange() {
  static_assert(sizeof(V) * device::warps <= stage_at - exchange_at, "a value of each warp");
  return reinterpret_cast<V*>(device::shared_memory() + exchange_at);
}

MPMD_INLINE char* stage() { return device::shared_memory() + stage_at; }

}  // namespace mpmd

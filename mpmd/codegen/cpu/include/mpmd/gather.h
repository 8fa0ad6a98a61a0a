// Run-time checks of indices that come from data.
//
// In:  an array of indices. Out: whether all lie within the limit; a failure is recorded in the launch.
// Not here: the reads themselves (`pick` in vec.h, or plain addressing in the emitted text).
#pragma once

#include "mpmd/vec.h"

namespace mpmd {

template <class Id>
inline bool check_indices(Core& core, int check, Word n, const Id* ids, Word stride, Word limit) {
  for (Word i = 0; i < n; ++i) {
    if (!check_index(core, check, static_cast<Word>(ids[i * stride]), limit)) return false;
  }
  return true;
}

}  // namespace mpmd

// What goes wrong at run time: a line of global memory per core tells the host.
//
// In:  a check that does not hold. Out: the first one of this core, for the host, which raises it after the launch.
// Not here: the words for users (the host has them).
//
// The launch goes on to its end, so that nobody waits for ever; the task is passed over, and what it should have
// written is not to be used.
#pragma once

#include "mpmd/line.h"

namespace mpmd {

// How a launch ended, as the host numbers it.
enum Status : Word { kFailedCheck = 1, kScalarOverflow = 5, kFailedLateGuard = 8 };

/// The number of this core in the tables: cube cores, then vector cores.
__aicore__ inline Word this_core() {
  Word number = AscendC::GetBlockIdx();
  if ASCEND_IS_AIV { number += AscendC::GetBlockNum(); }
  return number;
}

__aicore__ inline void fail(const Launch& launch, Status status, Word check, Word value, Word extent, Word limit) {
  using namespace AscendC;
  Line line = line_at(launch.failures, this_core());
  if (line.GetValue(0) != 0) return;
  const Word told[] = {status, check, value, extent, limit};
  for (int i = 0; i < 5; ++i) line.SetValue(i, told[i]);
  DataCacheCleanAndInvalid<Word, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(line);
}

}  // namespace mpmd

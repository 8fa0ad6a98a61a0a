// Words by which cores tell each other something: one line of global memory each, which one core writes.
//
// In:  the number of a line, a count within this launch. Out: release, acquire.
// Not here: what is counted (driver.h, channel.h).
//
// A word is the epoch of the launch in its upper half and the count in the lower one, so that it only grows and
// nothing is cleared between launches. A count that was reached in an earlier launch is no count of this one.
#pragma once

#include "mpmd/core.h"

namespace mpmd {

using Line = AscendC::GlobalTensor<Word>;
constexpr Word kLine = 8;  // words in a line of 64 bytes

__aicore__ inline Line line_at(__gm__ Word* lines, Word number) {
  Line line;
  line.SetGlobalBuffer(lines + number * kLine, kLine);
  return line;
}

__aicore__ inline Word counted(const Launch& launch, Word count) { return (launch.epoch << 32) + count; }

/// All that this core has done is done, and visible, when another one sees `count` there.
__aicore__ inline void tell(const Launch& launch, Word number, Word count) {
  using namespace AscendC;
  Line line = line_at(launch.lines, number);
  line.SetValue(0, counted(launch, count));
  // scalar writes stay in the data cache otherwise
  DataCacheCleanAndInvalid<Word, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(line);
}

/// What a line counts in this launch, as another core last wrote it.
__aicore__ inline Word heard(const Launch& launch, Word number) {
  using namespace AscendC;
  Line line = line_at(launch.lines, number);
  // what the data cache holds of it may be old
  DataCacheCleanAndInvalid<Word, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(line);
  const Word value = line.GetValue(0);
  return value < counted(launch, 0) ? 0 : value - counted(launch, 0);
}

__aicore__ inline void await(const Launch& launch, Word number, Word count) {
  while (heard(launch, number) < count) {
  }
}

}  // namespace mpmd

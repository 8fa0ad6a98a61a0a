// Rings: how a task passes tokens to another one that runs at the same time, or after it on its core.
//
// In:  a ring, which one core at a time sends to and one receives from. Out: slots of global memory to fill and to
// read, in order. Not here: what a token is made of (the kernel's text).
//
// The producer may fill slot `sent % depth` while sent - received < depth, the consumer may read slot
// `received % depth` while sent - received > 0. Each side alone advances its own line, once its pipes are done with
// the slot.
#pragma once

#include "mpmd/check.h"
#include "mpmd/table.h"

namespace mpmd {

constexpr Word kSlotHeader = 64;  // bytes of extents before the elements of a slot

/// One side of a ring, for the time of a task.
template <class T>
class Side {
 public:
  __aicore__ inline Side(const Launch& launch, Word number, bool sends)
      : launch_(launch),
        ring_(launch.table + launch.table[kRings] + number * kRingWords),
        own_(launch.table[kRingLines] + 2 * number + (sends ? 0 : 1)),
        other_(launch.table[kRingLines] + 2 * number + (sends ? 1 : 0)),
        passed_(heard(launch, own_)),
        ahead_(sends ? ring_[kDepth] - 1 : -1) {}

  /// The elements of the next token, once they may be written, or are there.
  __aicore__ inline __gm__ T* next() const {
    await(launch_, other_, passed_ - ahead_);
    __gm__ uint8_t* const slots = launch_.base[launch_.table[kArena]] + ring_[kSlots];
    return reinterpret_cast<__gm__ T*>(slots + passed_ % ring_[kDepth] * ring_[kSlotBytes] + kSlotHeader);
  }

  /// This side is done with the token.
  __aicore__ inline void pass() {
    AscendC::PipeBarrier<PIPE_ALL>();
    tell(launch_, own_, ++passed_);
  }

 private:
  const Launch& launch_;
  const __gm__ Word* ring_;
  Word own_, other_, passed_;
  Word ahead_;  // how far this side may be ahead of the other one, less one
};

}  // namespace mpmd

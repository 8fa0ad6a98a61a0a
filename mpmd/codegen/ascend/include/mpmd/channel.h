// Rings: how a task passes tokens to another one that runs at the same time, or after it on its core.
//
// In:  a ring (slots of a line of extents and the elements), which one core at a time sends to and one receives from. Out: slots of global memory to fill and to
// read, in order. Not here: what a token is made of (the kernel's text).
//
// The producer may fill slot `sent % depth` while sent - received < depth, the consumer may read slot
// `received % depth` while sent - received > 0. Each side alone advances its own line, once its pipes are done with
// the slot.
#pragma once

#include "mpmd/check.h"
#include "mpmd/table.h"

namespace mpmd {

constexpr uint32_t kAxes = 8;
constexpr Word kOtherExtent = -2;  // the limit of a failure: `value` elements were sent, `extent` are received

/// Those of a token, in the line before its elements; 0 behind the last axis.
struct Extents {
  Word of[kAxes];
};

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

  /// Where to put the elements of the next token, in C order, once there is room.
  __aicore__ inline __gm__ T* send(const Extents& extents) const {
    await(launch_, other_, passed_ - ahead_);
    Line head = line_at(slot(), 0);
    for (uint32_t axis = 0; axis < kAxes; ++axis) head.SetValue(axis, extents.of[axis]);
    AscendC::DataCacheCleanAndInvalid<Word, AscendC::CacheLine::SINGLE_CACHE_LINE, AscendC::DcciDst::CACHELINE_OUT>(head);
    return elements();
  }

  /// Where the elements of the next token lie. Its extents must be those of the sender (check number `check` + axis).
  __aicore__ inline __gm__ T* receive(const Extents& extents, Word check) const {
    await(launch_, other_, passed_ - ahead_);
    Line head = line_at(slot(), 0);
    // what the data cache holds of it may be old
    AscendC::DataCacheCleanAndInvalid<Word, AscendC::CacheLine::SINGLE_CACHE_LINE, AscendC::DcciDst::CACHELINE_OUT>(head);
    for (uint32_t axis = 0; axis < kAxes; ++axis) {
      const Word given = head.GetValue(axis);
      if (given != extents.of[axis]) fail(launch_, kFailedCheck, check + axis, given, extents.of[axis], kOtherExtent);
    }
    return elements();
  }

  /// This side is done with the token, and so are its pipes.
  __aicore__ inline void pass() { tell(launch_, own_, ++passed_); }

 private:
  __aicore__ inline __gm__ Word* slot() const {
    __gm__ uint8_t* const slots = launch_.base[launch_.table[kArena]] + ring_[kSlots];
    return reinterpret_cast<__gm__ Word*>(slots + passed_ % ring_[kDepth] * ring_[kSlotBytes]);
  }
  __aicore__ inline __gm__ T* elements() const { return reinterpret_cast<__gm__ T*>(slot() + kLine); }

  const Launch& launch_;
  const __gm__ Word* ring_;
  Word own_, other_, passed_;
  Word ahead_;  // how far this side may be ahead of the other one, less one
};

}  // namespace mpmd

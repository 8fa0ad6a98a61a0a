// Rings: how a task passes tokens to another one that runs at the same time, or after it on its core.
//
// In:  a ring of the launch, which one core at a time sends to and one receives from. Out: slots to fill
// and to read, in order. Not here: where rings lie (the pool), what a token is made of (the kernel's text).
//
// The producer may fill slot `sent % depth` while sent - received < depth, the consumer may read slot
// `received % depth` while sent - received > 0. Each side alone advances its own count: release when it is
// done with the slot, acquire by the other side before it touches the slot.
#pragma once

#include "mpmd/sync.h"

namespace mpmd {

const int SLOT_HEADER = 64;  // bytes of extents before the elements of a slot
const Word OTHER_EXTENT = -2;  // the limit of a failure: `value` elements were sent, `extent` are received

inline bool has_room(const Ring& ring, unsigned long long sent) {
  return sent - __atomic_load_n(&ring.received, __ATOMIC_ACQUIRE) < static_cast<unsigned long long>(ring.depth);
}
inline bool has_token(const Ring& ring, unsigned long long received) {
  return __atomic_load_n(&ring.sent, __ATOMIC_ACQUIRE) != received;
}

// The place of a wait at a ring; side 0 sends, 1 receives.
inline long long waiting_in(Word ring, int side, unsigned long long tokens) {
  return waiting_at(IN_RING - static_cast<int>(2 * ring + side), static_cast<unsigned>(tokens));
}

// Blocks at a ring until `met()`. False when the launch was stopped.
template <class Met>
__attribute__((noinline)) inline bool block_in(Core& core, Word ring, int side, unsigned long long tokens,
                                               const Met& met) {
  return within_task(core, ring, side, [&] { return block(core, waiting_in(ring, side, tokens), met); });
}

inline char* slot(const Ring& ring, unsigned long long token) {
  return ring.slots + static_cast<Word>(token % static_cast<unsigned long long>(ring.depth)) * ring.slot_bytes;
}

// Where to put the elements of the next token, in C order, or null when the launch was stopped. `sent`
// hands it over.
template <class T, class... Extents>
inline T* sending(Core& core, Word number, Extents... extents) {
  Ring& ring = core.launch->rings[number];
  const unsigned long long sent = __atomic_load_n(&ring.sent, __ATOMIC_RELAXED);
  if (!has_room(ring, sent) && !block_in(core, number, 0, sent, [&] { return has_room(ring, sent); })) {
    return nullptr;
  }
  char* const place = slot(ring, sent);
  const Word shape[sizeof...(Extents) + 1] = {static_cast<Word>(extents)..., 0};
  __builtin_memcpy(place, shape, sizeof...(Extents) * sizeof(Word));
  return reinterpret_cast<T*>(place + SLOT_HEADER);
}
inline void sent(Core& core, Word number) {
  Ring& ring = core.launch->rings[number];
  __atomic_store_n(&ring.sent, __atomic_load_n(&ring.sent, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

// Where the elements of the next token lie, or null when the launch was stopped, or ends because one of the
// extents is not the sender's (check number `check` + axis). `received` gives the slot back.
template <class T, class... Extents>
inline const T* receiving(Core& core, Word number, int check, Extents... extents) {
  Ring& ring = core.launch->rings[number];
  const unsigned long long received = __atomic_load_n(&ring.received, __ATOMIC_RELAXED);
  if (!has_token(ring, received) &&
      !block_in(core, number, 1, received, [&] { return has_token(ring, received); })) {
    return nullptr;
  }
  const char* const place = slot(ring, received);
  const Word wanted[sizeof...(Extents) + 1] = {static_cast<Word>(extents)..., 0};
  const Word* const given = reinterpret_cast<const Word*>(place);
  for (int axis = 0; axis < static_cast<int>(sizeof...(Extents)); ++axis) {
    if (given[axis] == wanted[axis]) continue;
    fail(core, check + axis, given[axis], wanted[axis], OTHER_EXTENT);
    return nullptr;
  }
  return reinterpret_cast<const T*>(place + SLOT_HEADER);
}
inline void received(Core& core, Word number) {
  Ring& ring = core.launch->rings[number];
  __atomic_store_n(&ring.received, __atomic_load_n(&ring.received, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

}  // namespace mpmd

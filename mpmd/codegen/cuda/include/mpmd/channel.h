// Rings: how a task passes tokens to another one that runs at the same time, or after it on its core.
//
// In:  a ring of the launch, which one core at a time sends to and one receives from. Out: slots to fill and to
// read, in order, the same for all threads of the block. Not here: what a token is made of (the kernel's text).
//
// The producer may fill slot `sent % depth` while sent - received < depth, the consumer may read slot
// `received % depth` while sent - received > 0. Each side alone advances its own count: release when all its threads
// are done with the slot, acquire by the other side before they touch it.
#pragma once

#include "mpmd/check.h"
#include "mpmd/sync.h"

namespace mpmd {

constexpr int SLOT_HEADER = 64;  // bytes of extents before the elements of a slot

MPMD_INLINE char* slot(const Launch& launch, const Ring& ring, unsigned long long token) {
  return launch.arena + ring.slots + static_cast<Word>(token % static_cast<unsigned long long>(ring.depth)) * ring.slot_bytes;
}

// Blocks at a side of a ring until `count()` is at least 1; the token's number is for all threads. A task's wait
// names its ring and not its step.
template <class Count>
MPMD_INLINE bool enter(Core& core, Word number, int side, const unsigned long long* own, Count count) {
  device::barrier();
  if (device::thread() == 0) {
    const unsigned long long token = *own;
    const int place = IN_RING - static_cast<int>(2 * number + side);
    Walk walk{};
    walk.iteration = core.launch->progress[core.core].iteration;
    control().token = token;
    control().goes_on = block(core, place, walk, static_cast<unsigned>(token), 1, [&] { return count(token); });
  }
  device::barrier();
  return control().goes_on;
}

// Where to put the elements of the next token, in C order, or null when the launch was stopped. `sent` hands it
// over.
template <class T, class... Extents>
MPMD_INLINE T* sending(Core& core, Word number, Extents... extents) {
  const Ring& ring = core.launch->rings[number];
  Tokens& tokens = core.launch->tokens[number];
  const bool goes_on = enter(core, number, 0, &tokens.sent, [&](unsigned long long sent) {
    const unsigned long long received = device::load_acquire(&tokens.received);
    return static_cast<int>(received + static_cast<unsigned long long>(ring.depth) - sent);
  });
  if (!goes_on) return nullptr;
  char* const place = slot(*core.launch, ring, control().token);
  if (device::thread() == 0) {
    const Word shape[sizeof...(Extents) + 1] = {static_cast<Word>(extents)..., 0};
    for (int axis = 0; axis < static_cast<int>(sizeof...(Extents)); ++axis) {
      reinterpret_cast<Word*>(place)[axis] = shape[axis];
    }
  }
  return reinterpret_cast<T*>(place + SLOT_HEADER);
}
MPMD_INLINE void sent(Core& core, Word number) {
  device::barrier();
  unsigned long long* const own = &core.launch->tokens[number].sent;
  if (device::thread() == 0) device::store_release(own, *own + 1);
}

// Where the elements of the next token lie, or null when the launch was stopped, or ends because one of the extents
// is not the sender's (check number `check` + axis). `received` gives the slot back.
template <class T, class... Extents>
MPMD_INLINE const T* receiving(Core& core, Word number, int check, Extents... extents) {
  const Ring& ring = core.launch->rings[number];
  Tokens& tokens = core.launch->tokens[number];
  const bool goes_on = enter(core, number, 1, &tokens.received, [&](unsigned long long received) {
    return static_cast<int>(device::load_acquire(&tokens.sent) - received);
  });
  if (!goes_on) return nullptr;
  const char* const place = slot(*core.launch, ring, control().token);
  const Word wanted[sizeof...(Extents) + 1] = {static_cast<Word>(extents)..., 0};
  const Word* const given = reinterpret_cast<const Word*>(place);
  for (int axis = 0; axis < static_cast<int>(sizeof...(Extents)); ++axis) {
    if (given[axis] == wanted[axis]) continue;
    fail(core, check + axis, given[axis], wanted[axis], OTHER_EXTENT);
    return nullptr;
  }
  return reinterpret_cast<const T*>(place + SLOT_HEADER);
}
MPMD_INLINE void received(Core& core, Word number) {
  device::barrier();
  unsigned long long* const own = &core.launch->tokens[number].received;
  if (device::thread() == 0) device::store_release(own, *own + 1);
}

}  // namespace mpmd

// Drains: items that cores take as they come free.
//
// In:  a DRAIN step, the turn. Out: the numbers of items, each once per turn over all cores.
// Not here: running them (driver.h), what waits for them: the steps around the DRAIN on each core.
//
// A turn adds to the counter as many as there are items, and none for those who come too late: a core that
// is turns ahead takes nothing away from one that is still in an earlier turn, and finds it used up.
#pragma once

#include "mpmd/sync.h"

namespace mpmd {

// The next item, counted from the drain's first, or -1 when there is none left in this turn.
MPMD_INLINE int take(const Launch& launch, const Step& drain, unsigned turn) {
  unsigned* const taken = &launch.counters[drain.index].value;
  const unsigned base = turn * drain.total;
  unsigned now = device::load_relaxed(taken);
  while (now - base < drain.total) {
    const unsigned found = device::exchange_if_equal(taken, now, now + 1);
    if (found == now) return static_cast<int>(now - base);
    now = found;
  }
  return -1;
}

}  // namespace mpmd

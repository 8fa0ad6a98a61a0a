// Asking for what the next task reads, before waiting for what it also needs.
//
// In:  a PREFETCH step and its `Fetch`es. Out: lines on their way to this core's private cache.
// Not here: which regions, and how much of them (the pool resolves that from the tables).
//
// A prefetch is a hint: it does not fault, and what another core writes meanwhile is seen all the same.
#pragma once

#include "mpmd/abi.h"

namespace mpmd {

const Word FETCHED_LINE = 64;

__attribute__((noinline)) inline void prefetch(const Core& core, const Step& step) {
  const Fetch* const fetches = core.launch->fetches + step.index;
  for (int f = 0; f < step.amount; ++f) {
    const Fetch& fetch = fetches[f];
    const char* row = static_cast<const char*>(core.base[fetch.base]) + *fetch.offset;
    for (Word r = 0; r < fetch.rows; ++r, row += fetch.pitch) {
      for (Word at = 0; at < fetch.run; at += FETCHED_LINE) __builtin_prefetch(row + at, 0, 2);
    }
  }
}

}  // namespace mpmd

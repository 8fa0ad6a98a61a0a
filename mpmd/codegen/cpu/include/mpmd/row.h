// Reading a row, and a core's scratch memory.
//
// In:  the words of a row in the order of the function's signature. Out: pointers and scalars.
// Not here: the ABI itself (abi.h).
#pragma once

#include "mpmd/cast.h"

namespace mpmd {

// An extent that is known when the function is compiled.
template <Word V>
struct Fixed {
  constexpr operator Word() const { return V; }
};

// A tensor: the index of its base at `at`, its offset in bytes after that.
template <class T>
MPMD_INLINE T* tensor(Core& core, const Word* row, int at) {
  return reinterpret_cast<T*>(static_cast<char*>(core.base[row[at]]) + row[at + 1]);
}

// A scalar: an integer as itself, a float as the bits of an f64.
template <class T>
MPMD_INLINE T number(Word word) {
  if constexpr (is_float<T>) {
    f64 value;
    __builtin_memcpy(&value, &word, sizeof value);
    return first_lane(cast<T>(splat(Full<2>{}, value)));
  } else {
    return static_cast<T>(word);
  }
}

// One number in another type.
template <class To, class From>
MPMD_INLINE To converted(From x) {
  return first_lane(cast<To>(splat(Full<2>{}, x)));
}

template <class T>
MPMD_INLINE T* scratch(Core& core, Word bytes) {
  return reinterpret_cast<T*>(core.scratch + bytes);
}

}  // namespace mpmd

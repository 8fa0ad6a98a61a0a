// Reading a row, and a core's scratch memory.
//
// In:  the words of a row in the order of the function's signature. Out: pointers and scalars.
// Not here: what a launch is (launch.h).
#pragma once

#include "mpmd/launch.h"

namespace mpmd {

// An extent that is known when the function is compiled.
template <Word V>
struct Fixed {
  MPMD_INLINE constexpr operator Word() const { return V; }
};

// A tensor: the index of its base at `at`, its offset in bytes after that.
template <class T>
MPMD_INLINE T* tensor(Core& core, const Word* row, int at) {
  return reinterpret_cast<T*>(core.launch->base[row[at]] + row[at + 1]);
}

// A scalar: an integer as itself, a float as the bits of an f64.
template <class T>
MPMD_INLINE T number(Word word) {
  if constexpr (is_float<T>) {
    f64 value;
    device::copy(&value, &word, sizeof value);
    return packed(cast<T>(Vec<f64>{value}));
  } else {
    return static_cast<T>(word);
  }
}

// One number in another type.
template <class To, class From>
MPMD_INLINE To converted(From x) {
  return packed(cast<To>(unpacked<From>(x)));
}

template <class T>
MPMD_INLINE T* scratch(Core& core, Word bytes) {
  return reinterpret_cast<T*>(core.scratch + bytes);
}

}  // namespace mpmd

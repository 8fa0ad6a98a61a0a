// What a thread has of its own: clocks to read, and how floats are rounded.
//
// In:  – . Out: nanoseconds; the same rounding on every thread while a launch lasts.
// Not here: threads (pool.cpp), the CPU's counter (mpmd/stamp.h).
#pragma once

#include <time.h>

namespace mpmd {

inline long long read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

inline long long now() { return read_clock(CLOCK_MONOTONIC); }

// The same clock, some milliseconds late: five nanoseconds a look.
inline long long lately() { return read_clock(CLOCK_MONOTONIC_COARSE); }

// Rounding to nearest and denormals kept, whatever the calling thread has set: the same bits every run.
struct DefaultFloats {
#if defined(__x86_64__)
  unsigned before = __builtin_ia32_stmxcsr();
  DefaultFloats() { __builtin_ia32_ldmxcsr(0x1F80); }
  ~DefaultFloats() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
  unsigned long before;
  DefaultFloats() {
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
    __asm__ __volatile__("msr fpcr, xzr");
  }
  ~DefaultFloats() { __asm__ __volatile__("msr fpcr, %0" ::"r"(before)); }
#endif
};

}  // namespace mpmd

// Time stamps: when a core began and ended what it does.
//
// In:  the steps, as the driver takes them. Out: spans in the core's buffer, in ticks of the CPU's counter.
// Not here: which spans there are (driver.h, sync.h, channel.h); ticks in seconds, the counters of several
// cores against each other (the pool).
//
// The driver is a template over what it does with spans. `Unstamped` does nothing, and its driver has no code
// for them. Only a task that must wait at a ring asks at run time: task functions are there once.
#pragma once

#include "mpmd/abi.h"

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <time.h>
#endif

namespace mpmd {

// The counter. It is read when all that was done before is done (lfence, isb). What comes after may begin
// early, but no signal does: it is ordered behind the store of the stamp, which needs the counter's value.
inline Ticks ticks() {
#if defined(__x86_64__)
  unsigned low, high;
  __asm__ __volatile__("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
  return static_cast<Ticks>(high) << 32 | low;
#elif defined(__aarch64__)
  Ticks value;
  __asm__ __volatile__("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
  return value;
#else
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<Ticks>(time.tv_sec) * 1000000000 + static_cast<Ticks>(time.tv_nsec);
#endif
}

const int NO_ITEM = -1;

// Nothing is lost silently: what no longer fits is counted.
inline void keep(Stamps& stamps, const Stamp& stamp) {
  if (stamps.next != stamps.end) {
    *stamps.next++ = stamp;
  } else {
    ++stamps.lost;
  }
}

inline Stamp begun(const Core& core, SpanKind kind, const Step& step, int item) {
  const Launch& launch = *core.launch;
  const int iteration = static_cast<int>(launch.progress[core.core].iteration);
  return Stamp{ticks(), 0, static_cast<int>(&step - launch.steps), item, iteration, kind};
}

// Ends the running span and begins another one of the same step.
inline void turn_to(Stamps& stamps, SpanKind kind, int item) {
  Stamp& running = stamps.running;
  running.end = ticks();
  keep(stamps, running);
  running.begin = running.end;
  running.kind = kind;
  running.item = item;
}

// What the driver of an ordinary launch does with spans.
struct Unstamped {
  static void begin(Core&, SpanKind, const Step&, int) {}
  static void took(Core&, int) {}
  static void end(Core&) {}
};

struct Stamped {
  static void begin(Core& core, SpanKind kind, const Step& step, int item) {
    core.stamps->running = begun(core, kind, step, item);
  }
  // The item of a drain that a ticket is for.
  static void took(Core& core, int item) { core.stamps->running.item = item; }
  static void end(Core& core) {
    core.stamps->running.end = ticks();
    keep(*core.stamps, core.stamps->running);
  }
};

// A task waits at a ring, while `blocked` runs: side 0 for room, 1 for a token.
template <class Blocked>
inline bool within_task(Core& core, Word ring, int side, const Blocked& blocked) {
  if (!core.stamps) return blocked();
  const int item = core.stamps->running.item;
  turn_to(*core.stamps, CHANNEL_SPAN, static_cast<int>(2 * ring + side));
  const bool done = blocked();
  turn_to(*core.stamps, RUN_SPAN, item);
  return done;
}

}  // namespace mpmd

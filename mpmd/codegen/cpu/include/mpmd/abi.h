// The CPU ABI: what a task function gets, and what a launch shares between its cores.
//
// In:  the pool (runtime/native) fills a `Launch` and one `Core` per core.
// Out: task functions of the type `Function`, which read their row and may report a bad index.
// Not here: the interpretation of steps (driver.h), counters (sync.h), threads (the pool).
//
// No C++ standard library and no exceptions. The layouts below are shared by separately compiled
// libraries: whoever changes one raises MPMD_ABI.
#pragma once

#define MPMD_ABI 1

namespace mpmd {

typedef long long Word;  // one word of a row: 64 bits

struct Launch;

// What one core has of its own. `base` holds the kernel's arguments in order, then its local tensors.
struct Core {
  void* const* base;
  char* scratch;  // aligned to 64 bytes
  int core;
  int cores;
  Launch* launch;
};

typedef void (*Function)(Core& core, const Word* row);

enum Op : int { RUN = 0, SIGNAL = 1, WAIT = 2, BARRIER = 3 };

// A step of the tables, resolved when the kernel was opened. `index` is a function for RUN and a
// counter for the others; `total` is what one launch adds to that counter.
struct Step {
  int op;
  int index;
  unsigned amount;
  unsigned total;
  const Word* row;
};

struct alignas(64) Counter {
  unsigned value;
};

// Where a core is: the step at which it waits, or one of these.
enum Place : int { RUNNING = -1, DONE = -2 };

// Written by its core alone, so that a launch moves no line of it. `place` belongs to launch `number`.
struct alignas(64) Progress {
  unsigned number;
  int place;
  long long since;  // start of the present wait in nanoseconds, 0 before the first look at the clock
};

// How a launch ended. The first core that stops a launch decides.
enum Status : int {
  OK = 0,
  FAILED_CHECK = 1,
  HANG = 2,
  INTERRUPTED = 3,
  FAILED_GUARD = 4,
  SCALAR_OVERFLOW = 5,
  NESTED = 6,
  NO_THREADS = 7,
};

// A run-time check that failed: [value, value + extent) is not within [0, limit).
struct Failure {
  Word value;
  Word extent;
  Word limit;
  int check;
  int core;
};

// Three groups of lines: fixed, written at each launch, and written when a launch is stopped.
struct alignas(64) Launch {
  const Step* steps;
  const int* core_ptr;  // steps of core c: [core_ptr[c], core_ptr[c + 1])
  Counter* counters;    // one per event, and one for all barriers
  Progress* progress;   // one per core
  bool (*stall)(Core& core);  // a wait takes long: false when the launch was stopped
  bool (*tend)(Core& core);   // after every task of core 0, cheap: false when the launch was stopped
  int spins;                  // looks at a counter before `stall` is asked

  alignas(64) unsigned epoch;  // launches completed since the counters were zero
  unsigned number;             // of this launch

  alignas(64) int status;
  Failure failure;
};

inline bool stopped(const Launch& launch) { return __atomic_load_n(&launch.status, __ATOMIC_RELAXED) != OK; }

// Ends the launch with `status`, unless another core did before; says whether this call did.
inline bool stop(Launch& launch, Status status) {
  int expected = OK;
  return __atomic_compare_exchange_n(&launch.status, &expected, static_cast<int>(status), false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED);
}

__attribute__((noinline, cold)) inline bool fail(Core& core, int check, Word value, Word extent, Word limit) {
  if (stop(*core.launch, FAILED_CHECK)) core.launch->failure = Failure{value, extent, limit, check, core.core};
  return false;
}

// 0 <= value < limit; else the launch ends and the caller must return.
inline bool check_index(Core& core, int check, Word value, Word limit) {
  if (__builtin_expect(value >= 0 && value < limit, 1)) return true;
  return fail(core, check, value, 1, limit);
}

// 0 <= start, 0 <= extent, start + extent <= limit; else the launch ends and the caller must return.
inline bool check_range(Core& core, int check, Word start, Word extent, Word limit) {
  if (__builtin_expect(start >= 0 && extent >= 0 && start <= limit && extent <= limit - start, 1)) return true;
  return fail(core, check, start, extent, limit);
}

}  // namespace mpmd

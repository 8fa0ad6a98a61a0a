// The CPU ABI: what a task function gets, and what a launch shares between its cores.
//
// In:  the pool (runtime/native) fills a `Launch` and one `Core` per core.
// Out: task functions of the type `Function`, which read their row and may report a bad index.
// Not here: the interpretation of steps (driver.h), counters (sync.h), rows that are finished when they run
// (late.h), rings (channel.h), drains (drain.h), threads (the pool).
//
// No C++ standard library and no exceptions. The layouts below are shared by separately compiled
// libraries: whoever changes one raises MPMD_ABI.
#pragma once

#define MPMD_ABI 3

namespace mpmd {

typedef long long Word;  // one word of a row: 64 bits

typedef unsigned long long Ticks;  // of a CPU's counter

struct Launch;
struct Stamps;

// What one core has of its own. `base` holds the kernel's arguments in order, then its local tensors.
struct Core {
  void* const* base;
  char* scratch;  // aligned to 64 bytes
  int core;
  int cores;
  Launch* launch;
  Word* row;        // room for the row of a late program
  Word* registers;  // room for what its ops compute
  Stamps* stamps;   // null where the launch is not stamped
};

typedef void (*Function)(Core& core, const Word* row);

// Those of the tables, and LATE: a RUN whose row has a late program or rings.
enum Op : int { RUN = 0, SIGNAL = 1, WAIT = 2, BARRIER = 3, LOOP = 4, END = 5, DRAIN = 6, PREFETCH = 7, LATE = 8 };

// Those of late programs; below are the derived ones, floordiv, mod, min, max and mul.
enum LateOp : Word { ITERATION = 5, ELEMENT = 6, GUARD = 7, SKIP = 8, PATCH = 9 };

// A step of the tables, resolved when the kernel was opened.
//   RUN, LATE              index: function
//   SIGNAL, WAIT, BARRIER  index: counter; total: what one turn (sync.h) adds to it
//   LOOP, END              index: loop; amount: steps between the two
//   DRAIN                  index: counter; amount: the first of its items; total: how many they are
//   PREFETCH               index: the first of its fetches; amount: how many they are
struct Step {
  int op;
  int index;
  union {
    int amount;
    int words;  // LATE: of the row
  };
  union {
    unsigned total;
    int program;  // LATE: or -1
  };
  const Word* row;
};

// A loop. It has run `before` iterations since the counters were zero, and runs `count` in this launch, or
// fewer where the flag `until` ends it.
struct alignas(64) Loop {
  Word count;
  unsigned before;
  unsigned ran;     // in this launch: core 0 says
  int until;        // base of the flag, or -1
  int flag_bytes;
  Word flag_offset;
  int meeting;      // the step that stands for END's first meeting; the second one follows it
};

// What a PREFETCH asks for of one parameter: `rows` of `run` bytes each, `pitch` bytes apart.
struct Fetch {
  const Word* offset;  // the word of its row that says where it begins, in bytes
  Word run;
  Word rows;
  Word pitch;
  int base;
};

// A channel between two cores: `depth` slots, one after another, each with 64 bytes of extents first.
struct alignas(64) Ring {
  char* slots;
  Word slot_bytes;
  Word depth;
  alignas(64) unsigned long long sent;  // tokens; the producer's
  alignas(64) unsigned long long received;  // the consumer's
};

// The kinds of mpmd/timeline.py.
enum SpanKind : int { RUN_SPAN = 0, WAIT_SPAN = 1, BARRIER_SPAN = 2, TICKET_SPAN = 3, CHANNEL_SPAN = 4 };

// What a core did from `begin` to `end`, in ticks of its counter.
struct Stamp {
  Ticks begin;
  Ticks end;
  int step;       // of the launch; of an item of a drain the DRAIN
  int item;       // of a drain, or -1; CHANNEL_SPAN: 2 * ring, and 1 where it receives
  int iteration;  // of the loop that was run last
  int kind;
};

// The stamps of one core in one launch, written by it alone.
struct alignas(64) Stamps {
  Stamp* next;
  Stamp* end;
  long long lost;  // there was no room
  Stamp running;
};

struct alignas(64) Counter {
  unsigned value;
};

// Where a core is: the step at which it waits, one of these, or from IN_RING down a side of a ring.
enum Place : int { RUNNING = -1, DONE = -2, IN_RING = -3 };

// A wait that no other wait of the launch equals: a step and the turn in which it is made, or a side of a
// ring and the tokens that passed it.
inline long long waiting_at(int place, unsigned turn) {
  return static_cast<long long>(static_cast<unsigned long long>(turn) << 32 | static_cast<unsigned>(place));
}
inline int place_of(long long place) { return static_cast<int>(place); }
inline unsigned turn_of(long long place) { return static_cast<unsigned>(place >> 32); }

// Written by its core alone, so that a launch moves no line of it. `place` belongs to launch `number`.
struct alignas(64) Progress {
  unsigned number;
  unsigned turn;    // of the present stretch of steps (sync.h)
  long long place;  // see `waiting_at`; RUNNING and DONE as they are
  long long since;  // start of the present wait in nanoseconds, 0 before the first look at the clock
  Word iteration;   // of the running loop
  int step;         // the last LATE or END
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
  FAILED_LATE_GUARD = 8,
  ENDLESS_LOOP = 9,
};

// A run-time check that failed: [value, value + extent) is not within [0, limit). Of a late guard: value is
// not within [extent, limit].
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
  const int* begins;    // steps of core c: [begins[c], ends[c])
  const int* ends;
  Counter* counters;    // one per event, one for the barriers of straight code, then loops' and drains'
  Progress* progress;   // one per core
  bool (*stall)(Core& core);  // a wait takes long: false when the launch was stopped
  bool (*tend)(Core& core);   // after every task of core 0, cheap: false when the launch was stopped
  int spins;                  // looks at a counter before `stall` is asked
  Loop* loops;
  Ring* rings;
  const Step* items;        // of all drains
  const Fetch* fetches;     // of all PREFETCHes
  const int* program_ptr;   // ops of late program p: [program_ptr[p], program_ptr[p + 1])
  const Word (*ops)[8];     // as in the tables
  const Word (*terms)[2];
  const Word* scalar;       // of this launch
  Word scalars;             // how many

  alignas(64) unsigned epoch;  // launches completed since the counters were zero
  unsigned number;             // of this launch
  unsigned turn;               // with which cores begin (sync.h), and the iteration of the host's loop
  Word iteration;

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

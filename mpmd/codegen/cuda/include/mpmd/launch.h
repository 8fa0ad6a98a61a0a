// What a launch is: the tables on the device, the state that outlives launches, and what a core has.
//
// In:  mpmd/runtime fills these (mpmd/codegen/cuda/device_tables.py has the same layouts and describes the
// fields; whoever changes one changes both). Out: `Launch`, `Core`.
// Not here: the interpretation of steps (driver.h), counters (sync.h).
#pragma once

#include "mpmd/shared.h"

namespace mpmd {

// Those of the tables; LATE: a RUN whose row has a late program; SIGNAL_WORD: a SIGNAL by the only core that
// signals the event.
enum Op : int { RUN = 0, SIGNAL, WAIT, BARRIER, LOOP, END, DRAIN, PREFETCH, LATE, SIGNAL_WORD };

// Those of late programs; below are the derived ones, floordiv, mod, min, max and mul.
enum LateOp : Word { ITERATION = 5, ELEMENT = 6, GUARD = 7, SKIP = 8, PATCH = 9 };

//   RUN, LATE              index: function; row: its first word; LATE also words: of the row, program: or -1
//   SIGNAL, WAIT, BARRIER  index: counter; amount; total: what one turn (sync.h) adds to it
//   SIGNAL_WORD            the same; amount: what the turn has added when this is done
//   LOOP, END              index: loop; amount: steps between the two
//   DRAIN                  index: counter; amount: the first of its items; total: how many they are
struct Step {
  int op;
  int index;
  int amount;
  unsigned total;
  Word row;
  int words;
  int program;
};

// A loop runs `count` iterations in this launch, or fewer where the flag `until` ends it.
struct Loop {
  Word count;
  Word flag_offset;
  int until;  // base of the flag, or -1
  int flag_bytes;
  int meeting;  // the counter of END's meetings
  int unused;
};

// A channel between two cores: `depth` slots, one after another, each with 64 bytes of extents first.
struct Ring {
  Word slots;  // bytes into the arena
  Word slot_bytes;
  Word depth;
  Word unused;
};

// The counts of a ring, on lines of their own.
struct alignas(64) Tokens {
  unsigned long long sent;      // the producer's
  unsigned long long unused[7];
  unsigned long long received;  // the consumer's
  unsigned long long unused_too[7];
};

struct alignas(64) Counter {
  unsigned value;
};

// Where a core is: the step at which it waits, one of these, or from IN_RING down a side of a ring.
enum Place : int { RUNNING = -1, DONE = -2, IN_RING = -3 };

// Written by thread 0 of its core alone, when it blocks. Its fields belong to launch `epoch` (+ 1, so that 0 is none).
struct alignas(64) Progress {
  unsigned epoch;
  unsigned place;      // a `Place`
  unsigned turn;       // of the present wait, or the tokens that passed the ring
  unsigned iteration;  // of the running loop
  unsigned have;       // of what it waits for, when it was last looked at
  unsigned need;
  unsigned step;       // the last task that was begun
};

// How a launch ended. The first core that stops a launch decides.
enum Status : unsigned { OK = 0, FAILED_CHECK = 1, HANG = 2, SCALAR_OVERFLOW = 5, FAILED_LATE_GUARD = 8 };

// A run-time check that failed: [value, value + extent) is not within [0, limit). Of a late guard: value is not
// within [extent, limit].
struct Failure {
  unsigned status;
  int core;
  int check;
  int unused;
  Word value;
  Word extent;
  Word limit;
};

// Pointers into the device's memory, and what the launch decided.
struct Launch {
  const Step* steps;
  const Step* items;  // of all drains
  const int* begins;  // steps of core c in stretch s: [begins[s * cores + c], ends[s * cores + c])
  const int* ends;
  const int* stretch_loop;  // the loop of the host's that the stretch is in, or -1
  const Word* words;        // of all rows
  const int* program_ptr;   // ops of late program p: [program_ptr[p], program_ptr[p + 1])
  const Word (*ops)[8];     // as in the tables
  const Word (*terms)[2];
  const Loop* loops;
  const Ring* rings;
  const Word* scalar;
  char* const* base;  // the arguments in order, then the local tensors
  char* arena;
  char* slab;           // scratch of functions that do not fit into shared memory, `slab_bytes` per core
  Counter* counters;    // one per event, then one per barrier line of straight code and loops, meetings, drains
  Tokens* tokens;       // one per ring
  Progress* progress;   // one per core
  Failure* failure;     // alone on its lines
  unsigned* turns;      // iterations of loop l before launch e, since the counters were zero: [e % 2][l]
  Word slab_bytes;
  Word patience;        // nanoseconds without a change, all cores waiting, after which the launch hangs
  int cores;
  int scalar_count;
  int loop_count;
  int row_words;        // of the longest late row
  int scratch_at;       // bytes into shared memory
  int shared_scratch;   // bytes from there on
  unsigned epoch;       // launches since the counters were zero
  int unused;
};

static_assert(sizeof(Step) == 32 && sizeof(Loop) == 32 && sizeof(Ring) == 32 && sizeof(Failure) == 40, "as NumPy has them");
static_assert(sizeof(Counter) == 64 && sizeof(Tokens) == 128 && sizeof(Progress) == 64, "as NumPy has them");
static_assert(sizeof(Launch) == 208 && rows_at == 17920, "as NumPy has them");

// What a thread knows of its core.
struct Core {
  const Launch* launch;
  char* scratch;  // aligned to 64 bytes
  int core;
};

MPMD_INLINE bool stopped(const Launch& launch) { return device::load_relaxed(&launch.failure->status) != OK; }

// Ends the launch with `failure.status`, unless another core did before. By one thread.
MPMD_INLINE void stop(const Launch& launch, Failure failure) {
  if (device::exchange_if_equal(&launch.failure->status, OK, failure.status) != OK) return;
  launch.failure->core = failure.core;
  launch.failure->check = failure.check;
  launch.failure->value = failure.value;
  launch.failure->extent = failure.extent;
  launch.failure->limit = failure.limit;
}

}  // namespace mpmd

// What a kernel keeps from its opening to its end: its steps resolved, its counters, loops, rings and memory.
//
// In:  decoded tables. Out: a `Launch` that the driver can run; its counters as they were at first.
// Not here: threads and the launch itself (pool.cpp), whether the tables are sound (tables.h).
#pragma once

#include "fetches.h"
#include "memory.h"
#include "mpmd/abi.h"
#include "pool.h"
#include "scalars.h"
#include "stretches.h"
#include "tables.h"

struct MpmdKernel : mpmd::Launch {
  MpmdEntry entry;
  MpmdEntry stamped;   // the same with stamps, or null
  long long identity;  // one number per kernel of this process
  char* bytes;  // the tables as they came
  mpmd::Tables tables;
  mpmd::Fetch* fetch;  // of the PREFETCHes, in the order of their steps
  mpmd::Step* step;  // those of the tables; two meetings per loop; the items of the drains
  mpmd::Word* words;     // with the scalars of the last launch patched in
  mpmd::Word* patched;   // these scalars, the derived ones after the program's own
  mpmd::Word* incoming;  // of the present launch, before its guards are passed
  mpmd::Stretch* stretch;
  int* cut;              // the stretches' begins and ends
  long long stretches;
  mpmd::Word* most;      // per loop: iterations in one launch that its counters can tell apart
  void** base;
  mpmd::Core* core;
  mpmd::Word* late;  // each core's room for late programs
  mpmd::Pages arena;
  mpmd::Pages scratch;
  int fork;  // the pool's, at the last launch
  MpmdPoll poll;
  void* context;
  long long asked;  // when `poll` was called last
};

namespace mpmd {

// ---- counters: events, barriers of straight code, per loop its barriers and END's meetings, drains ----------

inline long long barrier_counter(const Tables& t, long long loop) {
  return loop < 0 ? t.events : t.events + 1 + 2 * loop;
}
inline long long meeting_counter(const Tables& t, long long loop) { return barrier_counter(t, loop) + 1; }
inline long long drain_counter(const Tables& t, long long drain) { return t.events + 1 + 2 * t.loops + drain; }
inline long long counter_count(const Tables& t) { return drain_counter(t, t.drains); }

// The loop whose turns a counter of an event or of barriers counts, or -1.
inline long long loop_of(const Tables& t, long long counter) {
  if (counter < t.events) return t.event_loop[counter];
  return counter == t.events ? -1 : (counter - t.events - 1) / 2;
}

inline void reset_counters(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  memset(kernel.counters, 0, counter_count(t) * sizeof(Counter));
  kernel.epoch = 0;
  for (long long l = 0; l < t.loops; ++l) kernel.loops[l].before = 0;
  for (long long r = 0; r < t.rings; ++r) kernel.rings[r].sent = kernel.rings[r].received = 0;
}

// ---- scalars --------------------------------------------------------------------------------------------

// The words follow the scalars by their differences, modulo 2^64: exact, and no word is reset first.
inline void patch(MpmdKernel& kernel, const Word* scalar) {
  typedef unsigned long long Bits;
  const Tables& t = kernel.tables;
  const long long scalars = t.scalars + t.derived;
  if (!memcmp(kernel.patched, scalar, scalars * sizeof(Word))) return;
  for (long long p = 0; p < t.patches; ++p) {
    const Word which = t.patch[p][1];
    const Bits change = static_cast<Bits>(scalar[which]) - static_cast<Bits>(kernel.patched[which]);
    Word& word = kernel.words[t.patch[p][0]];
    word = static_cast<Word>(static_cast<Bits>(word) + static_cast<Bits>(t.patch[p][2]) * change);
  }
  memcpy(kernel.patched, scalar, scalars * sizeof(Word));
}

// The counts of the loops from the incoming scalars. The LOOP step (of core 0) of one that would run too
// often, or -1.
inline int endless_loop(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  for (long long l = 0; l < t.loops; ++l) {
    const Word count = iterations(t, l, kernel.incoming, kernel.most[l]);
    if (kernel.loops[l].count != count) kernel.loops[l].count = count;
    for (int i = 0; count < 0; ++i) {
      if (t.step[i][0] == LOOP && t.step[i][1] == l) return i;
    }
  }
  return -1;
}

// ---- opening ----------------------------------------------------------------------------------------------

inline Step late_step(const MpmdKernel& kernel, int row) {
  const Tables& t = kernel.tables;
  Step step{};
  step.op = LATE;
  step.index = t.row_function[row];
  step.words = static_cast<int>(t.row_ptr[row + 1] - t.row_ptr[row]);
  step.program = t.row_program[row];
  step.row = kernel.words + t.row_ptr[row];
  return step;
}

inline Step meeting_step(const Tables& t, long long counter, long long ordinal, long long of) {
  Step step{};
  step.op = BARRIER;
  step.index = static_cast<int>(counter);
  step.amount = static_cast<int>((ordinal + 1) * t.cores);
  step.total = static_cast<unsigned>(of * t.cores);
  return step;
}

// `loop` is the one in which the step is, or -1; `joined` says of each row whether it uses a ring.
inline Step resolved(const MpmdKernel& kernel, long long at, long long loop, const char* joined) {
  const Tables& t = kernel.tables;
  const int op = t.step[at][0], a = t.step[at][1], b = t.step[at][2];
  if (op == RUN && (t.row_program[a] >= 0 || joined[a])) return late_step(kernel, a);
  if (op == BARRIER) return meeting_step(t, barrier_counter(t, loop), a, loop < 0 ? t.barriers : t.loop[loop][6]);
  Step step{};
  step.op = op;
  step.index = a;
  step.amount = b;
  if (op == RUN) {
    step.index = t.row_function[a];
    step.row = kernel.words + t.row_ptr[a];
  } else if (op == DRAIN) {
    step.index = static_cast<int>(drain_counter(t, a));
    step.amount = t.drain_ptr[a];
    step.total = static_cast<unsigned>(t.drain_ptr[a + 1] - t.drain_ptr[a]);
  } else if (op == SIGNAL || op == WAIT) {
    step.total = static_cast<unsigned>(t.event_total[a]);
  }
  return step;
}

// Gives each PREFETCH its fetches.
inline void resolve_fetches(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  int next = 0;
  for (long long i = 0; i < t.steps; ++i) {
    if (t.step[i][0] != PREFETCH) continue;
    kernel.step[i].index = next;
    next += kernel.step[i].amount = fetches_of(t, t.step[i], kernel.words, kernel.fetch + next);
  }
  kernel.fetches = kernel.fetch;
}

inline bool counts(const Step& step) {
  return step.op == SIGNAL || step.op == WAIT || step.op == BARRIER || step.op == DRAIN;
}

inline void resolve_steps(MpmdKernel& kernel, const char* joined) {
  const Tables& t = kernel.tables;
  long long loop = -1;
  for (long long i = 0; i < t.steps; ++i) {
    if (t.step[i][0] == LOOP) loop = t.step[i][1];
    const Step& step = kernel.step[i] = resolved(kernel, i, loop, joined);
    if (loop >= 0 && counts(step) && step.total) {
      const Word most = MOST_COUNT / static_cast<Word>(step.total);
      if (kernel.most[loop] > most) kernel.most[loop] = most;
    }
    if (step.op != END) continue;
    kernel.step[i - step.amount - 1].amount = step.amount;
    loop = -1;
  }
}

inline void resolve_loops(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  for (long long l = 0; l < t.loops; ++l) {
    Loop& loop = kernel.loops[l];
    loop.until = static_cast<int>(t.loop[l][3]);
    loop.flag_offset = t.loop[l][4];
    loop.flag_bytes = static_cast<int>(t.loop[l][5]);
    loop.meeting = static_cast<int>(t.steps + 2 * l);
    for (int m = 0; m < 2; ++m) kernel.step[loop.meeting + m] = meeting_step(t, meeting_counter(t, l), m, 2);
    kernel.most[l] = MOST_COUNT / (2 * t.cores);
  }
}

inline void resolve_rings(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  for (long long r = 0; r < t.rings; ++r) {
    Ring& ring = kernel.rings[r];
    ring.slot_bytes = t.ring[r][2];
    ring.depth = t.ring[r][3];
    ring.slots = kernel.arena.start + t.ring[r][4];
  }
}

// False when there is not enough memory.
inline bool resolve(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  char* joined = static_cast<char*>(zeroed(t.rows));
  if (!joined) return false;
  for (long long u = 0; u < t.uses; ++u) joined[t.use[u][0]] = 1;
  resolve_loops(kernel);
  resolve_steps(kernel, joined);
  resolve_rings(kernel);
  resolve_fetches(kernel);
  free(joined);
  Step* const items = kernel.step + t.steps + 2 * t.loops;
  for (long long i = 0; i < t.items; ++i) items[i] = late_step(kernel, t.drain_row[i]);
  kernel.steps = kernel.step;
  kernel.items = items;
  cut(t, kernel.stretches - 1, kernel.stretch, kernel.cut, kernel.cut + kernel.stretches * t.cores);
  kernel.program_ptr = t.program_ptr;
  kernel.ops = t.op;
  kernel.terms = t.term;
  kernel.scalar = kernel.patched;
  kernel.scalars = t.scalars + t.derived;
  return true;
}

template <typename T>
inline bool give(T*& member, long long count) {
  member = static_cast<T*>(zeroed(count * sizeof(T)));
  return member;
}

inline bool give_lists(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  const long long scalars = t.scalars + t.derived;
  kernel.stretches = cuts_of(t) + 1;
  return give(kernel.stretch, kernel.stretches) && give(kernel.cut, 2 * kernel.stretches * t.cores) &&
         give(kernel.step, t.steps + 2 * t.loops + t.items) && give(kernel.words, t.words) &&
         give(kernel.patched, scalars) && give(kernel.incoming, scalars) && give(kernel.most, t.loops) &&
         give(kernel.base, t.bases) && give(kernel.core, t.cores) && give(kernel.counters, counter_count(t)) &&
         give(kernel.progress, t.cores) && give(kernel.loops, t.loops) && give(kernel.rings, t.rings) && give(kernel.fetch, most_fetches(t));
}

inline long long rounded(long long bytes) { return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE; }

// The words that late programs need on each core: of the longest row, and of the longest program.
inline long long late_row_words(const Tables& t) {
  long long most = 0;
  for (long long r = 0; r < t.rows; ++r) {
    const long long length = t.row_ptr[r + 1] - t.row_ptr[r];
    if (t.row_program[r] >= 0 && length > most) most = length;
  }
  return rounded(most * sizeof(Word)) / static_cast<long long>(sizeof(Word));
}
inline long long late_registers(const Tables& t) {
  long long most = 0;
  for (long long p = 0; p < t.programs; ++p) {
    if (t.program_ptr[p + 1] - t.program_ptr[p] > most) most = t.program_ptr[p + 1] - t.program_ptr[p];
  }
  return rounded(most * sizeof(Word)) / static_cast<long long>(sizeof(Word));
}

// What is wrong, or null.
inline const char* allocate(MpmdKernel& kernel, long long scratch_bytes) {
  const Tables& t = kernel.tables;
  const char* full = "there is not enough memory";
  const long long scratch = rounded(scratch_bytes);
  const long long row_words = late_row_words(t), late_words = row_words + late_registers(t);
  if (!give_lists(kernel) || !give(kernel.late, late_words * t.cores)) return full;
  if (t.arena_bytes && !kernel.arena.map(t.arena_bytes)) return full;
  if (scratch && !kernel.scratch.map(scratch * t.cores)) return full;
  memcpy(kernel.words, t.word, t.words * sizeof(Word));
  for (long long b = t.arguments; b < t.bases; ++b) kernel.base[b] = kernel.arena.start + t.base[b][2];
  for (int c = 0; c < t.cores; ++c) {
    Word* const row = kernel.late + c * late_words;
    const int cores = static_cast<int>(t.cores);
    kernel.core[c] = Core{kernel.base, kernel.scratch.start + c * scratch, c, cores, &kernel, row, row + row_words, nullptr};
  }
  return nullptr;
}

inline void release(MpmdKernel& kernel) {
  kernel.arena.unmap();
  kernel.scratch.unmap();
  void* const lists[] = {kernel.stretch, kernel.cut, kernel.fetch, kernel.late, kernel.rings, kernel.loops,    kernel.progress, kernel.counters,
                         kernel.core, kernel.base,  kernel.most,     kernel.incoming, kernel.patched,
                         kernel.words, kernel.step, kernel.bytes};
  for (void* list : lists) free(list);
}

}  // namespace mpmd

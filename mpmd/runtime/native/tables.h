// The tables of a kernel, decoded and checked.
//
// In:  the bytes that mpmd/codegen/tables.py describes. Out: `Tables`, pointers into a copy of them.
// Not here: whether the schedule is right (mpmd/schedule/check.py proves that). What is checked here
// is that no index leaves its section, so that broken bytes cannot make the pool touch wild memory.
#pragma once

#include "mpmd/abi.h"

namespace mpmd {

struct Tables {
  long long cores, steps, events, barriers, rows, words, functions, params, axes, bases, scalars;
  long long derived, terms, guards, patches, arena_bytes, total_bytes;
  long long programs, ops, loops, drains, items, rings, uses;
  long long arguments;  // the bases before the local tensors

  const int* core_ptr;
  const int (*step)[4];
  const int* event_total;
  const Word* row_ptr;
  const int* row_function;
  const Word* word;
  const int* function_ptr;
  const int (*param)[6];
  const Word (*axis)[4];
  const Word (*base)[3];
  const Word (*derive)[7];
  const Word (*term)[2];
  const Word (*guard)[5];
  const Word (*patch)[3];
  const int* row_program;
  const int* program_ptr;
  const Word (*op)[8];
  const Word (*loop)[8];
  const int* event_loop;
  const int* event_primitive;
  const int* drain_ptr;
  const int* drain_row;
  const Word (*ring)[6];
  const Word (*use)[4];
};

const long long MAGIC = 0x4D504D44;
const long long VERSION = 4;
const long long HEADER_WORDS = 32;
const long long MOST = 1LL << 40;  // no section of honest tables has more entries
const int MOST_CORES = 1024;
const long long MOST_SCALARS = 1 << 16;
const long long MOST_COUNT = (1LL << 31) - 1;  // of what one turn (mpmd/sync.h) adds to a counter

// Takes the sections off the bytes one after another; `broken` once they no longer fit.
struct Reader {
  const char* at;
  long long left;
  bool broken;

  template <typename T>
  const T* take(long long count) {
    if (count < 0 || count > MOST || count * static_cast<long long>(sizeof(T)) > left) broken = true;
    if (broken) return nullptr;
    const T* section = reinterpret_cast<const T*>(at);
    const long long bytes = (count * static_cast<long long>(sizeof(T)) + 7) / 8 * 8;
    if (bytes > left) broken = true;
    at += bytes;
    left -= bytes;
    return section;
  }
};

template <typename T>
inline bool ascending(const T* pointer, long long count, long long end) {
  if (pointer[0] != 0 || pointer[count] != end) return false;
  for (long long i = 0; i < count; ++i) {
    if (pointer[i] > pointer[i + 1]) return false;
  }
  return true;
}

inline bool within(long long value, long long count) { return value >= 0 && value < count; }

inline bool terms_fit(const Tables& t, const Word* linear, long long known_scalars) {
  const long long first = linear[1], end = linear[2];
  if (first < 0 || first > end || end > t.terms) return false;
  for (long long i = first; i < end; ++i) {
    if (!within(t.term[i][0], known_scalars)) return false;
  }
  return true;
}

// One core's way through its steps: the loop it is in, and what it has met there and in straight code.
struct Walk {
  long long loop = -1, loops = 0, opened = 0;
  long long straight = 0, inside = 0;  // barriers
};

inline const char* check_step(const Tables& t, int at, Walk& walk) {
  const int op = t.step[at][0], a = t.step[at][1], b = t.step[at][2];
  switch (op) {
    case RUN:
      return within(a, t.rows) ? nullptr : "a RUN step names no row";
    case SIGNAL:
    case WAIT:
      if (!within(a, t.events)) return "a SIGNAL or WAIT step names no event";
      if (t.event_loop[a] != walk.loop) return "a SIGNAL or WAIT step is not in its event's loop";
      return b >= 0 || (op == WAIT && walk.loop >= 0) ? nullptr : "the amount of a SIGNAL or WAIT step is negative";
    case BARRIER:
      if (b < 0 || b > 1) return "a BARRIER step neither ends a launch nor goes on with it";
      return a == (walk.loop < 0 ? walk.straight : walk.inside)++ ? nullptr : "the barriers of a core are out of order";
    case LOOP:
      if (walk.loop >= 0 || a != walk.loops || a >= t.loops) return "the loops of a core are out of order";
      walk.loop = walk.loops++;
      walk.opened = at;
      walk.inside = 0;
      return nullptr;
    case END:
      if (walk.loop < 0 || a != walk.loop || b != at - walk.opened - 1) return "an END step does not fit its LOOP";
      if (walk.inside != t.loop[a][6]) return "a core lacks a barrier of a loop";
      walk.loop = -1;
      return nullptr;
    case DRAIN:
      return within(a, t.drains) ? nullptr : "a DRAIN step names no drain";
    case PREFETCH:
      return within(a, t.rows) && b >= 0 && t.row_program[a] < 0 ? nullptr : "a PREFETCH step is malformed";
    default:
      return "a step has an unknown operation";
  }
}

inline const char* check_steps(const Tables& t) {
  for (long long c = 0; c < t.cores; ++c) {
    Walk walk;
    for (int i = t.core_ptr[c]; i < t.core_ptr[c + 1]; ++i) {
      if (const char* wrong = check_step(t, i, walk)) return wrong;
    }
    if (walk.straight != t.barriers) return "a core lacks a barrier";
    if (walk.loop >= 0 || walk.loops != t.loops) return "a core lacks a loop, or the end of one";
  }
  for (long long e = 0; e < t.events; ++e) {
    if (t.event_total[e] < 0) return "the total of an event is negative";
  }
  return t.barriers > MOST_COUNT / t.cores ? "there are too many barriers" : nullptr;
}

// `sums` has one zero per event.
inline const char* check_totals(const Tables& t, long long* sums) {
  for (long long i = 0; i < t.steps; ++i) {
    if (t.step[i][0] == SIGNAL) sums[t.step[i][1]] += t.step[i][2];
  }
  for (long long e = 0; e < t.events; ++e) {
    if (sums[e] != t.event_total[e]) return "the total of an event is not what is signalled on it";
  }
  return nullptr;
}

// The axes of a parameter, in a row of so many words.
inline bool axes_fit(const Tables& t, const int* param, long long length) {
  if (param[4] < 0 || param[4] > param[5] || param[5] > t.axes) return false;
  for (int a = param[4]; a < param[5]; ++a) {
    for (int word = 0; word < 4; word += 2) {
      if (t.axis[a][word] != -1 && !within(t.axis[a][word], length)) return false;
    }
  }
  return true;
}

inline const char* check_rows(const Tables& t) {
  if (!ascending(t.function_ptr, t.functions, t.params)) return "the functions' parameters are out of order";
  if (!ascending(t.row_ptr, t.rows, t.words)) return "the rows are out of order";
  for (long long r = 0; r < t.rows; ++r) {
    const int function = t.row_function[r];
    if (!within(function, t.functions)) return "a row names no function";
    const long long length = t.row_ptr[r + 1] - t.row_ptr[r];
    for (int p = t.function_ptr[function]; p < t.function_ptr[function + 1]; ++p) {
      if (!within(t.param[p][2], length) || !within(t.param[p][3], length)) return "a row is too short";
      if (!within(t.word[t.row_ptr[r] + t.param[p][2]], t.bases)) return "a row names no base";
      if (!axes_fit(t, t.param[p], length)) return "a row has too few words for its axes";
    }
  }
  return nullptr;
}

inline const char* check_launch(const Tables& t) {
  for (long long d = 0; d < t.derived; ++d) {
    const Word* row = t.derive[d];
    const bool fits = terms_fit(t, row + 1, t.scalars + d) && terms_fit(t, row + 4, t.scalars + d);
    if (!within(row[0], 5) || !fits) return "a derived scalar is malformed";
  }
  const long long scalars = t.scalars + t.derived;
  for (long long g = 0; g < t.guards; ++g) {
    if (!terms_fit(t, t.guard[g], scalars)) return "a guard names no scalar";
  }
  for (long long p = 0; p < t.patches; ++p) {
    if (!within(t.patch[p][0], t.words) || !within(t.patch[p][1], scalars)) return "a patch names no word or scalar";
  }
  return nullptr;
}

inline bool place_fits(const Tables& t, Word base, Word offset, Word bytes) {
  return within(base, t.bases) && offset >= 0 && bytes <= t.base[base][1] && offset <= t.base[base][1] - bytes;
}

// `at` is the op's place in its program.
inline bool op_fits(const Tables& t, const Word* op, long long at) {
  const long long values = t.scalars + t.derived + at;
  switch (op[0]) {
    case ITERATION:
      return true;
    case ELEMENT:
      if (!terms_fit(t, op + 2, values) || (op[5] != 4 && op[5] != 8)) return false;
      return place_fits(t, op[1], op[3] == op[4] ? op[2] : 0, op[5]);
    case GUARD:
      return terms_fit(t, op + 1, values) && within(op[6], MOST_COUNT);
    case SKIP:
      return terms_fit(t, op + 1, values);
    case PATCH:  // its word is the row's to check
      return terms_fit(t, op + 2, values);
    default:
      return within(op[0], ITERATION) && terms_fit(t, op + 1, values) && terms_fit(t, op + 4, values);
  }
}

inline const char* check_late(const Tables& t) {
  if (!ascending(t.program_ptr, t.programs, t.ops)) return "the late programs are out of order";
  for (long long p = 0; p < t.programs; ++p) {
    for (int o = t.program_ptr[p]; o < t.program_ptr[p + 1]; ++o) {
      if (!op_fits(t, t.op[o], o - t.program_ptr[p])) return "an op of a late program is malformed";
    }
  }
  for (long long r = 0; r < t.rows; ++r) {
    const int program = t.row_program[r];
    if (program < -1 || program >= t.programs) return "a row names no late program";
    const long long length = t.row_ptr[r + 1] - t.row_ptr[r];
    for (int o = program < 0 ? 0 : t.program_ptr[program]; program >= 0 && o < t.program_ptr[program + 1]; ++o) {
      if (t.op[o][0] == PATCH && !within(t.op[o][1], length)) return "a late program patches a word that a row lacks";
    }
  }
  return nullptr;
}

inline const char* check_loops(const Tables& t) {
  for (long long l = 0; l < t.loops; ++l) {
    const Word* loop = t.loop[l];
    const Word bytes = loop[5];
    const bool flag = loop[3] == -1 || ((bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) &&
                                        place_fits(t, loop[3], loop[4], bytes));
    if (!terms_fit(t, loop, t.scalars + t.derived) || !flag) return "a loop is malformed";
    if (!within(loop[6], MOST_COUNT / t.cores)) return "a loop has too many barriers";
  }
  for (long long e = 0; e < t.events; ++e) {
    if (t.event_loop[e] < -1 || t.event_loop[e] >= t.loops) return "an event names no loop";
    if (t.event_primitive[e] != 0) return "an event is no counter, and a CPU has nothing else";
  }
  return nullptr;
}

inline const char* check_drains(const Tables& t) {
  if (!ascending(t.drain_ptr, t.drains, t.items)) return "the drains are out of order";
  for (long long i = 0; i < t.items; ++i) {
    if (!within(t.drain_row[i], t.rows)) return "an item of a drain names no row";
  }
  return nullptr;
}

inline const char* check_rings(const Tables& t) {
  for (long long r = 0; r < t.rings; ++r) {
    const Word* ring = t.ring[r];
    const Word bytes = ring[2], depth = ring[3], start = ring[4];
    if (!within(ring[0], t.cores) || !within(ring[1], t.cores)) return "a ring names no core";
    if (bytes < 64 || bytes % 64 || depth < 1 || start < 0 || start % 64) return "a ring is malformed";
    if (start > t.arena_bytes || depth > (t.arena_bytes - start) / bytes) return "a ring leaves the arena";
  }
  for (long long u = 0; u < t.uses; ++u) {
    const Word* use = t.use[u];
    if (!within(use[0], t.rows) || !within(use[1], t.rings)) return "a use of a ring names no row or ring";
    if (!within(use[2], 2) || use[3] < 0) return "a use of a ring is malformed";
  }
  return nullptr;
}

inline const char* check_bases(Tables& t) {
  t.arguments = 0;
  while (t.arguments < t.bases && t.base[t.arguments][0] == 0) ++t.arguments;
  for (long long b = 0; b < t.bases; ++b) {
    const Word kind = t.base[b][0], size = t.base[b][1], start = t.base[b][2];
    if (!within(kind, 2) || size < 0 || start < 0 || (kind == 0 && start != 0)) return "a base is malformed";
    if (b >= t.arguments && kind == 0) return "an argument follows a local tensor";
    if (kind == 1 && (start > t.arena_bytes || size > t.arena_bytes - start)) return "a local tensor leaves the arena";
  }
  return nullptr;
}

// What is wrong with the bytes, or null. The sections stay where they are: `bytes` must outlive `t`.
inline const char* decode(const char* bytes, long long size, Tables& t) {
  Reader reader{bytes, size, false};
  const Word* header = reader.take<Word>(HEADER_WORDS);
  if (reader.broken || header[0] != MAGIC) return "these are no tables of a kernel";
  if (header[1] != VERSION) return "the tables have another version";
  if (header[18] != size) return "the tables are cut short";
  const long long* counts = header + 2;
  for (int i = 0; i < 24; ++i) {
    if (counts[i] < 0 || counts[i] > MOST) return "a count in the header is out of range";
  }
  t.cores = counts[0], t.steps = counts[1], t.events = counts[2], t.barriers = counts[3];
  t.rows = counts[4], t.words = counts[5], t.functions = counts[6], t.params = counts[7];
  t.axes = counts[8], t.bases = counts[9], t.scalars = counts[10], t.derived = counts[11];
  t.terms = counts[12], t.guards = counts[13], t.patches = counts[14], t.arena_bytes = counts[15];
  t.total_bytes = size;
  t.programs = counts[17], t.ops = counts[18], t.loops = counts[19], t.drains = counts[20];
  t.items = counts[21], t.rings = counts[22], t.uses = counts[23];
  if (t.cores < 1 || t.cores > MOST_CORES) return "the number of cores is out of range";
  if (t.scalars > MOST_SCALARS) return "the number of scalars is out of range";
  t.core_ptr = reader.take<int>(t.cores + 1);
  t.step = reader.take<int[4]>(t.steps);
  t.event_total = reader.take<int>(t.events);
  t.row_ptr = reader.take<Word>(t.rows + 1);
  t.row_function = reader.take<int>(t.rows);
  t.word = reader.take<Word>(t.words);
  t.function_ptr = reader.take<int>(t.functions + 1);
  t.param = reader.take<int[6]>(t.params);
  t.axis = reader.take<Word[4]>(t.axes);
  t.base = reader.take<Word[3]>(t.bases);
  t.derive = reader.take<Word[7]>(t.derived);
  t.term = reader.take<Word[2]>(t.terms);
  t.guard = reader.take<Word[5]>(t.guards);
  t.patch = reader.take<Word[3]>(t.patches);
  t.row_program = reader.take<int>(t.rows);
  t.program_ptr = reader.take<int>(t.programs + 1);
  t.op = reader.take<Word[8]>(t.ops);
  t.loop = reader.take<Word[8]>(t.loops);
  t.event_loop = reader.take<int>(t.events);
  t.event_primitive = reader.take<int>(t.events);
  reader.take<int>(t.events);  // flags, which a CPU does not have
  t.drain_ptr = reader.take<int>(t.drains + 1);
  t.drain_row = reader.take<int>(t.items);
  t.ring = reader.take<Word[6]>(t.rings);
  t.use = reader.take<Word[4]>(t.uses);
  if (reader.broken) return "a section leaves the tables";
  if (reader.left != 0) return "there is more than the tables";
  if (!ascending(t.core_ptr, t.cores, t.steps)) return "the cores' steps are out of order";
  if (const char* wrong = check_bases(t)) return wrong;
  if (const char* wrong = check_loops(t)) return wrong;
  if (const char* wrong = check_steps(t)) return wrong;
  if (const char* wrong = check_rows(t)) return wrong;
  if (const char* wrong = check_late(t)) return wrong;
  if (const char* wrong = check_drains(t)) return wrong;
  if (const char* wrong = check_rings(t)) return wrong;
  return check_launch(t);
}

}  // namespace mpmd

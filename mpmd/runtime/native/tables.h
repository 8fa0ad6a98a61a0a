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
};

const long long MAGIC = 0x4D504D44;
const long long VERSION = 2;
const long long HEADER_WORDS = 24;
const long long MOST = 1LL << 40;  // no section of honest tables has more entries
const int MOST_CORES = 1024;
const long long MOST_SCALARS = 1 << 16;

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

inline const char* check_steps(const Tables& t) {
  for (long long c = 0; c < t.cores; ++c) {
    long long barriers = 0;
    for (int i = t.core_ptr[c]; i < t.core_ptr[c + 1]; ++i) {
      const int op = t.step[i][0], a = t.step[i][1], b = t.step[i][2];
      if (op == RUN) {
        if (!within(a, t.rows)) return "a RUN step names no row";
      } else if (op == SIGNAL || op == WAIT) {
        if (!within(a, t.events) || b < 0) return "a SIGNAL or WAIT step names no event";
      } else if (op == BARRIER) {
        if (a != barriers++) return "the barriers of a core are out of order";
      } else {
        return "a step has an unknown operation";
      }
    }
    if (barriers != t.barriers) return "a core lacks a barrier";
  }
  for (long long e = 0; e < t.events; ++e) {
    if (t.event_total[e] < 0) return "the total of an event is negative";
  }
  return nullptr;
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
  for (int i = 0; i < 16; ++i) {
    if (counts[i] < 0 || counts[i] > MOST) return "a count in the header is out of range";
  }
  t.cores = counts[0], t.steps = counts[1], t.events = counts[2], t.barriers = counts[3];
  t.rows = counts[4], t.words = counts[5], t.functions = counts[6], t.params = counts[7];
  t.axes = counts[8], t.bases = counts[9], t.scalars = counts[10], t.derived = counts[11];
  t.terms = counts[12], t.guards = counts[13], t.patches = counts[14], t.arena_bytes = counts[15];
  t.total_bytes = size;
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
  if (reader.broken) return "a section leaves the tables";
  if (reader.left != 0) return "there is more than the tables";
  if (!ascending(t.core_ptr, t.cores, t.steps)) return "the cores' steps are out of order";
  if (const char* wrong = check_steps(t)) return wrong;
  if (const char* wrong = check_rows(t)) return wrong;
  if (const char* wrong = check_bases(t)) return wrong;
  return check_launch(t);
}

}  // namespace mpmd

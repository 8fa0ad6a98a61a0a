// The stamps of launches, from the cores' buffers to whoever takes them.
//
// In:  a kernel about to be launched, with stamps or without; what its cores stamped. Out: records, in order.
// Not here: a single stamp (mpmd/stamp.h), the counters of several cores (skew.h), the launch (pool.cpp).
//
// Buffers are large enough for every span that the tables and the counts of the loops allow, up to
// a bound; beyond that spans are counted, and not kept. Records that nobody takes go, the oldest first.
#pragma once

#include <pthread.h>

#include "kernel.h"
#include "mpmd/stamp.h"
#include "skew.h"

namespace mpmd {

struct Recording {
  pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;  // for what is said to be of whoever has it
  long long limit;        // bytes of records that are kept; 0: launches are not stamped
  long long stamp_limit;  // bytes of one launch's stamps
  unsigned session;       // grows whenever recording begins
  // Of the launching thread, which has the pool:
  unsigned compared;  // the session in which workers' counters were compared
  int workers;        // whose were
  Offset offset[MOST_CORES];
  Pages buffer;
  long long buffer_bytes;
  Stamps stamps[MOST_CORES];
  // Of whoever has `mutex`:
  MpmdMoment since;
  MpmdRecord* first;
  MpmdRecord* last;
  long long kept;  // bytes
  long long launches;
};

// Has the mutex while it lives.
struct Held {
  pthread_mutex_t& mutex;
  explicit Held(Recording& recording) : mutex(recording.mutex) { pthread_mutex_lock(&mutex); }
  ~Held() { pthread_mutex_unlock(&mutex); }
};

inline bool recorded(const Recording& recording, const MpmdKernel& kernel) {
  return kernel.stamped && __atomic_load_n(&recording.limit, __ATOMIC_RELAXED);
}

// ---- buffers ----------------------------------------------------------------------------------------------

// Spans of each row at most, beside its RUN: a wait for every token parts it once more.
inline void count_tokens(const Tables& t, long long* tokens) {
  for (long long u = 0; u < t.uses; ++u) tokens[t.use[u][0]] += t.use[u][3];
}

inline long long most_spans(const MpmdKernel& kernel, long long at, const long long* tokens) {
  const Tables& t = kernel.tables;
  const int op = t.step[at][0], a = t.step[at][1];
  switch (op) {
    case RUN:
      return 1 + 2 * tokens[a];
    case WAIT:
    case BARRIER:
      return 1;
    case DRAIN:
      return 2 * (t.drain_ptr[a + 1] - t.drain_ptr[a]) + 1;
    case END:
      return t.loop[a][3] >= 0 ? 2 : 0;
    default:
      return 0;
  }
}

// Of a core in this launch, whose loops have their counts; not more than `limit`.
inline long long most_spans_of_core(const MpmdKernel& kernel, int core, const long long* tokens, long long limit) {
  const Tables& t = kernel.tables;
  long long sum = 0, before = 0;
  Word count = 1;
  for (int i = t.core_ptr[core]; i < t.core_ptr[core + 1]; ++i) {
    sum += most_spans(kernel, i, tokens);
    if (t.step[i][0] == LOOP) {
      before = sum;
      count = kernel.loops[t.step[i][1]].count;
    } else if (t.step[i][0] == END) {
      const long long body = sum - before;
      sum = body && count > limit / body ? limit : before + body * count;
      before = 0;
      count = 1;
    }
    if (sum > limit) sum = limit;
  }
  return sum;
}

inline bool grow_buffer(Recording& recording, long long bytes) {
  if (bytes <= recording.buffer_bytes) return true;
  recording.buffer.unmap();
  recording.buffer = Pages{};
  recording.buffer_bytes = recording.buffer.map(bytes) ? bytes : 0;
  return recording.buffer_bytes;
}

// Each core's share of the memory, in spans. Where all do not fit, all get the same share of what they need.
inline void give_stamps(Recording& recording, MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  const long long bytes = __atomic_load_n(&recording.stamp_limit, __ATOMIC_RELAXED);
  const long long limit = bytes / static_cast<long long>(sizeof(Stamp));
  long long* tokens = static_cast<long long*>(zeroed(t.rows * sizeof(long long)));
  long long need[MOST_CORES] = {}, sum = 0;
  if (tokens) count_tokens(t, tokens);
  for (int c = 0; tokens && c < t.cores; ++c) sum += need[c] = most_spans_of_core(kernel, c, tokens, limit);
  free(tokens);
  const double share = sum > limit ? static_cast<double>(limit) / static_cast<double>(sum) : 1;
  const long long given = sum > limit ? limit : sum;
  const bool there = grow_buffer(recording, given * sizeof(Stamp));
  Stamp* next = reinterpret_cast<Stamp*>(recording.buffer.start);
  for (int c = 0; c < t.cores; ++c) {
    const long long count = there ? static_cast<long long>(static_cast<double>(need[c]) * share) : 0;
    recording.stamps[c] = Stamps{next, next + count, 0, Stamp{}};
    next += count;
    kernel.core[c].stamps = &recording.stamps[c];
  }
}

// ---- records ----------------------------------------------------------------------------------------------

// The counter and the clock at one moment: of a few looks the fastest.
template <class Clock>
inline MpmdMoment moment(const Clock& nanoseconds) {
  MpmdMoment best{};
  Ticks fastest = ~static_cast<Ticks>(0);
  for (int look = 0; look < 5; ++look) {
    const Ticks before = ticks();
    const long long time = nanoseconds();
    const Ticks took = ticks() - before;
    if (took >= fastest) continue;
    fastest = took;
    best = MpmdMoment{before + took / 2, time};
  }
  return best;
}

inline MpmdRecord* new_record(const Recording& recording, const MpmdKernel& kernel) {
  const long long cores = kernel.tables.cores;
  long long count = 0;
  const Stamp* start = reinterpret_cast<const Stamp*>(recording.buffer.start);
  for (long long c = 0; c < cores; ++c) {
    count += recording.stamps[c].next - start;
    start = recording.stamps[c].end;
  }
  const long long bytes = sizeof(MpmdRecord) + cores * sizeof(MpmdStamped) + count * sizeof(Stamp);
  MpmdRecord* record = static_cast<MpmdRecord*>(malloc(bytes));
  if (!record) return nullptr;
  *record = MpmdRecord{nullptr, bytes, kernel.identity, 0, 0, cores, 0, 0, MpmdMoment{}, MpmdMoment{}};
  MpmdStamped* per_core = reinterpret_cast<MpmdStamped*>(record + 1);
  Stamp* to = reinterpret_cast<Stamp*>(per_core + cores);
  start = reinterpret_cast<const Stamp*>(recording.buffer.start);
  for (long long c = 0; c < cores; ++c) {
    const Stamps& stamps = recording.stamps[c];
    const Offset& offset = recording.offset[c];
    per_core[c] = MpmdStamped{offset.ticks, offset.error, stamps.next - start, stamps.lost};
    memcpy(static_cast<void*>(to), start, (stamps.next - start) * sizeof(Stamp));
    to += stamps.next - start;
    start = stamps.end;
  }
  return record;
}

inline MpmdRecord* unlink_first(Recording& recording) {
  MpmdRecord* const record = recording.first;
  if (!record) return nullptr;
  recording.first = record->next;
  if (!recording.first) recording.last = nullptr;
  recording.kept -= record->bytes;
  return record;
}

inline void append(Recording& recording, MpmdRecord* record) {
  (recording.last ? recording.last->next : recording.first) = record;
  recording.last = record;
  recording.kept += record->bytes;
  while (recording.kept > recording.limit && recording.first != record) free(unlink_first(recording));
}

// The launch is over, and its stamps become a record. Launches are numbered, so that a missing one is seen.
inline void keep_record(Recording& recording, const MpmdKernel& kernel, Ticks begin, Ticks end,
                        MpmdMoment now) {
  MpmdRecord* const record = new_record(recording, kernel);
  const Held held(recording);
  const long long number = recording.launches++;
  if (!record || !recording.limit) {
    free(record);
    return;
  }
  record->launch = number;
  record->thread = pthread_self();
  record->begin = begin;
  record->end = end;
  record->since = recording.since;
  record->now = now;
  append(recording, record);
}

// ---- what pool.h promises ---------------------------------------------------------------------------------

template <class Clock>
inline long long record(Recording& recording, long long bytes, long long stamp_bytes, const Clock& nanoseconds) {
  const Held held(recording);
  __atomic_store_n(&recording.limit, bytes, __ATOMIC_RELAXED);
  __atomic_store_n(&recording.stamp_limit, stamp_bytes, __ATOMIC_RELAXED);
  __atomic_store_n(&recording.session, recording.session + 1, __ATOMIC_RELAXED);
  recording.since = moment(nanoseconds);
  while (!bytes && recording.first) free(unlink_first(recording));
  return recording.launches;
}

inline long long recorded_launches(Recording& recording) {
  const Held held(recording);
  return recording.launches;
}

inline MpmdRecord* take_record(Recording& recording) {
  const Held held(recording);
  return unlink_first(recording);
}

}  // namespace mpmd

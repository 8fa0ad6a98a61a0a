// Races of plain accesses.
//
// In:  every access with its thread's clocks, in the order of execution. Out: the access it races with.
// Not here: the values that atomics read (model.h).
//
// Two accesses race when they touch a common word of four bytes, one of them writes, at least one is plain,
// and neither happens before the other. Whether they do does not depend on the execution's interleaving.
#pragma once

#include "model.h"

namespace litmus {

const int WORDS = 1 << 14;

enum Access : int { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE, ACCESSES };

inline const char* access_name(int access) {
  const char* const names[] = {"plain read", "plain write", "atomic read", "atomic write"};
  return names[access];
}

struct Races {
  struct Word {
    unsigned long long key;
    unsigned execution;
    unsigned clock[ACCESSES][THREADS];  // the last access of each thread, 0 for none
  };
  Word word[WORDS];
  unsigned execution;
  int used;

  void reset() {
    ++execution;
    used = 0;
  }

  Word* find(unsigned long long key) {
    for (unsigned at = static_cast<unsigned>(key * 0x9E3779B97F4A7C15ull >> 40);; ++at) {
      Word& candidate = word[at % WORDS];
      if (candidate.execution != execution) {
        if (++used > WORDS / 2) return nullptr;
        candidate = Word{};
        candidate.execution = execution;
        candidate.key = key;
      }
      if (candidate.key == key) return &candidate;
    }
  }

  struct Conflict {
    int thread;  // -1: none
    int access;
  };

  // Null word: the table is full.
  static Conflict visit(Word& word, int thread, const Front& front, int access) {
    const bool writes = access == PLAIN_WRITE || access == ATOMIC_WRITE;
    const bool plain = access == PLAIN_READ || access == PLAIN_WRITE;
    for (int other = 0; other < ACCESSES; ++other) {
      const bool other_writes = other == PLAIN_WRITE || other == ATOMIC_WRITE;
      const bool other_plain = other == PLAIN_READ || other == PLAIN_WRITE;
      if (!(writes || other_writes) || !(plain || other_plain)) continue;
      for (int t = 0; t < THREADS; ++t) {
        if (t != thread && word.clock[other][t] > front.clock[t]) return {t, other};
      }
    }
    word.clock[access][thread] = front.clock[thread];
    return {-1, 0};
  }
};

}  // namespace litmus

// Where the host takes over: the stretches of steps that it launches one after the other.
//
// In:  decoded tables. Out: `Stretch`es: what each core runs, and what the host does behind it.
// Not here: running them (pool.cpp).
//
// Tables without a BARRIER that ends a launch are one stretch, and loops are the cores' own.
#pragma once

#include "mpmd/abi.h"
#include "tables.h"

namespace mpmd {

const int STOP = -1;

// Behind the steps [begins[c], ends[c]) of each core: a BARRIER that ends a launch (`index`: its loop, or -1),
// the LOOP or END of loop `index` (`other`: the stretch that the other one of the two ends), or STOP.
struct Stretch {
  const int* begins;
  const int* ends;
  int op;
  int index;
  int other;
};

inline bool ends_launch(const Tables& t, int at) { return t.step[at][0] == BARRIER && t.step[at][2] == 1; }

inline bool is_cut(const Tables& t, int at) {
  const int op = t.step[at][0];
  return op == LOOP || op == END || ends_launch(t, at);
}

// How often the host takes over: the same for all cores.
inline long long cuts_of(const Tables& t) {
  long long launches = 0, cuts = 0;
  for (int i = t.core_ptr[0]; i < t.core_ptr[1]; ++i) {
    launches += ends_launch(t, i);
    cuts += is_cut(t, i);
  }
  return launches ? cuts : 0;
}

// Whether every core gives way to the host for the same things, in the same order.
inline const char* check_cuts(const Tables& t) {
  for (long long c = 1; c < t.cores; ++c) {
    int i = t.core_ptr[0], j = t.core_ptr[c];
    for (;; ++i, ++j) {
      while (i < t.core_ptr[1] && !is_cut(t, i)) ++i;
      while (j < t.core_ptr[c + 1] && !is_cut(t, j)) ++j;
      if (i == t.core_ptr[1] || j == t.core_ptr[c + 1]) break;
      if (t.step[i][0] != t.step[j][0] || t.step[i][1] != t.step[j][1]) return "cores do not end launches together";
    }
    if (i != t.core_ptr[1] || j != t.core_ptr[c + 1]) return "cores do not end launches together";
  }
  return nullptr;
}

// `stretch` has room for one more than there are cuts, `begins` and `ends` for as many numbers per core.
inline void cut(const Tables& t, long long cuts, Stretch* stretch, int* begins, int* ends) {
  for (long long c = 0; c < t.cores; ++c) {
    long long s = 0;
    begins[c] = t.core_ptr[c];
    for (int i = t.core_ptr[c]; cuts && i < t.core_ptr[c + 1]; ++i) {
      if (!is_cut(t, i)) continue;
      ends[s++ * t.cores + c] = i;
      begins[s * t.cores + c] = i + 1;
    }
    ends[s * t.cores + c] = t.core_ptr[c + 1];
  }
  int loop = -1, opened = -1;
  for (int s = 0; s <= cuts; ++s) {
    const int at = ends[s * t.cores];
    const int op = s < cuts ? t.step[at][0] : STOP;
    stretch[s] = Stretch{begins + s * t.cores, ends + s * t.cores, op, loop, -1};
    if (op == LOOP) {
      stretch[s].index = loop = t.step[at][1];
      opened = s;
    } else if (op == END) {
      stretch[s].other = opened;
      stretch[opened].other = s;
      loop = -1;
    }
  }
}

}  // namespace mpmd

// What PREFETCH steps ask for, from the tables.
//
// In:  decoded tables, the words of their rows. Out: `Fetch`es.
// Not here: asking (mpmd/prefetch.h); that nobody writes there meanwhile (mpmd/schedule/check.py).
//
// Of each argument that a row only reads: its innermost contiguous run, as often as the next axis says and
// the step's bytes allow. Extents are those in the tables; one that only a launch knows is left out.
#pragma once

#include "mpmd/abi.h"
#include "tables.h"

namespace mpmd {

// At most so many fetches come from the PREFETCHes.
inline long long most_fetches(const Tables& t) {
  long long most = 0;
  for (long long i = 0; i < t.steps; ++i) {
    if (t.step[i][0] != PREFETCH) continue;
    const int function = t.row_function[t.step[i][1]];
    most += t.function_ptr[function + 1] - t.function_ptr[function];
  }
  return most;
}

struct Axis {
  Word extent, stride;  // in bytes
};

inline Axis axis_of(const Tables& t, const Word* row, int axis, Word item) {
  const Word* const given = t.axis[axis];
  return Axis{given[0] < 0 ? given[1] : row[given[0]], (given[2] < 0 ? given[3] : row[given[2]]) * item};
}

// Appends an axis around a region of `run` bytes, `rows` times, `pitch` apart. False when it cannot be told so.
inline bool around(Fetch& fetch, const Axis& axis) {
  if (axis.extent == 1) return true;
  if (fetch.rows > 1) return false;
  if (axis.stride == fetch.run) {
    fetch.run *= axis.extent;
  } else {
    fetch.rows = axis.extent;
    fetch.pitch = axis.stride;
  }
  return true;
}

// False when there is nothing to ask for.
inline bool fetch_of(const Tables& t, const int* param, const Word* row, Word most, Fetch& fetch) {
  if (param[0] != 1 || t.base[row[param[2]]][0] != 0) return false;
  const Word item = param[1];
  fetch = Fetch{row + param[3], item, 1, 0, static_cast<int>(row[param[2]])};
  for (int axis = param[5] - 1; axis >= param[4]; --axis) {
    const Axis given = axis_of(t, row, axis, item);
    if (given.extent <= 0 || given.extent > MOST || given.stride < 0 || given.stride > MOST) return false;
    if (!around(fetch, given)) break;
  }
  if (fetch.run > most) fetch.run = most, fetch.rows = 1;
  if (fetch.rows > most / fetch.run) fetch.rows = most / fetch.run;
  return true;
}

// Fills in those of one PREFETCH, and says how many they are.
inline int fetches_of(const Tables& t, const int* step, const Word* words, Fetch* fetch) {
  const int function = t.row_function[step[1]];
  const Word* const row = words + t.row_ptr[step[1]];
  int count = 0;
  if (step[2] <= 0) return 0;
  for (int p = t.function_ptr[function]; p < t.function_ptr[function + 1]; ++p) {
    count += fetch_of(t, t.param[p], row, step[2], fetch[count]);
  }
  return count;
}

}  // namespace mpmd

// What the search keeps: per program, and per execution.
//
// In:  explore.h, model.h. Out: plain values without a constructor's work. Not here: what is done with them.
#pragma once

#include <ucontext.h>

#include "explore.h"

namespace litmus {

const int CHOICES = 4096;
const int ENDLESS = 5000;  // accesses in one execution
const int OBSERVED = 16;
const int OUTCOMES = 256;
const int LINE = 160;

struct Thread {
  ucontext_t context;
  void (*body)(void*);
  void* argument;
  Op op;  // what it does when it is chosen next
  Sight sight;
  Mask looked;   // locations read since the last pause
  Mask hurried;  // locations whose old values it reads on until it looks at the clock
  int hurried_looks;
  int patience;
  int expired;  // how often, since anybody wrote, a spin loop ended because nothing else could happen
  long long clock;
  bool daemon, finished, asleep;
};

struct Choice {
  int taken, count;
};

struct Known {
  const char* address;
  unsigned readers, writers;  // threads, one bit each
  bool shared;
};

struct Event {
  int thread;
  const char* what;
  int at;
  Value value;
};

struct Observation {
  const char* name;
  long long value;
};

// What one search knows.
struct Search {
  Choice choice[CHOICES];
  int depth;
  Known known[4 * LOCATIONS];
  int knowns;
  long long executions, redundant, steps;
  char outcome[OUTCOMES][LINE];
  int outcomes;
  char failure[LINE * 2];
};

// What one execution knows.
struct Execution {
  Thread thread[THREADS];
  int threads, current;
  unsigned sleep;
  int position;
  Location location[LOCATIONS];
  int locations;
  Front sequential;
  Event event[ENDLESS];
  int events;
  Observation observation[OBSERVED];
  int observations;
};

enum End : int { COMPLETE, REDUNDANT, LEARNED, FAILED };

}  // namespace litmus

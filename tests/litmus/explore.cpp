// The search: every schedule and every value that the memory allows, one execution after another.
//
// In:  the calls of litmus.h and hooks.h. Out: one line of JSON per program.
// Not here: what a load may read (model.h), when accesses race (races.h).
//
// An execution runs the program's threads as fibers on one thread of the system. Whenever there is a choice
// it is taken from a stack of choices, which is then counted up like an odometer. Two reductions, both exact:
//   - sleep sets: of two orders of independent accesses, one is followed to its end;
//   - an atomic that only one thread ever touches, or that nobody writes, is no place to switch threads.
//     Which ones that are is learned on the way; when it turns out wrong, the search starts anew.
#include "explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "races.h"
#include "state.h"

namespace litmus {

namespace {

const int STACK = 128 << 10;
const long long LEAP = 1000000000000000LL;
const int HURRIED_LOOKS = 100;  // more than any spin loop with a bound takes
const int EXPIRIES = 4;  // without a write in between: more would show nothing new

Search search;
Execution run;
Races races;
ucontext_t engine;
End end;
char stacks[THREADS][STACK] __attribute__((aligned(64)));

[[noreturn]] void leave(End how) {
  end = how;
  setcontext(&engine);
  abort();
}

[[noreturn]] __attribute__((format(printf, 1, 2))) void fail(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(search.failure, sizeof search.failure, format, values);
  va_end(values);
  leave(FAILED);
}

int choose(int count) {
  if (count == 1) return 0;
  if (run.position == CHOICES) fail("the model: too many choices in one execution");
  if (run.position == search.depth) search.choice[search.depth++] = {0, count};
  return search.choice[run.position++].taken;
}

Thread& me() { return run.thread[run.current]; }

// ---- scheduling ---------------------------------------------------------------------------

bool independent(const Op& a, const Op& b) {
  if (a.sequential && b.sequential) return false;
  return !(a.writes & (b.reads | b.writes)) && !(b.writes & a.reads);
}

bool has_news(const Thread& thread, int at) {
  const Location& location = run.location[at];
  return thread.sight.now.view[at] < location.message[location.count - 1].stamp;
}

bool enabled(const Thread& thread) {
  if (thread.finished || thread.asleep) return false;
  if (thread.op.kind == JOIN) {
    for (int t = 1; t < run.threads; ++t) {
      if (!run.thread[t].daemon && !run.thread[t].finished) return false;
    }
  }
  if (thread.op.kind != PAUSE || thread.patience) return true;
  for (int at = 0; at < run.locations; ++at) {
    if ((thread.op.reads >> at & 1) && has_news(thread, at)) return true;
  }
  return false;
}

// Nothing can happen before time passes: a spin loop with a bound comes to its end, and by then every store
// has arrived everywhere. A loop without a bound comes back here, and in the end waits for ever.
int expire() {
  for (int t = 0; t < run.threads; ++t) {
    Thread& thread = run.thread[t];
    if (thread.finished || thread.op.kind != PAUSE || thread.expired == EXPIRIES) continue;
    ++thread.expired;
    for (int at = 0; at < run.locations; ++at) {
      const Location& location = run.location[at];
      thread.sight.now.view[at] = location.message[location.count - 1].stamp;
    }
    return t;
  }
  fail("a thread waits for ever");
}

// The thread whose access is next.
int pick() {
  int candidate[THREADS];
  int count = 0;
  bool any = false;
  for (int i = 0; i < run.threads; ++i) {
    const int t = (run.current + i) % run.threads;
    if (run.thread[t].op.kind == START && !run.thread[t].finished) return t;
  }
  for (int i = 0; i < run.threads; ++i) {
    const int t = (run.current + i) % run.threads;
    if (!enabled(run.thread[t])) continue;
    any = true;
    if (!(run.sleep >> t & 1)) candidate[count++] = t;
  }
  if (!any) return expire();
  if (!count) leave(REDUNDANT);
  const int taken = choose(count);
  const int chosen = candidate[taken];
  for (int i = 0; i < taken; ++i) run.sleep |= 1u << candidate[i];
  for (int t = 0; t < run.threads; ++t) {
    if (t == chosen || !independent(run.thread[t].op, run.thread[chosen].op)) run.sleep &= ~(1u << t);
  }
  ++search.steps;
  return chosen;
}

void go_on() {
  Thread& before = me();
  run.current = pick();
  if (&me() != &before) swapcontext(&before.context, &me().context);
}

void switch_point(const Op& op) {
  me().op = op;
  go_on();
  me().op = Op{};
}

void enter() {
  me().op = Op{};
  me().body(me().argument);
  me().finished = true;
  if (run.current == 0) leave(COMPLETE);
  go_on();
}

void add_thread(void (*body)(void*), void* argument, bool daemon, int patience) {
  if (run.threads == THREADS) fail("the model: too many threads");
  const int t = run.threads++;
  Thread& fresh = run.thread[t];
  fresh.body = body;
  fresh.argument = argument;
  fresh.op = Op{START, 0, 0, false};
  fresh.sight = t ? Sight{me().sight.now, Front{}, Front{}} : Sight{};
  fresh.sight.now.clock[t] = 1;
  fresh.looked = fresh.hurried = 0;
  fresh.patience = patience;
  fresh.expired = 0;
  fresh.clock = 1;
  fresh.daemon = daemon;
  fresh.finished = fresh.asleep = false;
  getcontext(&fresh.context);
  fresh.context.uc_stack.ss_sp = stacks[t];
  fresh.context.uc_stack.ss_size = STACK;
  fresh.context.uc_link = nullptr;
  makecontext(&fresh.context, enter, 0);
  if (t) ++me().sight.now.clock[run.current];
}

// ---- locations ----------------------------------------------------------------------------

int location_of(void* address, int size) {
  for (int at = 0; at < run.locations; ++at) {
    if (run.location[at].address == address) {
      Location& location = run.location[at];
      if (location.plain) start_location(location, location.message[location.count - 1].stamp + GAP);
      return at;
    }
  }
  if (run.locations == LOCATIONS) fail("the model: too many atomics");
  Location& fresh = run.location[run.locations];
  fresh.address = static_cast<char*>(address);
  fresh.size = size;
  start_location(fresh, 0);
  return run.locations++;
}

// Whether threads must be switched here; unknown until two threads have come by.
bool shared(const void* address, bool writes) {
  int at = 0;
  while (at < search.knowns && search.known[at].address != address) ++at;
  if (at == 4 * LOCATIONS) fail("the model: too many atomics");
  if (at == search.knowns) search.known[search.knowns++] = {static_cast<const char*>(address), 0, 0, false};
  Known& known = search.known[at];
  const unsigned self = 1u << run.current;
  known.readers |= self;
  if (writes) known.writers |= self;
  if (!known.shared && known.writers && (known.readers & (known.readers - 1))) {
    known.shared = true;
    leave(LEARNED);
  }
  return known.shared;
}

void wrote() {
  ++me().sight.now.clock[run.current];
  for (int t = 0; t < run.threads; ++t) run.thread[t].expired = 0;
}

void note(const char* what, int at, Value value) {
  if (run.events == ENDLESS) fail("an execution without end: is there a pause() in every spin loop?");
  run.event[run.events++] = {run.current, what, at, value};
}

void check_races(const char* address, int size, int access) {
  if (run.threads == 1) return;  // what comes before the first spawn is before everything
  const unsigned long long first = reinterpret_cast<unsigned long long>(address);
  for (unsigned long long key = first / 4; key <= (first + size - 1) / 4; ++key) {
    Races::Word* word = races.find(key);
    if (!word) fail("the model: too many words");
    const Races::Conflict conflict = Races::visit(*word, run.current, me().sight.now, access);
    if (conflict.thread >= 0) {
      fail("a race: %s by thread %d after %s by thread %d", access_name(access), run.current,
           access_name(conflict.access), conflict.thread);
    }
  }
}

Value load_from(int at, int which, int order) {
  me().looked |= 1ull << at;
  const Value value = read_message(run.location[at], at, which, me().sight, order);
  note("load", at, value);
  return value;
}

// Takes one of the messages behind which something may go in, from `first` on.
int choose_slot(const Location& location, int first) {
  int slot[MESSAGES];
  int count = 0;
  if (location.count == MESSAGES) fail("the model: too many stores to one atomic");
  for (int i = location.count - 1; i >= first; --i) {
    if (!location.message[i].taken) slot[count++] = i;
  }
  return slot[choose(count)];
}

}  // namespace

// ---- accesses -----------------------------------------------------------------------------

Value atomic_load(void* address, int size, int order) {
  const int at = location_of(address, size);
  const Mask bit = 1ull << at;
  const bool hurry = me().hurried & bit;
  if (shared(address, false) && !hurry) switch_point({ACCESS, bit, 0, false});
  check_races(static_cast<char*>(address), size, ATOMIC_READ);
  const Location& location = run.location[at];
  const int first = oldest(location, at, me().sight, order);
  return load_from(at, hurry ? first : first + choose(location.count - first), order);
}

void atomic_store(void* address, int size, int order, Value value) {
  const int at = location_of(address, size);
  if (shared(address, true)) switch_point({ACCESS, 0, 1ull << at, false});
  check_races(static_cast<char*>(address), size, ATOMIC_WRITE);
  Location& location = run.location[at];
  const int after = choose_slot(location, oldest(location, at, me().sight, order));
  write_message(location, at, after, me().sight, order, value, nullptr);
  wrote();
  note("store", at, value);
}

Value atomic_update(void* address, int size, int order, int failed_order, const Update& update) {
  const int at = location_of(address, size);
  if (shared(address, true)) switch_point({ACCESS, 1ull << at, 1ull << at, false});
  Location& location = run.location[at];
  if (location.count == MESSAGES) fail("the model: too many stores to one atomic");
  int slot[MESSAGES];
  int count = 0;
  for (int i = location.count - 1; i >= oldest(location, at, me().sight, order); --i) {
    const Message& message = location.message[i];
    if (!message.taken || !update.changes(message.value)) slot[count++] = i;
  }
  const int which = slot[choose(count)];
  const Value before = location.message[which].value;
  if (!update.changes(before)) {
    check_races(static_cast<char*>(address), size, ATOMIC_READ);
    return load_from(at, which, failed_order);
  }
  check_races(static_cast<char*>(address), size, ATOMIC_WRITE);
  const Front sequence = location.message[which].front;
  read_message(location, at, which, me().sight, order);
  location.message[which].taken = true;
  write_message(location, at, which, me().sight, order, update.after(before), &sequence);
  wrote();
  note("update", at, update.after(before));
  return before;
}

void atomic_fence(int order) {
  if (order == SEQ_CST) switch_point({ACCESS, 0, 0, true});
  fence(me().sight, run.sequential, order);
  ++me().sight.now.clock[run.current];
}

void plain_access(const void* address, int size, bool writes) {
  const char* start = static_cast<const char*>(address);
  check_races(start, size, writes ? PLAIN_WRITE : PLAIN_READ);
  if (!writes) return;
  for (int at = 0; at < run.locations; ++at) {
    Location& location = run.location[at];
    if (location.address < start + size && start < location.address + location.size) location.plain = true;
  }
}

// ---- the programs' calls ------------------------------------------------------------------

void spawn(void (*body)(void*), void* argument, bool daemon, int patience) {
  add_thread(body, argument, daemon, patience);
}

void join() {
  switch_point({JOIN, 0, 0, false});
  for (int t = 1; t < run.threads; ++t) {
    if (!run.thread[t].daemon) me().sight.now.join(run.thread[t].sight.now);
  }
}

void pause() {
  if (me().hurried && ++me().hurried_looks < HURRIED_LOOKS) return;
  me().hurried = 0;
  const Mask looked = me().looked;
  me().looked = 0;
  switch_point({PAUSE, looked, 0, false});
  int news[LOCATIONS];
  int count = 0;
  for (int at = 0; at < run.locations; ++at) {
    if ((looked >> at & 1) && has_news(me(), at)) news[count++] = at;
  }
  const bool may_give_up = me().patience || !count;
  const int taken = choose(count + (may_give_up ? 1 : 0));
  if (taken == count) {
    if (me().patience) --me().patience;
    me().hurried = looked;
    me().hurried_looks = 0;
    note("gives up", -1, 0);
    return;
  }
  const Location& location = run.location[news[taken]];
  Stamp& view = me().sight.now.view[news[taken]];
  int next = 0;
  while (location.message[next].stamp <= view) ++next;
  view = location.message[next].stamp;
}

long long clock() {
  if (me().hurried) me().clock += LEAP;
  me().hurried = 0;
  return me().clock;
}

void require(bool holds, const char* law) {
  if (!holds) fail("%s", law);
}

void observe(const char* name, long long value) {
  if (run.observations == OBSERVED) fail("the model: too many observations");
  int at = run.observations++;
  for (; at && strcmp(run.observation[at - 1].name, name) > 0; --at) run.observation[at] = run.observation[at - 1];
  run.observation[at] = {name, value};
}

void futex_wait(unsigned* word, unsigned expected) {
  const int at = location_of(word, sizeof *word);
  shared(word, false);
  switch_point({ACCESS, 1ull << at, 0, true});
  fence(me().sight, run.sequential, SEQ_CST);
  const Location& location = run.location[at];
  const int first = oldest(location, at, me().sight, RELAXED);
  if (load_from(at, first + choose(location.count - first), RELAXED) != expected) return;
  me().asleep = true;
  me().argument = word;  // its body has taken its argument long ago
  note("sleeps", at, expected);
  switch_point({ACCESS, 0, 0, false});
}

void futex_wake(unsigned* word) {
  const int at = location_of(word, sizeof *word);
  switch_point({ACCESS, 0, 0, true});
  fence(me().sight, run.sequential, SEQ_CST);
  note("wakes", at, 0);
  for (int t = 0; t < run.threads; ++t) {
    if (run.thread[t].asleep && run.thread[t].argument == word) {
      run.thread[t].asleep = false;
      return;
    }
  }
}

// ---- one program after another ------------------------------------------------------------

namespace {

void begin_execution(const Program& program) {
  run.threads = run.current = run.position = run.locations = run.events = run.observations = 0;
  run.sleep = 0;
  run.sequential = Front{};
  races.reset();
  add_thread([](void* body) { reinterpret_cast<void (*)()>(body)(); }, reinterpret_cast<void*>(program.body), false,
             0);
}

void keep_outcome() {
  char line[LINE] = "";
  for (int i = 0, length = 0; i < run.observations && length < LINE; ++i) {
    const Observation& seen = run.observation[i];
    length += snprintf(line + length, LINE - length, "%s%s=%lld", i ? " " : "", seen.name, seen.value);
  }
  int at = 0;
  while (at < search.outcomes && strcmp(search.outcome[at], line)) ++at;
  if (at < search.outcomes) return;
  if (at == OUTCOMES) {
    snprintf(search.failure, LINE, "the model: too many outcomes");
    end = FAILED;
    return;
  }
  memcpy(search.outcome[search.outcomes++], line, LINE);
}

bool next_choices() {
  while (search.depth && search.choice[search.depth - 1].taken + 1 == search.choice[search.depth - 1].count) {
    --search.depth;
  }
  if (!search.depth) return false;
  ++search.choice[search.depth - 1].taken;
  return true;
}

void start_anew() {
  search.depth = search.outcomes = 0;
  search.executions = search.redundant = search.steps = 0;
}

void explore(const Program& program) {
  search = Search{};
  bool more = true;
  while (more) {
    begin_execution(program);
    swapcontext(&engine, &run.thread[0].context);
    if (end == LEARNED) {
      start_anew();
      continue;
    }
    if (end == COMPLETE) keep_outcome();
    ++(end == REDUNDANT ? search.redundant : search.executions);
    more = end != FAILED && next_choices();
  }
}

void print(const Program& program) {
  printf("{\"program\": \"%s\", \"executions\": %lld, \"redundant\": %lld, \"steps\": %lld, \"failure\": ",
         program.name, search.executions, search.redundant, search.steps);
  const char* quote = search.failure[0] ? "\"" : "";
  printf("%s%s%s", quote, search.failure[0] ? search.failure : "null", quote);
  printf(", \"outcomes\": [");
  for (int i = 0; i < search.outcomes; ++i) printf("%s\"%s\"", i ? ", " : "", search.outcome[i]);
  printf("], \"trace\": [");
  for (int i = 0; search.failure[0] && i < run.events && i < 200; ++i) {
    const Event& event = run.event[i];
    printf("%s\"%d: %s #%d %llu\"", i ? ", " : "", event.thread, event.what, event.at, event.value);
  }
  printf("]}\n");
  fflush(stdout);
}

}  // namespace

}  // namespace litmus

// Runs the programs named, or all.
int main(int count, char** names) {
  for (const litmus::Program* program = litmus::programs; program->name; ++program) {
    bool wanted = count == 1;
    for (int i = 1; i < count; ++i) wanted = wanted || !strcmp(names[i], program->name);
    if (!wanted) continue;
    litmus::explore(*program);
    litmus::print(*program);
  }
}

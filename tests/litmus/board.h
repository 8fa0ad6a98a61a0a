// Kernels of a few steps on the real pool, under the model.
//
// In:  the real text of runtime/native/pool.cpp, mpmd/driver.h and mpmd/sync.h; steps per core.
// Out: `kernel`, opened as the pool opens it, whose tasks put and take values.
// Not here: the programs.
//
// The calls that leave the language are answered by the model: threads, futexes, the clock, memory. The
// atomics are the text's own, all of them.
#pragma once

#define MPMD_RELAX

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "litmus.h"

extern "C" void* __tsan_memset(void* to, int byte, unsigned long size);
extern "C" void* __tsan_memcpy(void* to, const void* from, unsigned long size);

namespace {
void* work(void* worker);  // pool.cpp: what a worker runs
}

namespace board {

const int HEAP = 1 << 14;
const int STEPS = 32, EVENTS = 3, CORES = 3, SLOTS = 4;
const int RING_SLOTS = 2, RING_SLOT_BYTES = 128;
const int ITEMS = 2;  // of the one drain
const int COUNTERS = EVENTS + 1 + 2 + 1;

alignas(64) char heap[HEAP];
int heap_used;
int patience;  // how often the last core may give up a spin loop; the others wait until nothing else can happen

inline int allocate(void** memory, unsigned long, unsigned long size) {
  *memory = heap + heap_used;
  heap_used += static_cast<int>(size);
  return heap_used > HEAP;
}

inline int tell_time(int, timespec* time) {
  const long long now = litmus::clock();
  time->tv_sec = now / 1000000000;
  time->tv_nsec = now % 1000000000;
  return 0;
}

inline bool is_last_worker();

inline int start_thread(pthread_t*, const void*, void* (*)(void*), void* argument) {
  litmus::spawn([](void* worker) { work(worker); }, argument, true, is_last_worker() ? patience : 0);
  return 0;
}

inline long ask_kernel(long, unsigned* word, int operation, unsigned value, ...) {
  if (operation == FUTEX_WAIT_PRIVATE) {
    litmus::futex_wait(word, value);
  } else {
    litmus::futex_wake(word);
  }
  return 0;
}

}  // namespace board

#define posix_memalign board::allocate
#define free(memory) static_cast<void>(memory)
#define memset __tsan_memset
#define memcpy __tsan_memcpy
#define clock_gettime board::tell_time
#define pthread_create board::start_thread
#define pthread_sigmask(...) 0
#define pthread_join(...) 0
#define sched_yield litmus::pause
#define sched_getcpu() 0
#define sched_setaffinity(...) 0
#define syscall board::ask_kernel

#include "pool.cpp"

#include "mpmd/driver.h"

void mpmd::relax() { litmus::pause(); }

namespace board {

struct Line {
  int op;
  int a;  // RUN: a task; SIGNAL, WAIT: an event
  int b;  // RUN: a slot; SIGNAL, WAIT: an amount
  long long value;
};

enum Task : int { PUT, TAKE, FAIL, NEVER, SEND, RECEIVE, ADD, TALLY };

constexpr Line put(int slot, long long value) { return {RUN, PUT, slot, value}; }
constexpr Line take(int slot, long long value) { return {RUN, TAKE, slot, value}; }
constexpr Line failing(int check) { return {RUN, FAIL, check, 0}; }
constexpr Line never() { return {RUN, NEVER, 0, 0}; }
constexpr Line sends(long long value) { return {RUN, SEND, 0, value}; }
constexpr Line receives(long long value) { return {RUN, RECEIVE, 0, value}; }
constexpr Line signals(int event, int amount = 1) { return {SIGNAL, event, amount, 0}; }
constexpr Line waits(int event, int amount = 1) { return {WAIT, event, amount, 0}; }
constexpr Line barrier() { return {BARRIER, 0, 0, 0}; }
constexpr Line adds(int slot, long long value) { return {RUN, ADD, slot, value}; }
constexpr Line loop() { return {LOOP, 0, 0, 0}; }
constexpr Line end() { return {END, 0, 0, 0}; }
constexpr Line drain() { return {DRAIN, 0, 0, 0}; }

long long slots[SLOTS];
long long shift;  // added to every value: a launch finds the values of its own
int tally[ITEMS];  // how often each item was run

inline void run_put(Core&, const Word* row) { slots[row[0]] = row[1] + shift; }
inline void run_take(Core&, const Word* row) {
  litmus::require(slots[row[0]] == row[1] + shift, "a task read another value than the one written for it");
}
inline void run_fail(Core& core, const Word* row) { check_index(core, static_cast<int>(row[0]), -1, 1); }
inline void run_never(Core&, const Word*) { litmus::require(false, "a task ran behind one that failed"); }

inline void run_send(Core& core, const Word* row) {
  long long* place = sending<long long>(core, 0);
  if (!place) return;
  *place = row[1] + shift;
  sent(core, 0);
}
inline void run_receive(Core& core, const Word* row) {
  const long long* place = receiving<long long>(core, 0, 0);
  if (!place) return;
  litmus::require(*place == row[1] + shift, "a token is received that is not the next one");
  received(core, 0);
}

inline void run_add(Core&, const Word* row) { slots[row[0]] += row[1]; }
inline void run_tally(Core&, const Word* row) { __atomic_fetch_add(&tally[row[0]], 1, __ATOMIC_RELAXED); }

const Function functions[] = {run_put, run_take, run_fail, run_never, run_send, run_receive, run_add, run_tally};

inline void enter(Core* core) { run_core(*core, functions); }

// What the bytes of a kernel's tables would hold.
struct Bytes {
  int core_ptr[CORES + 1];
  int step[STEPS][4];
  int event_total[EVENTS];
  Word row_ptr[STEPS + 1];
  int row_function[STEPS];
  int row_program[STEPS];
  int event_loop[EVENTS];
  Word loop[1][8];
  int drain_ptr[2];
};

Bytes bytes;
MpmdKernel kernel;
Step steps[STEPS];
Stretch stretch[1];
int begins[CORES], ends[CORES];
Loop loops[1];
Word most[1];
Word words[STEPS * 2];
Word none[1];
void* bases[1];
char joined[STEPS];
Ring ring[1];
alignas(64) char ring_slots[RING_SLOTS * RING_SLOT_BYTES];
Core cores[CORES];
Counter counters[COUNTERS];
Progress progress[CORES];

inline bool is_last_worker() { return pool.count + 2 == kernel.tables.cores; }

inline void lay_core(const Line* line, int count) {
  Tables& t = kernel.tables;
  int barriers = 0, straight = 0, opened = -1;
  for (int i = 0; i < count; ++i) {
    int* step = bytes.step[t.steps++];
    step[0] = line[i].op;
    step[1] = line[i].a;
    step[2] = line[i].b;
    if (line[i].op == BARRIER) step[1] = barriers++;
    if (opened >= 0 && (line[i].op == SIGNAL || line[i].op == WAIT)) bytes.event_loop[line[i].a] = 0;
    if (line[i].op == LOOP) {
      t.loops = 1;
      straight = barriers;
      barriers = 0;
      opened = i;
    } else if (line[i].op == END) {
      step[2] = i - opened - 1;
      bytes.loop[0][6] = barriers;
      barriers = straight;
      opened = -1;
    }
    if (line[i].op == SIGNAL) bytes.event_total[line[i].a] += line[i].b;
    if (line[i].op != RUN) continue;
    step[1] = static_cast<int>(t.rows);
    bytes.row_function[t.rows] = line[i].a;
    joined[t.rows] = line[i].a == SEND || line[i].a == RECEIVE;
    bytes.row_ptr[t.rows] = 2 * t.rows;
    words[2 * t.rows] = line[i].b;
    words[2 * t.rows + 1] = line[i].value;
    ++t.rows;
  }
  t.barriers = barriers;
  bytes.core_ptr[++t.cores] = static_cast<int>(t.steps);
}

// The drain's items tally themselves.
inline void lay_drain() {
  Tables& t = kernel.tables;
  bytes.drain_ptr[1] = ITEMS;
  Step* const items = steps + t.steps + 2 * t.loops;
  kernel.items = items;
  for (int i = 0; i < ITEMS; ++i) {
    bytes.row_function[t.rows] = TALLY;
    bytes.row_ptr[t.rows] = 2 * t.rows;
    bytes.row_ptr[t.rows + 1] = 2 * t.rows + 2;
    words[2 * t.rows] = i;
    items[i] = late_step(kernel, static_cast<int>(t.rows++));
  }
}

// A kernel with these steps, one list per core, as the pool opens it; `epoch` launches have gone before.
template <int... COUNT>
void lay(unsigned epoch, const Line (&... core)[COUNT]) {
  heap_used = 0;
  patience = 0;
  shift = 0;
  bytes = Bytes{};
  for (int& program : bytes.row_program) program = -1;
  for (int& loop : bytes.event_loop) loop = -1;
  bytes.loop[0][3] = -1;
  kernel = MpmdKernel{};
  loops[0] = Loop{};
  loops[0].before = epoch;
  for (int& times : tally) times = 0;
  Tables& t = kernel.tables;
  (lay_core(core, COUNT), ...);
  t.events = EVENTS;
  t.core_ptr = bytes.core_ptr;
  t.step = bytes.step;
  t.event_total = bytes.event_total;
  t.row_ptr = bytes.row_ptr;
  t.row_function = bytes.row_function;
  t.row_program = bytes.row_program;
  t.event_loop = bytes.event_loop;
  t.loop = bytes.loop;
  t.drain_ptr = bytes.drain_ptr;
  kernel.step = steps;
  kernel.words = words;
  kernel.loops = loops;
  kernel.most = most;
  lay_drain();
  resolve_loops(kernel);
  resolve_steps(kernel, joined);
  kernel.steps = steps;
  kernel.stretch = stretch;
  kernel.stretches = 1;
  cut(t, 0, stretch, begins, ends);
  kernel.counters = counters;
  kernel.progress = progress;
  kernel.patched = kernel.incoming = none;
  kernel.base = bases;
  kernel.core = cores;
  kernel.stall = stall;
  kernel.tend = tend;
  kernel.entry = enter;
  kernel.epoch = epoch;
  kernel.spins = 1;
  for (int e = 0; e < EVENTS; ++e) counters[e].value = epoch * static_cast<unsigned>(bytes.event_total[e]);
  counters[EVENTS].value = epoch * static_cast<unsigned>(t.barriers * t.cores);
  counters[EVENTS + 1].value = epoch * static_cast<unsigned>(bytes.loop[0][6] * t.cores);
  counters[EVENTS + 2].value = epoch * static_cast<unsigned>(2 * t.cores);
  counters[EVENTS + 3].value = counters[EVENTS + 1 + 2 * t.loops].value = epoch * ITEMS;
  for (int c = 0; c < t.cores; ++c) {
    cores[c] = Core{bases, nullptr, c, static_cast<int>(t.cores), &kernel, nullptr, nullptr};
    progress[c] = Progress{};
  }
  ring[0] = Ring{ring_slots, RING_SLOT_BYTES, 1, 0, 0};
  kernel.rings = ring;
  t.rings = 1;
  for (long long& slot : slots) slot = 0;
  pool.prepared = true;
  pool.fork = pool.count = 0;
  pool.cpus = 1;  // a crowded machine: waits are short of looks
  pool.spin = 500000;
  pool.hang = 1000000000;
}

// One launch without the pool's workers: all cores start together and are joined. Says how it ended.
inline int play() {
  ++kernel.number;
  kernel.turn = kernel.epoch;
  kernel.begins = begins;
  kernel.ends = ends;
  for (int c = 1; c < kernel.tables.cores; ++c) {
    litmus::spawn([](void* core) { enter(static_cast<Core*>(core)); }, &cores[c], false,
                  c + 1 == kernel.tables.cores ? patience : 0);
  }
  enter(&cores[0]);
  litmus::join();
  if (kernel.status == OK) {
    ++kernel.epoch;
    loops[0].before += loops[0].ran;
  }
  return kernel.status;
}

}  // namespace board

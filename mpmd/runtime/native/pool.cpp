// One process-wide pool of pinned workers, and the launch of a kernel on it.
//
// In:  tables, an entry, addresses and scalars. Out: the kernel has run, or a status says why not.
// Not here: Python objects (call.cpp), the steps' meaning (mpmd/driver.h), what a kernel keeps (kernel.h).
//
// The calling thread is core 0; workers are cores 1, 2, …, pinned to the process's CPUs in order. An
// idle worker spins for a while and then sleeps on its ticket. Everything that crosses threads goes
// through an acquire/release pair: a ticket publishes a launch, the worker's `done` gives its end back.
// A line that moves between cores costs up to half a microsecond: a launch writes what has changed only.
#include "pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "mpmd/channel.h"
#include "mpmd/flag.h"
#include "mpmd/sync.h"
#include "recording.h"
#include "scalars.h"
#include "skew.h"
#include "thread.h"

using namespace mpmd;

namespace {

const int LOOKS = 2000;           // at a counter before the first yield (some 50 µs)
const int LOOKS_CROWDED = 20;     // the same with more cores than CPUs
const long long POLL = 50000000;  // nanoseconds between two questions to the caller
const long long SPIN = 500000;    // nanoseconds that an idle worker spins before it sleeps: it then uses no CPU time
const long long PATIENCE = 1000000000;  // nanoseconds that a core waits before a hang is looked for

// ---- the pool -----------------------------------------------------------------------------

struct alignas(64) Worker {
  unsigned ticket;  // grows by one per job; the futex on which the worker sleeps
  int sleeping;
  MpmdEntry entry;  // null: the worker ends
  Core* core;
  int cpu;
  pthread_t thread;
  alignas(64) unsigned done;  // the last ticket that was carried out
};

struct Pool {
  pthread_mutex_t mutex;
  bool prepared;
  int fork;  // how many forks lie between this process and the first one that used the pool
  int count;
  Worker* worker[MOST_CORES];
  int cpus;
  int cpu[CPU_SETSIZE];
  long long spin;
  long long hang;
};

Pool pool = {PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, false, 0, 0, {}, 0, {}, SPIN, PATIENCE};

Recording recording{};

void futex_wait(unsigned* address, unsigned value) {
  syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futex_wake(unsigned* address) { syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);  // a CPU that was taken away: stay where we may be
}

// The ticket after `seen`: spins while a launch may follow soon, then sleeps.
unsigned next_ticket(Worker& worker, unsigned seen) {
  const long long spin = __atomic_load_n(&pool.spin, __ATOMIC_RELAXED);
  const long long end = now() + spin;
  for (;;) {
    for (int look = 0; look < 64; ++look) {
      const unsigned ticket = __atomic_load_n(&worker.ticket, __ATOMIC_ACQUIRE);
      if (ticket != seen) return ticket;
      relax();
    }
    if (now() > end) break;
    if (worker.cpu < 0) sched_yield();
  }
  for (;;) {
    // The flag and the ticket are each written by one side and read by the other: sequentially
    // consistent, or both could miss.
    __atomic_store_n(&worker.sleeping, 1, __ATOMIC_SEQ_CST);
    const unsigned ticket = __atomic_load_n(&worker.ticket, __ATOMIC_SEQ_CST);
    if (ticket != seen) {
      __atomic_store_n(&worker.sleeping, 0, __ATOMIC_RELAXED);
      return ticket;
    }
    futex_wait(&worker.ticket, seen);
  }
}

void post(Worker& worker, MpmdEntry entry, Core* core) {
  if (worker.entry != entry) worker.entry = entry;
  if (worker.core != core) worker.core = core;
  __atomic_store_n(&worker.ticket, worker.ticket + 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&worker.sleeping, __ATOMIC_SEQ_CST)) futex_wake(&worker.ticket);
}

void* work(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  if (worker.cpu >= 0) pin(worker.cpu);
  DefaultFloats floats;
  for (unsigned seen = 0;;) {
    seen = next_ticket(worker, seen);
    if (!worker.entry) return nullptr;
    worker.entry(worker.core);
    __atomic_store_n(&worker.done, seen, __ATOMIC_RELEASE);
  }
}

// The child has none of the threads, and may have been forked in the middle of a launch.
void after_fork() {
  const pthread_mutex_t fresh = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
  pool.mutex = fresh;
  recording.mutex = fresh;
  recording.compared = 0;
  pool.count = 0;
  pool.cpus = 0;
  ++pool.fork;
}

void prepare_pool() {
  if (!pool.prepared) pthread_atfork(nullptr, nullptr, after_fork);
  pool.prepared = true;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set)) CPU_SET(0, &set);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) pool.cpu[pool.cpus++] = cpu;
  }
}

bool start_worker(int core) {
  Worker* worker = static_cast<Worker*>(zeroed(sizeof(Worker)));
  if (!worker) return false;
  worker->cpu = core < pool.cpus ? pool.cpu[core] : -1;  // beyond the CPUs: wherever there is room
  sigset_t all, before;
  sigfillset(&all);  // signals are for the threads of the program
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&worker->thread, nullptr, work, worker);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed) {
    free(worker);
    return false;
  }
  pool.worker[pool.count++] = worker;
  return true;
}

bool grow_pool(int workers) {
  if (!pool.cpus) prepare_pool();
  while (pool.count < workers) {
    if (!start_worker(pool.count + 1)) return false;
  }
  return true;
}

// The calling thread sits on core 0's CPU for the launch, and may go where it could before after it.
// A thread that is kept from that CPU stays where it may be, and may have to share with a worker.
struct Seat {
  bool moved = false;
  bool shared = false;
  cpu_set_t before;

  explicit Seat(int cpu) {
    if (sched_getcpu() == cpu || sched_getaffinity(0, sizeof before, &before)) return;
    moved = CPU_ISSET(cpu, &before);
    shared = !moved;
    if (moved) pin(cpu);
  }
  ~Seat() {
    if (moved) sched_setaffinity(0, sizeof before, &before);
  }
};

// ---- long waits ---------------------------------------------------------------------------

// Whether the wait at `place` would be over by now.
bool is_met(const MpmdKernel& kernel, long long place) {
  const int at = place_of(place);
  if (at >= 0) return have(kernel, kernel.steps[at], turn_of(place)) >= kernel.steps[at].amount;
  const Ring& ring = kernel.rings[(IN_RING - at) / 2];
  const bool receives = (IN_RING - at) % 2;
  const unsigned long long* side = receives ? &ring.sent : &ring.received;
  const unsigned other = static_cast<unsigned>(__atomic_load_n(side, __ATOMIC_RELAXED));
  return receives ? other != turn_of(place) : turn_of(place) - other < static_cast<unsigned>(ring.depth);
}

// Whether no core can ever go on. A core publishes its place after its signals, so whoever has read
// every place (acquire) also sees every signal given before: if all those waits are unmet, the first
// core to leave would need a signal that nobody has given or will give. No clock is needed for that;
// the places must only be the same ones in both rounds, and no core is at one place twice.
bool deadlocked(const MpmdKernel& kernel) {
  const long long cores = kernel.tables.cores;
  long long places[MOST_CORES];
  for (int round = 0; round < 2; ++round) {
    for (long long c = 0; c < cores; ++c) {
      if (kernel.begins[c] == kernel.ends[c]) continue;  // it was not launched
      const bool started = __atomic_load_n(&kernel.progress[c].number, __ATOMIC_ACQUIRE) == kernel.number;
      const long long place = __atomic_load_n(&kernel.progress[c].place, __ATOMIC_ACQUIRE);
      if (!started || place == RUNNING) return false;
      if (round == 0) places[c] = place;
      if (places[c] != place || (round == 1 && place != DONE && is_met(kernel, place))) return false;
    }
  }
  return true;
}

bool ask_caller(MpmdKernel& kernel, long long time) {
  if (!kernel.asked) kernel.asked = time;
  if (kernel.poll && time - kernel.asked >= POLL) {
    kernel.asked = time;
    if (kernel.poll(kernel.context)) stop(kernel, INTERRUPTED);
  }
  return !stopped(kernel);
}

bool stall(Core& core) {
  MpmdKernel& kernel = *static_cast<MpmdKernel*>(core.launch);
  if (stopped(kernel)) return false;
  sched_yield();
  const long long time = now();
  Progress& progress = kernel.progress[core.core];
  if (!progress.since) progress.since = time;
  if (time - progress.since >= __atomic_load_n(&pool.hang, __ATOMIC_RELAXED)) {
    if (deadlocked(kernel)) stop(kernel, HANG);
    progress.since = time;
  }
  return core.core ? !stopped(kernel) : ask_caller(kernel, time);
}

// On a line of its own: it is called after every task, and where it begins is worth a nanosecond.
__attribute__((aligned(64))) bool tend(Core& core) {
  return ask_caller(*static_cast<MpmdKernel*>(core.launch), lately());
}

void await_worker(MpmdKernel& kernel, const Worker& worker) {
  for (int look = 0; __atomic_load_n(&worker.done, __ATOMIC_ACQUIRE) != worker.ticket; ++look) {
    if (look < kernel.spins) {
      relax();
    } else {
      sched_yield();
      ask_caller(kernel, now());
    }
  }
}

// ---- one launch ---------------------------------------------------------------------------

__thread MpmdResult result;
__thread MpmdWaiting* waiting;

void reset_after_fork(MpmdKernel& kernel) {
  const Tables& t = kernel.tables;
  kernel.status = OK;
  reset_counters(kernel);
  memcpy(kernel.words, t.word, t.words * sizeof(Word));
  memset(kernel.patched, 0, (t.scalars + t.derived) * sizeof(Word));
  kernel.fork = pool.fork;
}

// Where the core with this progress waits, once all cores are back.
MpmdWaiting described(const MpmdKernel& kernel, const Progress& progress) {
  const int at = place_of(progress.place);
  if (at == RUNNING || at == DONE) return MpmdWaiting{at, -1, 0, 0, -1};
  if (at <= IN_RING) {
    const int number = (IN_RING - at) / 2;
    const Ring& ring = kernel.rings[number];
    return MpmdWaiting{progress.step, number, static_cast<Word>(ring.sent - ring.received), ring.depth, -1};
  }
  const Tables& t = kernel.tables;
  const Step& step = kernel.steps[at];
  const unsigned turn = turn_of(progress.place);
  const Word gained = have(kernel, step, turn);
  const bool inside = loop_of(t, step.index) >= 0;
  const Word iteration = inside ? progress.iteration : -1;
  if (step.op == BARRIER) {
    const int shown = at < t.steps ? at : progress.step;
    return MpmdWaiting{shown, -1, gained - step.amount + t.cores, t.cores, iteration};
  }
  const Word before = inside ? iteration * static_cast<Word>(step.total) : 0;
  return MpmdWaiting{at, -1, before + gained, before + step.amount, iteration};
}

void report_waits(const MpmdKernel& kernel) {
  const long long cores = kernel.tables.cores;
  free(waiting);
  waiting = static_cast<MpmdWaiting*>(zeroed(cores * sizeof(MpmdWaiting)));
  for (long long c = 0; waiting && c < cores; ++c) {
    const bool launched = kernel.begins[c] != kernel.ends[c];
    waiting[c] = launched ? described(kernel, kernel.progress[c]) : MpmdWaiting{DONE, -1, 0, 0, -1};
  }
  result.waiting = waiting;
}

// Launches the cores that have steps in a stretch, and waits for them.
void run_stretch(MpmdKernel& kernel, MpmdEntry entry, const Stretch& stretch) {
  const int cores = static_cast<int>(kernel.tables.cores);
  if (kernel.begins != stretch.begins) kernel.begins = stretch.begins, kernel.ends = stretch.ends;
  ++kernel.number;
  for (int c = 1; c < cores; ++c) {
    if (stretch.begins[c] != stretch.ends[c]) post(*pool.worker[c - 1], entry, &kernel.core[c]);
  }
  if (stretch.begins[0] != stretch.ends[0]) entry(&kernel.core[0]);
  for (int c = 1; c < cores; ++c) await_worker(kernel, *pool.worker[c - 1]);
}

// What the host does behind a stretch: meetings for all cores, its own loops. The stretch before the next one.
long long step_over(MpmdKernel& kernel, long long s) {
  const Stretch& stretch = kernel.stretch[s];
  if (stretch.op == BARRIER) {
    kernel.counters[barrier_counter(kernel.tables, stretch.index)].value += static_cast<unsigned>(kernel.tables.cores);
  } else if (stretch.op == LOOP) {
    Loop& loop = kernel.loops[stretch.index];
    loop.ran = 0;
    if (loop.count == 0) return stretch.other;
    kernel.iteration = 0;
    kernel.turn = loop.before;
  } else if (stretch.op == END) {
    Loop& loop = kernel.loops[stretch.index];
    loop.ran = static_cast<unsigned>(++kernel.iteration);
    ++kernel.turn;
    const bool last = kernel.iteration == loop.count || (loop.until >= 0 && flag_is_set(kernel.base, loop));
    if (!last) return stretch.other;
    kernel.turn = kernel.epoch;
  }
  return s;
}

void run(MpmdKernel& kernel, MpmdEntry entry, bool shared) {
  const int spins = kernel.tables.cores <= pool.cpus && !shared ? LOOKS : LOOKS_CROWDED;
  if (kernel.spins != spins) kernel.spins = spins;
  if (kernel.turn != kernel.epoch) kernel.turn = kernel.epoch;
  DefaultFloats floats;
  for (long long s = 0; s < kernel.stretches && kernel.status == OK; ++s) {
    run_stretch(kernel, entry, kernel.stretch[s]);
    s = step_over(kernel, s);
  }
}

// Compares the workers' counters with this thread's, once in each session of recording.
void compare_counters(int workers) {
  const unsigned session = __atomic_load_n(&recording.session, __ATOMIC_RELAXED);
  if (recording.compared != session) recording.workers = 0;
  recording.compared = session;
  for (; recording.workers < workers; ++recording.workers) {
    Worker& worker = *pool.worker[recording.workers];
    Asking asking{};
    post(worker, answer_asking, &asking);
    recording.offset[recording.workers + 1] = ask(asking, now);
    until_equal(worker.done, worker.ticket);
  }
}

void run_stamped(MpmdKernel& kernel, bool shared) {
  compare_counters(static_cast<int>(kernel.tables.cores) - 1);
  give_stamps(recording, kernel);
  const Ticks begin = ticks();
  run(kernel, kernel.stamped, shared);
  const Ticks end = ticks();
  for (long long c = 0; c < kernel.tables.cores; ++c) kernel.core[c].stamps = nullptr;
  if (kernel.status == OK) keep_record(recording, kernel, begin, end, moment(now));
}

void run_on_seat(MpmdKernel& kernel, bool shared) {
  if (recorded(recording, kernel)) {
    run_stamped(kernel, shared);
  } else {
    run(kernel, kernel.entry, shared);
  }
}

int launch(MpmdKernel& kernel, void* const* arguments, const Word* scalars) {
  const Tables& t = kernel.tables;
  if (kernel.fork != pool.fork) reset_after_fork(kernel);
  for (long long s = 0; s < t.scalars; ++s) kernel.incoming[s] = scalars[s];
  if (!derive(t, kernel.incoming)) return SCALAR_OVERFLOW;
  result.guard = failed_guard(t, kernel.incoming);
  if (result.guard >= 0) return FAILED_GUARD;
  result.guard = endless_loop(kernel);
  if (result.guard >= 0) return ENDLESS_LOOP;
  if (!grow_pool(static_cast<int>(t.cores) - 1)) return NO_THREADS;
  patch(kernel, kernel.incoming);
  const long long bytes = t.arguments * sizeof(void*);
  if (memcmp(kernel.base, arguments, bytes)) memcpy(kernel.base, arguments, bytes);
  if (t.cores == 1) {
    run_on_seat(kernel, false);
  } else {
    Seat seat(pool.cpu[0]);
    run_on_seat(kernel, seat.shared);
  }
  if (kernel.status == OK) {
    ++kernel.epoch;
    for (long long l = 0; l < t.loops; ++l) kernel.loops[l].before += kernel.loops[l].ran;
    return OK;
  }
  const int status = kernel.status;
  if (status == HANG) report_waits(kernel);
  result.failure = kernel.failure;
  kernel.status = OK;
  reset_counters(kernel);
  return status;
}

// ---- opening ------------------------------------------------------------------------------

const char* check_sums(const Tables& t) {
  long long* sums = static_cast<long long*>(zeroed(t.events * sizeof(long long)));
  const char* wrong = sums ? check_totals(t, sums) : "there is not enough memory";
  free(sums);
  return wrong;
}

const char* open(MpmdKernel& kernel, const void* tables, long long size, long long scratch_bytes) {
  kernel.bytes = static_cast<char*>(zeroed(size));
  if (!kernel.bytes || scratch_bytes < 0) return "there is not enough memory";
  memcpy(kernel.bytes, tables, size);
  if (const char* wrong = decode(kernel.bytes, size, kernel.tables)) return wrong;
  if (const char* wrong = check_sums(kernel.tables)) return wrong;
  if (const char* wrong = check_cuts(kernel.tables)) return wrong;
  if (const char* wrong = allocate(kernel, scratch_bytes)) return wrong;
  if (!resolve(kernel)) return "there is not enough memory";
  kernel.stall = stall;
  kernel.tend = tend;
  kernel.fork = pool.fork;
  return nullptr;
}

}  // namespace

extern "C" {

#define EXPORT __attribute__((visibility("default")))

EXPORT MpmdKernel* mpmd_open(const void* tables, long long size, MpmdEntry entry, MpmdEntry stamped,
                             long long scratch_bytes, char* error, int error_size) {
  MpmdKernel* kernel = size < 0 ? nullptr : static_cast<MpmdKernel*>(zeroed(sizeof(MpmdKernel)));
  const char* wrong = kernel ? open(*kernel, tables, size, scratch_bytes) : "there is not enough memory";
  if (!wrong) {
    static long long opened;
    kernel->entry = entry;
    kernel->stamped = stamped;
    kernel->identity = __atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
    return kernel;
  }
  snprintf(error, error_size, "%s", wrong);
  if (kernel) mpmd_close(kernel);
  return nullptr;
}

EXPORT void mpmd_close(MpmdKernel* kernel) {
  release(*kernel);
  free(kernel);
}

EXPORT long long mpmd_argument_count(const MpmdKernel* kernel) { return kernel->tables.arguments; }

EXPORT long long mpmd_argument_bytes(const MpmdKernel* kernel, long long argument) {
  return kernel->tables.base[argument][1];
}

EXPORT const MpmdResult* mpmd_launch(MpmdKernel* kernel, void* const* arguments, const Word* scalars, MpmdPoll poll,
                                     void* context) {
  result = MpmdResult{NESTED, -1, static_cast<int>(kernel->tables.cores), Failure{}, nullptr};
  if (pthread_mutex_lock(&pool.mutex)) return &result;  // this very thread has it: a launch within a launch
  kernel->poll = poll;
  kernel->context = context;
  kernel->asked = 0;
  result.status = launch(*kernel, arguments, scalars);
  pthread_mutex_unlock(&pool.mutex);
  return &result;
}

EXPORT long long mpmd_identity(const MpmdKernel* kernel) { return kernel->identity; }

EXPORT long long mpmd_record(long long bytes, long long stamp_bytes) { return record(recording, bytes, stamp_bytes, now); }

EXPORT long long mpmd_recorded() { return recorded_launches(recording); }

EXPORT MpmdRecord* mpmd_take_record() { return take_record(recording); }

EXPORT void mpmd_forget_record(MpmdRecord* record) { free(record); }

EXPORT const MpmdResult* mpmd_last_result() { return &result; }

EXPORT void mpmd_configure(long long spin_nanoseconds, long long hang_nanoseconds) {
  __atomic_store_n(&pool.spin, spin_nanoseconds, __ATOMIC_RELAXED);
  __atomic_store_n(&pool.hang, hang_nanoseconds, __ATOMIC_RELAXED);
}

EXPORT void mpmd_stop() {
  pthread_mutex_lock(&pool.mutex);
  for (int w = 0; w < pool.count; ++w) post(*pool.worker[w], nullptr, nullptr);
  for (int w = 0; w < pool.count; ++w) {
    pthread_join(pool.worker[w]->thread, nullptr);
    free(pool.worker[w]);
  }
  pool.count = 0;
  pool.cpus = 0;
  recording.compared = 0;
  pthread_mutex_unlock(&pool.mutex);
}

}  // extern "C"

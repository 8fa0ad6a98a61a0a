// The machine's limits, probed in milliseconds: DRAM read bandwidth, f32 FMA rate, flag latency.
// Every probe pins its threads, so that the figure belongs to the CPUs it names.
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

typedef float Vec __attribute__((vector_size(64)));

static const int MAX_THREADS = 256;

static double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

struct Gate {  // all threads start together; the slowest ends the measurement
  int waiting = 0;
  int open = 0;
};

struct Job {
  int cpu;
  int threads;
  Gate* gate;
  void (*body)(Job*);
  char* data;
  size_t bytes;
  double started, ended;
  volatile float sink;
};

static void* enter(void* argument) {
  Job* job = (Job*)argument;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(job->cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  if (__atomic_add_fetch(&job->gate->waiting, 1, __ATOMIC_ACQ_REL) == job->threads)
    __atomic_store_n(&job->gate->open, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n(&job->gate->open, __ATOMIC_ACQUIRE)) sched_yield();
  job->started = now();
  job->body(job);
  job->ended = now();
  return nullptr;
}

static double run(int threads, const int* cpus, void (*body)(Job*), char* data, size_t bytes) {
  Gate gate;
  Job jobs[MAX_THREADS];
  pthread_t ids[MAX_THREADS];
  for (int i = 0; i < threads; i++) {
    jobs[i] = Job{cpus[i], threads, &gate, body, data + bytes * i, bytes, 0, 0, 0};
    pthread_create(&ids[i], nullptr, enter, &jobs[i]);
  }
  double first = 1e300, last = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], nullptr);
    if (jobs[i].started < first) first = jobs[i].started;
    if (jobs[i].ended > last) last = jobs[i].ended;
  }
  return last - first;
}

static void read_all(Job* job) {
  const Vec* v = (const Vec*)job->data;
  size_t n = job->bytes / sizeof(Vec);
  Vec a = {}, b = {}, c = {}, d = {};
  for (size_t i = 0; i + 4 <= n; i += 4) {
    __builtin_prefetch((const char*)(v + i) + 4096);
    __builtin_prefetch((const char*)(v + i) + 4160);
    __builtin_prefetch((const char*)(v + i) + 4224);
    __builtin_prefetch((const char*)(v + i) + 4288);
    a += v[i];
    b += v[i + 1];
    c += v[i + 2];
    d += v[i + 3];
  }
  a = (a + b) + (c + d);
  job->sink = a[0];
}

static const long FMA_STEPS = 400000;

static void multiply_add(Job* job) {
  Vec x[8];
  for (int i = 0; i < 8; i++) x[i] = Vec{} + (float)i;
  Vec m = Vec{} + 0.999f, k = Vec{} + 0.001f;
  for (long s = 0; s < FMA_STEPS; s++) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) x[i] = x[i] * m + k;
  }
  Vec sum = {};
  for (int i = 0; i < 8; i++) sum += x[i];
  job->sink = sum[0];
}

static const int FLAG_ROUNDS = 5000;
static int flag __attribute__((aligned(128)));

static void ping_pong(Job* job) {
  int me = job->bytes ? 1 : 0;  // the second thread is given an odd slice below
  for (int i = 0; i < FLAG_ROUNDS; i++) {
    while (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) % 2 != me) {
    }
    __atomic_add_fetch(&flag, 1, __ATOMIC_RELEASE);
  }
}

#pragma GCC visibility push(default)
extern "C" {

// A buffer of huge pages where the system gives them, every page touched.
void* limits_open(size_t bytes) {
  char* p = (char*)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == (char*)MAP_FAILED) return nullptr;
  madvise(p, bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < bytes; i += 4096) p[i] = 1;
  return p;
}

// Bytes per second read from `data` by all threads together, each its own slice.
double limits_dram(int threads, const int* cpus, void* data, size_t bytes) {
  size_t slice = bytes / threads / 4096 * 4096;
  return slice * threads / run(threads, cpus, read_all, (char*)data, slice);
}

// f32 operations per second of all threads together, a multiply-add counted as two.
double limits_fma(int threads, const int* cpus) {
  return 2.0 * 16 * 8 * FMA_STEPS * threads / run(threads, cpus, multiply_add, nullptr, 0);
}

// Seconds for a flag to go from the first CPU to the second.
double limits_flag(const int* cpus) {
  flag = 0;
  Gate gate;
  Job jobs[2];
  pthread_t ids[2];
  for (int i = 0; i < 2; i++) {
    jobs[i] = Job{cpus[i], 2, &gate, ping_pong, nullptr, (size_t)i, 0, 0, 0};
    pthread_create(&ids[i], nullptr, enter, &jobs[i]);
  }
  for (int i = 0; i < 2; i++) pthread_join(ids[i], nullptr);
  return (jobs[0].ended - jobs[0].started) / (2.0 * FLAG_ROUNDS);
}
}

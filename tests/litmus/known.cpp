// Litmus tests whose outcomes are known: they test the model.
//
// In:  litmus.h. Out: programs that observe values; tests/host/test_litmus.py has the outcomes allowed.
// Not here: anything of mpmd.
#include "litmus.h"

namespace {

int x, y;         // atomics
long long plain;  // data

template <int ORDER>
int load(int& from) {
  return __atomic_load_n(&from, ORDER);
}

template <int ORDER>
void store(int& to, int value) {
  __atomic_store_n(&to, value, ORDER);
}

typedef void (*Body)(void*);

template <typename... Bodies>
void together(Bodies... bodies) {
  x = y = 0;
  plain = 0;
  const Body all[] = {static_cast<Body>(bodies)...};
  for (Body body : all) litmus::spawn(body, nullptr);
  litmus::join();
}

const int RELAXED = __ATOMIC_RELAXED, ACQUIRE = __ATOMIC_ACQUIRE, RELEASE = __ATOMIC_RELEASE, SEQ = __ATOMIC_SEQ_CST;

template <int STORE, int LOAD>
void store_buffering() {
  together([](void*) { store<STORE>(x, 1), litmus::observe("a", load<LOAD>(y)); },
           [](void*) { store<STORE>(y, 1), litmus::observe("b", load<LOAD>(x)); });
}

template <int ORDER>
void store_buffering_fenced() {
  together(
      [](void*) {
        store<RELAXED>(x, 1);
        __atomic_thread_fence(ORDER);
        litmus::observe("a", load<RELAXED>(y));
      },
      [](void*) {
        store<RELAXED>(y, 1);
        __atomic_thread_fence(ORDER);
        litmus::observe("b", load<RELAXED>(x));
      });
}

template <int STORE, int LOAD>
void message_passing() {
  together([](void*) { store<RELAXED>(x, 1), store<STORE>(y, 1); },
           [](void*) {
             litmus::observe("a", load<LOAD>(y));
             litmus::observe("b", load<RELAXED>(x));
           });
}

void message_passing_fenced() {
  together(
      [](void*) {
        store<RELAXED>(x, 1);
        __atomic_thread_fence(RELEASE);
        store<RELAXED>(y, 1);
      },
      [](void*) {
        litmus::observe("a", load<RELAXED>(y));
        __atomic_thread_fence(ACQUIRE);
        litmus::observe("b", load<RELAXED>(x));
      });
}

// Data behind a flag: a race, unless the flag is given and taken in order.
template <int STORE, int LOAD>
void published() {
  together([](void*) { plain = 7, store<STORE>(y, 1); },
           [](void*) {
             while (!load<LOAD>(y)) litmus::pause();
             litmus::observe("data", plain);
           });
}

// The same behind fences that are sequentially consistent but on the wrong side of the flag.
void published_behind_the_fence() {
  together([](void*) { __atomic_thread_fence(SEQ), plain = 7, store<RELAXED>(y, 1); },
           [](void*) {
             while (!load<RELAXED>(y)) litmus::pause();
             __atomic_thread_fence(SEQ);
             litmus::observe("data", plain);
           });
}

template <int STORE, int LOAD>
void independent_reads() {
  together([](void*) { store<STORE>(x, 1); }, [](void*) { store<STORE>(y, 1); },
           [](void*) {
             litmus::observe("a", load<LOAD>(x));
             litmus::observe("b", load<LOAD>(y));
           },
           [](void*) {
             litmus::observe("c", load<LOAD>(y));
             litmus::observe("d", load<LOAD>(x));
           });
}

// Two loads of one location never go back in its order.
void coherent_reads() {
  together([](void*) { store<RELAXED>(x, 1), store<RELAXED>(x, 2); },
           [](void*) {
             litmus::observe("a", load<RELAXED>(x));
             litmus::observe("b", load<RELAXED>(x));
           });
}

// Each thread's second store may come before the other's first: both locations end with 1.
void stores_overtaken() {
  together([](void*) { store<RELEASE>(x, 1), store<RELEASE>(y, 2); },
           [](void*) { store<RELEASE>(y, 1), store<RELEASE>(x, 2); });
  litmus::observe("x", x);
  litmus::observe("y", y);
}

// Read-modify-writes read the newest: nothing is lost.
void atomic_counts() {
  const Body twice = [](void*) {
    __atomic_fetch_add(&x, 1, RELAXED);
    __atomic_fetch_add(&x, 1, RELAXED);
  };
  together(twice, twice);
  litmus::observe("x", x);
}

void lost_updates() {
  const Body once = [](void*) { store<RELAXED>(x, load<RELAXED>(x) + 1); };
  together(once, once);
  litmus::observe("x", x);
}

void one_winner() {
  const Body once = [](void*) {
    int expected = 0;
    if (__atomic_compare_exchange_n(&x, &expected, 1, false, RELAXED, RELAXED)) __atomic_fetch_add(&y, 1, RELAXED);
  };
  together(once, once);
  litmus::observe("winners", y);
}

// A release store is passed on through another thread's relaxed read-modify-write; not through a store.
template <bool UPDATE>
void release_sequence() {
  together([](void*) { plain = 7, store<RELEASE>(x, 1); },
           [](void*) {
             if (UPDATE) {
               int expected = 1;
               __atomic_compare_exchange_n(&x, &expected, 2, false, RELAXED, RELAXED);
             } else if (load<RELAXED>(x) == 1) {
               store<RELAXED>(x, 2);
             }
           },
           [](void*) {
             if (load<ACQUIRE>(x) == 2) litmus::observe("data", plain);
           });
}

// What a thread acquired it hands on with its own release.
void transitive() {
  together([](void*) { plain = 7, store<RELEASE>(x, 1); },
           [](void*) {
             while (!load<ACQUIRE>(x)) litmus::pause();
             store<RELEASE>(y, 1);
           },
           [](void*) {
             while (!load<ACQUIRE>(y)) litmus::pause();
             litmus::observe("data", plain);
           });
}

void waits_for_nobody() {
  together([](void*) {
    while (!load<ACQUIRE>(x)) litmus::pause();
  });
}

unsigned word;

// A sleeper and its waker, each with a flag that the other reads: one of them must see the other's.
template <int STORE, int LOAD>
void sleep_and_wake() {
  word = 0;
  together(
      [](void*) {
        store<STORE>(x, 1);
        if (!__atomic_load_n(&word, LOAD)) litmus::futex_wait(&word, 0);
      },
      [](void*) {
        __atomic_store_n(&word, 1u, STORE);
        if (load<LOAD>(x)) litmus::futex_wake(&word);
      });
}

}  // namespace

const litmus::Program litmus::programs[] = {
    {"store_buffering_relaxed", store_buffering<RELAXED, RELAXED>},
    {"store_buffering_release_acquire", store_buffering<RELEASE, ACQUIRE>},
    {"store_buffering_sequential", store_buffering<SEQ, SEQ>},
    {"store_buffering_release_acquire_fences", store_buffering_fenced<__ATOMIC_ACQ_REL>},
    {"store_buffering_sequential_fences", store_buffering_fenced<SEQ>},
    {"message_passing_relaxed", message_passing<RELAXED, RELAXED>},
    {"message_passing_release_only", message_passing<RELEASE, RELAXED>},
    {"message_passing_acquire_only", message_passing<RELAXED, ACQUIRE>},
    {"message_passing", message_passing<RELEASE, ACQUIRE>},
    {"message_passing_fenced", message_passing_fenced},
    {"published", published<RELEASE, ACQUIRE>},
    {"published_relaxed_store", published<RELAXED, ACQUIRE>},
    {"published_relaxed_load", published<RELEASE, RELAXED>},
    {"published_behind_the_fence", published_behind_the_fence},
    {"independent_reads_release_acquire", independent_reads<RELEASE, ACQUIRE>},
    {"independent_reads_sequential", independent_reads<SEQ, SEQ>},
    {"coherent_reads", coherent_reads},
    {"stores_overtaken", stores_overtaken},
    {"atomic_counts", atomic_counts},
    {"lost_updates", lost_updates},
    {"one_winner", one_winner},
    {"release_sequence_of_updates", release_sequence<true>},
    {"release_sequence_ends_at_a_store", release_sequence<false>},
    {"transitive", transitive},
    {"waits_for_nobody", waits_for_nobody},
    {"sleep_and_wake", sleep_and_wake<SEQ, SEQ>},
    {"sleep_and_wake_release_acquire", sleep_and_wake<RELEASE, ACQUIRE>},
    {nullptr, nullptr},
};

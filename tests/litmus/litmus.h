// What a litmus program says to the model checker.
//
// In:  programs, compiled with -fsanitize=thread and linked with explore.cpp. Out: the six calls below.
// Not here: what the memory may do (model.h), the search over all executions (explore.cpp).
//
// The compiler turns every access of a program into a call of the thread sanitizer's interface, and
// explore.cpp answers these calls: so the real text of mpmd/sync.h, mpmd/driver.h and pool.cpp runs under
// the model, with no copy and no macro around its atomics. Atomic accesses see what the memory model
// allows, by choice; plain accesses are checked for races; every choice is taken in turn.
//
// To add a program:
//   1. Write a function without arguments. It is thread 0, runs once per execution, and must put every
//      global it uses into its initial state first: only what the model knows is reset in between.
//   2. `spawn` the other threads, `join` them, and `require` the law wherever it must hold.
//   3. Where the code under test spins, it must call `pause` between two looks: mpmd::relax() does (see
//      MPMD_RELAX in mpmd/sync.h), and `Launch::stall` is the program's own.
//   4. Give it a row in `programs` at the end of its file, and its mutants a row in
//      tests/host/test_litmus.py.
//   5. Keep it small: few threads, few atomic accesses; look at `executions` in what it prints.
#pragma once

namespace litmus {

// A thread that sees all that its creator did. A daemon need not end: the execution ends without it. A
// thread may give up a spin loop `patience` times with nothing new seen: time passes at its next look at
// the clock.
void spawn(void (*body)(void*), void* argument, bool daemon = false, int patience = 0);

// Waits for every thread that is no daemon, and sees all that they did.
void join();

// Between two looks of a spin loop: waits until one of the atomics read since the last pause has news. The
// looks that see nothing new would change nothing, and are left out. When nothing else can happen, a loop
// with a bound runs out, so that what follows it is explored; one without waits for ever, which is a failure.
void pause();

// The clock, in nanoseconds: it stands still, except that it leaps after a spin loop was given up.
long long clock();

// Ends the search when the law does not hold.
void require(bool holds, const char* law);

// A value that tells executions apart: the set of all outcomes is printed.
void observe(const char* name, long long value);

// The kernel's side of a futex: sleeps unless the word has changed; wakes one sleeper.
void futex_wait(unsigned* word, unsigned expected);
void futex_wake(unsigned* word);

struct Program {
  const char* name;
  void (*body)();
};

extern const Program programs[];  // ends with a null name

}  // namespace litmus

// How a launch starts and ends: the hand-over between the caller and the pool's workers.
//
// In:  board.h. Out: one program per law. Not here: the order within a launch (sync.cpp).
//
// Everything goes through the pool's own `launch`: tickets out, `done` back, sleeping and waking between.
#include "board.h"

using namespace board;

namespace {

void completes(const char* law) { litmus::require(launch(kernel, nullptr, none) == mpmd::OK, law); }

// A worker sees what the caller wrote before the launch; the caller sees what the worker wrote in it.
void arguments_and_results() {
  lay(0, {take(2, 0)}, {take(0, 7), put(1, 8)});
  slots[0] = 7;
  completes("the launch ends well");
  litmus::require(slots[1] == 8, "the result is there after the launch");
}

// The same for the launch after, with a worker that spins on, or sleeps in between, or is about to.
void launch_after_launch() {
  lay(0, {take(2, 0)}, {take(0, 7), put(1, 8)});
  patience = 1;
  for (int at = 0; at < 2; ++at) {
    shift = 100 * at;
    slots[0] = 7 + shift;
    slots[2] = shift;
    completes("the launch ends well");
    litmus::require(slots[1] == 8 + shift, "the result is there after the launch");
  }
}

// Two workers that meet at an event, while either may still sleep.
void workers_meet() {
  lay(0, {put(3, 0)}, {put(0, 7), signals(0)}, {waits(0), take(0, 7)});
  patience = 1;
  completes("the launch ends well");
}

// A launch that failed leaves nothing behind: the next one starts from zero.
void failure_leaves_nothing() {
  lay(3, {put(1, 5), signals(0), waits(1), take(0, 7)}, {waits(0), take(1, 5), failing(4), put(0, 7), signals(1)});
  litmus::require(launch(kernel, nullptr, none) == mpmd::FAILED_CHECK, "the launch says that a check failed");
  litmus::require(result.failure.check == 4, "and which");
  bytes.row_function[3] = PUT;  // the task that failed
  words[2 * 3] = 2;
  shift = 100;
  resolve_steps(kernel, joined);
  completes("the launch behind a failed one ends well");
}

}  // namespace

const litmus::Program litmus::programs[] = {
    {"arguments_and_results", arguments_and_results},
    {"launch_after_launch", launch_after_launch},
    {"workers_meet", workers_meet},
    {"failure_leaves_nothing", failure_leaves_nothing},
    {nullptr, nullptr},
};

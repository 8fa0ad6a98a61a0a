// Loops and drains: iterations follow each other as the schedule says, whoever runs ahead.
//
// In:  board.h. Out: one program per law. Not here: what needs no loop (sync.cpp).
#include "board.h"

using namespace board;

namespace {

void completes(const char* law) { litmus::require(play() == mpmd::OK, law); }

void repeat(mpmd::Word count) { loops[0].count = count; }

// The flag that ends the loop is slot 3.
void stop_at_flag() {
  loops[0].until = 0;
  loops[0].flag_offset = 3 * sizeof slots[0];
  loops[0].flag_bytes = sizeof slots[0];
  bases[0] = slots;
}

void hand_on(unsigned epoch) {
  lay(epoch, {loop(), waits(1, 0), put(0, 7), signals(0), end()},
      {loop(), waits(0, 1), take(0, 7), signals(1), end()});
}

// A cell is written again behind the wait for the iteration before.
void carried_wait() {
  hand_on(0);
  repeat(3);
  completes("the launch ends well");
}

void no_iteration() {
  lay(0, {put(0, 7), signals(0), loop(), never(), end()}, {waits(0), loop(), waits(1), end(), take(0, 7)});
  repeat(0);
  completes("the launch ends well");
}

// The next launch goes on counting iterations where the one before ended; counters wrap on the way.
void next_launch() {
  hand_on(0xFFFFFFFFu);
  repeat(2);
  completes("the first launch ends well");
  shift = 100;
  repeat(1);
  completes("the second launch ends well");
  litmus::require(loops[0].before == 2, "three iterations were counted");
}

// The barrier of the second iteration is another one than that of the first.
void barriers() {
  lay(0, {loop(), put(0, 1), barrier(), end()}, {loop(), barrier(), end(), take(0, 1)});
  repeat(2);
  completes("the launch ends well");
}

// Behind a loop events count launches again.
void straight_on() {
  lay(0, {loop(), end(), put(0, 7), signals(0)}, {loop(), end(), waits(0), take(0, 7)});
  repeat(1);
  completes("the launch ends well");
}

// The flag is read by all before anybody writes it again, and all leave in the same iteration.
void until_flag() {
  lay(0, {loop(), end()}, {loop(), adds(3, 1), end(), adds(3, 1)});
  stop_at_flag();
  repeat(4);
  completes("the launch ends well");
  litmus::require(loops[0].ran == 1 && slots[3] == 2, "the loop ends in its first iteration");
}

// Every item is run once in each iteration, though one core may be iterations ahead.
void drain_ahead() {
  lay(0, {loop(), drain(), end()}, {loop(), drain(), end()});
  repeat(2);
  completes("the launch ends well");
  litmus::require(tally[0] == 2 && tally[1] == 2, "each item was run once an iteration");
}

// The same in straight code, with the counter before its wrap and behind it.
void drain_wraps() {
  lay(0xFFFFFFFFu, {drain()}, {drain()});
  completes("the launch ends well");
  completes("the launch behind the wrap ends well");
  litmus::require(tally[0] == 2 && tally[1] == 2, "each item was run once a launch");
}

// The core that looks for a hang while others go round finds none.
void no_hang_in_a_live_loop() {
  hand_on(1);
  repeat(2);
  kernel.number = 1;
  for (int c = 0; c < kernel.tables.cores; ++c) progress[c] = Progress{1, 0, DONE, 0, 0, 0};
  patience = 2;
  completes("a launch that can go on is no hang");
}

}  // namespace

const litmus::Program litmus::programs[] = {
    {"carried_wait", carried_wait},
    {"no_iteration", no_iteration},
    {"next_launch", next_launch},
    {"barriers", barriers},
    {"straight_on", straight_on},
    {"until_flag", until_flag},
    {"drain_ahead", drain_ahead},
    {"drain_wraps", drain_wraps},
    {"no_hang_in_a_live_loop", no_hang_in_a_live_loop},
    {nullptr, nullptr},
};

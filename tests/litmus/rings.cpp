// What a channel between two cores promises: tokens arrive in order, whole, and slots are used again in time.
//
// In:  board.h. Out: one program per law. Not here: signals, waits and barriers (sync.cpp).
//
// Elements of slots are plain: a token that is read too early, or overwritten too early, is a race.
#include "board.h"

using namespace board;

namespace {

void completes(const char* law) { litmus::require(play() == mpmd::OK, law); }

// Every token takes the only slot: the producer waits for the consumer, and the other way round.
void one_slot() {
  lay(0, {sends(1), sends(2)}, {receives(1), receives(2)});
  completes("the launch ends well");
}

// The producer runs ahead as far as there are slots, and no farther.
void two_slots() {
  lay(0, {sends(1), sends(2), sends(3)}, {receives(1), receives(2), receives(3)});
  ring[0].depth = 2;
  completes("the launch ends well");
}

// Depth for all tokens: one core may send and then receive; nothing blocks.
void one_core() {
  lay(0, {sends(1), sends(2), receives(1), receives(2)});
  ring[0].depth = 2;
  completes("the launch ends well");
}

// The launch after finds the ring empty, wherever in its slots it is.
void next_launch() {
  lay(0, {sends(1)}, {receives(1)});
  ring[0].depth = 2;
  completes("the first launch ends well");
  shift = 100;
  completes("the second launch ends well");
}

// Counts beyond 32 bits.
void many_tokens() {
  lay(0, {sends(1), sends(2)}, {receives(1), receives(2)});
  ring[0].sent = ring[0].received = 0xFFFFFFFFull;
  completes("the launch ends well");
  litmus::require(ring[0].sent == 0x100000001ull, "the count goes on");
}

// A task that fails ends the wait of the other side.
void stops_the_other_side() {
  lay(0, {sends(1), failing(4)}, {receives(1), receives(2), never()});
  litmus::require(play() == mpmd::FAILED_CHECK, "the launch says that a check failed");
}

// The core that looks for a hang while the other one works finds none.
template <int... COUNT>
void lay_impatient(const Line (&... core)[COUNT]) {
  lay(1, core...);
  kernel.number = 1;
  for (int c = 0; c < kernel.tables.cores; ++c) progress[c] = Progress{1, 0, DONE, 0, 0, 0};
  patience = 2;
}

void no_hang_of_a_slow_producer() {
  lay_impatient({sends(1), sends(2)}, {receives(1), receives(2)});
  completes("a launch that can go on is no hang");
}

void no_hang_of_a_slow_consumer() {
  lay_impatient({receives(1), receives(2)}, {sends(1), sends(2)});
  completes("a launch that can go on is no hang");
}

// A token too few, and one too many.
void missing_token() {
  lay_impatient({sends(1)}, {receives(1), receives(2)});
  litmus::require(play() == mpmd::HANG, "the launch says that it hung");
  report_waits(kernel);
  litmus::require(waiting[0].place == DONE && waiting[1].ring == 0 && waiting[1].have == 0, "and where");
  litmus::require(waiting[1].place == 2, "and at which step");
}

void full_ring() {
  lay_impatient({receives(1), waits(0)}, {sends(1), sends(2), sends(3), signals(0)});
  litmus::require(play() == mpmd::HANG, "the launch says that it hung");
  report_waits(kernel);
  litmus::require(waiting[1].ring == 0 && waiting[1].have == 1 && waiting[1].place == 4, "and where");
}

}  // namespace

const litmus::Program litmus::programs[] = {
    {"one_slot", one_slot},
    {"two_slots", two_slots},
    {"one_core", one_core},
    {"next_launch", next_launch},
    {"many_tokens", many_tokens},
    {"stops_the_other_side", stops_the_other_side},
    {"no_hang_of_a_slow_producer", no_hang_of_a_slow_producer},
    {"no_hang_of_a_slow_consumer", no_hang_of_a_slow_consumer},
    {"missing_token", missing_token},
    {"full_ring", full_ring},
    {nullptr, nullptr},
};

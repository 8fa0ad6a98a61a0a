// What the proof of a schedule takes for granted: signals, waits and barriers order the tasks.
//
// In:  board.h. Out: one program per law. Not here: how a launch starts and ends (launches.cpp).
//
// Every put and take is a plain access: an order that is missing is a race, and a value that is not the
// expected one breaks the law as well.
#include "board.h"

using namespace board;

namespace {

void completes(const char* law) { litmus::require(play() == mpmd::OK, law); }

// What was written before a signal is read behind the wait for it.
void message_passing() {
  lay(0, {put(0, 7), signals(0)}, {waits(0), take(0, 7)});
  completes("the launch ends well");
}

// What was read before a signal is overwritten behind the wait for it.
void reads_before_writes() {
  slots[0] = 0;
  lay(0, {take(0, 0), signals(0)}, {waits(0), put(0, 7)});
  completes("the launch ends well");
}

// A wait for n follows all n signallers.
void counts() {
  lay(0, {waits(0, 3), take(1, 1), take(2, 2)}, {put(1, 1), signals(0)}, {put(2, 2), signals(0, 2)});
  completes("the launch ends well");
}

// A wait for the first of two signals follows that signal, whichever further ones are seen.
void first_of_two() {
  lay(0, {put(0, 1), signals(0), put(1, 2), signals(0)}, {waits(0), take(0, 1), waits(0, 2), take(1, 2)});
  completes("the launch ends well");
}

// One signal frees every core that waits for it.
void fan_out() {
  lay(0, {put(0, 7), signals(0)}, {waits(0), take(0, 7)}, {waits(0), take(0, 7)});
  completes("the launch ends well");
}

// Order passes through a core in the middle.
void chain() {
  lay(0, {put(0, 7), signals(0)}, {waits(0), signals(1)}, {waits(1), take(0, 7)});
  completes("the launch ends well");
}

// Order there and back: the first core's memory is free again.
void there_and_back() {
  lay(0, {put(0, 7), signals(0), waits(1), put(0, 8), signals(0)},
      {waits(0), take(0, 7), signals(1), waits(0, 2), take(0, 8)});
  completes("the launch ends well");
}

// Behind a barrier every core reads what any other wrote before it.
void barrier_before_reads() {
  lay(0, {put(0, 1), barrier(), take(1, 2)}, {put(1, 2), barrier(), take(2, 3)}, {put(2, 3), barrier(), take(0, 1)});
  completes("the launch ends well");
}

// Behind a barrier every core overwrites what any other read before it.
void barrier_before_writes() {
  lay(0, {take(1, 0), barrier(), put(0, 1)}, {take(2, 0), barrier(), put(1, 2)}, {take(0, 0), barrier(), put(2, 3)});
  completes("the launch ends well");
}

// The second barrier is another one than the first: no core slips through both.
void two_barriers() {
  lay(0, {put(0, 1), barrier(), take(1, 2), barrier(), put(0, 3)}, {put(1, 2), barrier(), take(0, 1), barrier()});
  completes("the launch ends well");
}

// The launch after next uses the same counters, and needs no reset.
void next_launch() {
  lay(0, {put(0, 7), signals(0), barrier()}, {waits(0), take(0, 7), barrier()});
  completes("the first launch ends well");
  shift = 100;
  completes("the second launch ends well");
}

// Launches on both sides of the wrap: of the counters, and with them of the epoch.
void counters_wrap() {
  lay(0xFFFFFFFFu, {put(0, 7), signals(0), barrier()}, {waits(0), take(0, 7), barrier()});
  completes("the launch in which the counters wrap ends well");
  litmus::require(kernel.epoch == 0, "the epoch wraps too");
  shift = 100;
  completes("the launch behind the wrap ends well");
}

// The wrap in the middle of a launch: 0x33333333 launches of five end one short of it.
void wrap_between_signals() {
  lay(0x33333333u, {put(0, 7), signals(0), put(1, 8), signals(0, 4)}, {waits(0), take(0, 7), waits(0, 5), take(1, 8)});
  litmus::require(counters[0].value == 0xFFFFFFFFu, "the first signal wraps the counter");
  completes("the launch ends well");
}

// A check that fails ends the launch: cores that wait for the failed task leave, and run nothing behind it.
void stops_waiting_cores() {
  lay(0, {waits(0), never()}, {failing(4), signals(0)}, {waits(0), never()});
  litmus::require(play() == mpmd::FAILED_CHECK, "the launch says that a check failed");
  litmus::require(kernel.failure.check == 4 && kernel.failure.core == 1, "the failure is the one that happened");
}

// The same with a core at a barrier that will never be full.
void stops_at_a_barrier() {
  lay(0, {failing(4), barrier()}, {barrier(), never()});
  litmus::require(play() == mpmd::FAILED_CHECK, "the launch says that a check failed");
  litmus::require(kernel.failure.core == 0, "the failure is the one that happened");
}

// Of two cores that fail, one alone tells of it.
void first_failure_decides() {
  lay(0, {failing(4)}, {failing(5)});
  litmus::require(play() == mpmd::FAILED_CHECK, "the launch says that a check failed");
  const mpmd::Failure& failure = kernel.failure;
  litmus::require(failure.check == failure.core + 4, "the failure is one of the two, and not of both");
  litmus::observe("core", failure.core);
}

// The steps as a second launch finds them; the last core looks for a hang while the others work.
template <int... COUNT>
void lay_impatient(const Line (&... core)[COUNT]) {
  lay(1, core...);
  kernel.number = 1;
  for (int c = 0; c < kernel.tables.cores; ++c) progress[c] = Progress{1, 0, DONE, 0, 0, 0};
  patience = 2;
}

// Impatience is no hang: whenever the core stops to look, a launch that can go on goes on.
void no_hang_in_a_live_launch() {
  lay_impatient({signals(0), waits(1)}, {waits(0), signals(1)});
  completes("a launch that can go on is no hang");
}

void no_hang_of_three_cores() {
  lay_impatient({waits(2)}, {signals(0), waits(1), signals(2)}, {waits(0), signals(1)});
  completes("a launch that can go on is no hang");
}

void no_hang_behind_a_finished_core() {
  lay_impatient({signals(0)}, {waits(0)});
  completes("a launch that can go on is no hang");
}

// Cores that wait for each other end the launch.
void hang_is_found() {
  lay_impatient({waits(1), signals(0)}, {waits(0), signals(1)});
  litmus::require(play() == mpmd::HANG, "the launch says that it hung");
  report_waits(kernel);
  litmus::require(waiting[0].place == 0 && waiting[1].place == 2, "and where");
}

}  // namespace

const litmus::Program litmus::programs[] = {
    {"message_passing", message_passing},
    {"reads_before_writes", reads_before_writes},
    {"counts", counts},
    {"first_of_two", first_of_two},
    {"fan_out", fan_out},
    {"chain", chain},
    {"there_and_back", there_and_back},
    {"barrier_before_reads", barrier_before_reads},
    {"barrier_before_writes", barrier_before_writes},
    {"two_barriers", two_barriers},
    {"next_launch", next_launch},
    {"counters_wrap", counters_wrap},
    {"wrap_between_signals", wrap_between_signals},
    {"stops_waiting_cores", stops_waiting_cores},
    {"stops_at_a_barrier", stops_at_a_barrier},
    {"first_failure_decides", first_failure_decides},
    {"no_hang_in_a_live_launch", no_hang_in_a_live_launch},
    {"no_hang_of_three_cores", no_hang_of_three_cores},
    {"no_hang_behind_a_finished_core", no_hang_behind_a_finished_core},
    {"hang_is_found", hang_is_found},
    {nullptr, nullptr},
};

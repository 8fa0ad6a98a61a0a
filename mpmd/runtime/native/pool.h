// The pool's interface, as Python (ctypes) and the standalone driver call it.
#pragma once

#include "mpmd/abi.h"

typedef void (*MpmdEntry)(mpmd::Core* core);

// Asked now and then by the launching thread; anything but 0 ends the launch.
typedef int (*MpmdPoll)(void* context);

struct MpmdKernel;

struct MpmdWaiting {
  int place;             // the step at which the core waited, or mpmd::RUNNING or mpmd::DONE
  int ring;              // the ring in which it did, or -1
  mpmd::Word have;       // since the launch began: of an event's counter, of cores that came to a barrier, of
                         // a ring's tokens that were not received
  mpmd::Word need;       // and what it waited for; of a ring its depth
  mpmd::Word iteration;  // of the running loop, or -1
};

struct MpmdResult {
  int status;
  int guard;  // FAILED_GUARD: which; ENDLESS_LOOP: its step
  int cores;
  mpmd::Failure failure;       // FAILED_CHECK, FAILED_LATE_GUARD
  const MpmdWaiting* waiting;  // HANG: one per core; the thread's, until its next launch
};

extern "C" {

// Null on failure; then `error` says why. The bytes are copied.
MpmdKernel* mpmd_open(const void* tables, long long size, MpmdEntry entry, long long scratch_bytes, char* error,
                      int error_size);
void mpmd_close(MpmdKernel* kernel);

long long mpmd_argument_count(const MpmdKernel* kernel);
long long mpmd_argument_bytes(const MpmdKernel* kernel, long long argument);

// Runs the kernel once. `arguments` has one address per argument, `scalars` one word per scalar.
// Launches of one process queue. The result belongs to the calling thread until its next launch.
const MpmdResult* mpmd_launch(MpmdKernel* kernel, void* const* arguments, const mpmd::Word* scalars, MpmdPoll poll,
                              void* context);

// How the calling thread's last launch ended.
const MpmdResult* mpmd_last_result();

// How long idle workers spin before they sleep, and how long all cores must wait before a hang is looked for.
void mpmd_configure(long long spin_nanoseconds, long long hang_nanoseconds);

// Ends the workers (the next launch starts them again).
void mpmd_stop();

}  // extern "C"

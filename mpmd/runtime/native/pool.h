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

// The counter of core 0 and the monotonic clock, at one moment.
struct MpmdMoment {
  mpmd::Ticks ticks;
  long long nanoseconds;
};

// What one core stamped.
struct MpmdStamped {
  long long offset;  // of its counter against core 0's: to be subtracted
  long long error;   // of the offset, at most
  long long spans;
  long long lost;    // beside these
};

// A launch that ended well. Behind it lie one MpmdStamped per core, and then their mpmd::Stamps, core after core.
struct MpmdRecord {
  MpmdRecord* next;
  long long bytes;   // of all
  long long kernel;  // see mpmd_identity
  long long launch;  // its number among those that were recorded
  unsigned long thread;  // that launched: its pthread_self()
  long long cores;
  mpmd::Ticks begin, end;  // by core 0's counter
  MpmdMoment since, now;   // when recording began, and after the launch
};

extern "C" {

// Null on failure; then `error` says why. The bytes are copied.
// `stamped` is the entry that stamps, or null.
MpmdKernel* mpmd_open(const void* tables, long long size, MpmdEntry entry, MpmdEntry stamped, long long scratch_bytes,
                      char* error, int error_size);
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

// Which kernel of this process it is: no other one has or had the same number.
long long mpmd_identity(const MpmdKernel* kernel);

// From now on launches are stamped, with at most `stamp_bytes` of stamps each, and their records kept, up to
// `bytes` in all; 0: no longer, and what was kept is forgotten. Says how many launches were recorded so far.
long long mpmd_record(long long bytes, long long stamp_bytes);
long long mpmd_recorded();

// The oldest record that is kept, or null. It is the caller's, until mpmd_forget.
MpmdRecord* mpmd_take_record();
void mpmd_forget_record(MpmdRecord* record);

// Ends the workers (the next launch starts them again).
void mpmd_stop();

}  // extern "C"

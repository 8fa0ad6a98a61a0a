// What a core does: its steps, one after the other.
//
// In:  the launch, the number of the core, the functions of its kind (`Tasks::run`).
// Out: tasks run, each once what it waits for has been signalled.
// Not here: what tasks do; which core does what (tables).
//
// An event is one line of global memory that one core writes: the epoch of the launch, once it has happened.
// Lines are zero before the first launch and are never cleared; the difference wraps.
#pragma once

#include "mpmd/core.h"

namespace mpmd {

using Line = AscendC::GlobalTensor<int32_t>;
constexpr int kLine = 16;  // words of 4 bytes in a line of 64

__aicore__ inline Line line_of(const Launch& launch, Word event) {
  Line word;
  word.SetGlobalBuffer(launch.lines + event * kLine, kLine);
  return word;
}

__aicore__ inline void signal(const Launch& launch, Word event) {
  using namespace AscendC;
  Line word = line_of(launch, event);
  word.SetValue(0, launch.epoch);
  // scalar writes stay in the data cache otherwise
  DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(word);
}

__aicore__ inline void wait(const Launch& launch, Word event) {
  using namespace AscendC;
  Line word = line_of(launch, event);
  do {
    // what the data cache holds of it may be old
    DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(word);
  } while (word.GetValue(0) - launch.epoch < 0);
}

/// Ends what the tasks so far left in the pipes: on-chip memory may be written again, results are in global memory.
class Pipes {
 public:
  __aicore__ inline void fill() { busy_ = true; }
  __aicore__ inline void drain() {
    if (busy_) AscendC::PipeBarrier<PIPE_ALL>();
    busy_ = false;
  }

 private:
  bool busy_ = false;
};

enum : Word { kRun = 0, kSignal = 1, kWait = 2 };

template <class Tasks>
__aicore__ inline void run_core(const Launch& launch, int core) {
  const __gm__ Word* table = launch.table;
  Pipes pipes;
  if (core >= table[0]) return;  // it has no steps
  for (Word at = table[1 + core]; at < table[2 + core]; at += 3) {
    const Word op = table[at], what = table[at + 1];
    if (op == kWait) {
      wait(launch, what);
      continue;
    }
    pipes.drain();
    if (op == kSignal) {
      signal(launch, what);
    } else {
      Tasks::run(launch, what, table + table[at + 2]);
      pipes.fill();
    }
  }
}

}  // namespace mpmd

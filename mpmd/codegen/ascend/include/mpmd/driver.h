// What a core does: its steps, one after the other.
//
// In:  the launch, the number of the core, the functions of its kind (`Tasks::run`).
// Out: tasks run, each once what it waits for has been signalled.
// Not here: what tasks do; which core does what (tables); words between cores (line.h).
//
// An event has a line that one core writes: how much it has signalled in this launch. Where all cores meet they set
// flags of the hardware: the vector cores of a group to their cube core, cube cores to each other, and back.
#pragma once

#include "mpmd/channel.h"
#include "mpmd/late.h"

namespace mpmd {

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

enum : uint16_t { kArrived = 8, kAllHere = 9, kCubes = 10 };  // flags

/// Nobody goes on before all are here. What each has done so far, all see.
__aicore__ inline void meet(Pipes& pipes) {
  using namespace AscendC;
  pipes.drain();
  if ASCEND_IS_AIV {
    CrossCoreSetFlag<2, PIPE_MTE3>(kArrived);
    CrossCoreWaitFlag(kAllHere);
  }
  if ASCEND_IS_AIC {
    CrossCoreWaitFlag(kArrived);
    CrossCoreSetFlag<0, PIPE_FIX>(kCubes);
    CrossCoreWaitFlag(kCubes);
    CrossCoreSetFlag<2, PIPE_FIX>(kAllHere);
  }
}

/// How far a core has come.
struct Walk {
  Word at;
  Word iteration;  // of the running loop
};

__aicore__ inline bool flag_is_set(const Launch& launch, const __gm__ Word* end) {
  using namespace AscendC;
  GlobalTensor<uint8_t> flag;
  flag.SetGlobalBuffer(launch.base[end[kUntil]] + end[kFlag], end[kFlagBytes]);
  // what the data cache holds of it may be old
  DataCacheCleanAndInvalid<uint8_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(flag);
  bool set = false;
  for (Word i = 0; i < end[kFlagBytes]; ++i) set |= flag.GetValue(i) != 0;
  return set;
}

/// The next iteration of a loop, or what is behind it.
__aicore__ inline void end_iteration(const Launch& launch, const __gm__ Word* end, Walk& walk, Pipes& pipes) {
  bool last = walk.iteration + 1 == end[kEndCount];
  if (end[kUntil] >= 0) {
    meet(pipes);
    last |= flag_is_set(launch, end);
    meet(pipes);  // the next iteration may write the flag
  }
  walk.iteration = last ? 0 : walk.iteration + 1;
  if (!last) walk.at = end[kBegin];
}

template <class Tasks>
__aicore__ inline void run_task(const Launch& launch, const __gm__ Word* step, Word iteration, Pipes& pipes) {
  pipes.drain();
  const Row row = finish_row(launch, step, iteration);
  if (row == nullptr) return;
  Tasks::run(launch, step[kFunction], row);
  pipes.fill();
}

template <class Tasks>
__aicore__ inline void run_core(const Launch& launch, Word core) {
  const __gm__ Word* table = launch.table;
  if (core >= table[kCores]) return;  // it has no steps
  Pipes pipes;
  Walk walk{table[kSteps + core], 0};
  while (walk.at < table[kSteps + core + 1]) {
    const __gm__ Word* step = table + walk.at;
    const Word op = step[0];
    walk.at += kStepWords;
    if (op == kRun) {
      run_task<Tasks>(launch, step, walk.iteration, pipes);
    } else if (op == kSignal) {
      pipes.drain();
      tell(launch, step[kEvent], walk.iteration * step[kTotal] + step[kAmount]);
    } else if (op == kWait) {
      await(launch, step[kEvent], walk.iteration * step[kTotal] + step[kAmount]);
    } else if (op == kBarrier) {
      meet(pipes);
    } else if (op == kLoop) {
      if (step[kCount] == 0) walk.at = step[kBeyond];
    } else {
      end_iteration(launch, step, walk, pipes);
    }
  }
}

}  // namespace mpmd

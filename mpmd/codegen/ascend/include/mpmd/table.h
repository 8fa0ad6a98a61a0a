// Where things lie in the tables, in words of 64 bits (mpmd/codegen/ascend/words.py makes them).
//
// In:  –. Out: places in the head of the tables, in a step, in a loop, in a ring.
// Not here: what cores do with them (driver.h, late.h, channel.h).
#pragma once

#include "mpmd/core.h"

namespace mpmd {

// The head. Sections are given by where they begin.
enum Head : Word {
  kCores,        // how many cores have steps
  kScalars,      // the launch's scalars and those derived from them
  kScalarCount,
  kPrograms,     // where the ops of each late program begin; those of the last one end at the last place
  kTerms,        // (number of a scalar or register, coefficient)
  kArena,        // the base that is the arena
  kRings,        // see Ring
  kRingLines,    // the first line of a ring: sent, received
  kRoom,         // words that a core needs for a late row and its registers
  kSteps         // core c has the steps from word [kSteps + c] to word [kSteps + c + 1]
};

enum Op : Word { kRun, kSignal, kWait, kBarrier, kLoop, kEnd };

constexpr Word kStepWords = 6, kOpWords = 8;

// A step: its op first, then
enum RunStep : Word { kFunction = 1, kRow, kRowWords, kProgram };  // kProgram: −1 without
enum EventStep : Word { kEvent = 1, kAmount, kTotal };  // in a loop, i × total is added to the amount in iteration i
enum LoopStep : Word { kCount = 1, kBeyond };           // iterations; where it goes on if there are none
enum EndStep : Word { kEndCount = 1, kBegin, kUntil, kFlag, kFlagBytes };  // its body; base of the flag or −1, offset

enum Ring : Word { kSlots, kSlotBytes, kDepth, kRingWords };

}  // namespace mpmd

// Late programs: what of a row is known only when its task starts.
//
// In:  a step, the launch's scalars, the running loop's iteration, integers in tensors. Out: the row as the task
// shall see it, in shared memory, or that it shall not run. By thread 0.
// Not here: the format of the ops (mpmd/codegen/tables.py describes it), the arithmetic (linear.h).
#pragma once

#include "mpmd/linear.h"
#include "mpmd/sync.h"

namespace mpmd {

// Launch scalars by their numbers, registers by those that follow.
struct LateValues {
  const Word* scalar;
  const Word* registers;
  Word scalars;

  MPMD_INLINE Word operator[](Word number) const {
    return number < scalars ? scalar[number] : registers[number - scalars];
  }
};

MPMD_INLINE Word integer_at(const char* place, Word bytes) {
  return bytes == 4 ? *reinterpret_cast<const int*>(place) : *reinterpret_cast<const Word*>(place);
}

MPMD_INLINE bool overflow(const Core& core) {
  stop(*core.launch, Failure{SCALAR_OVERFLOW, core.core, 0, 0, 0, 0, 0});
  return false;
}

// One op of a late program; `result` is its register. False when the task shall not run.
MPMD_INLINE bool run_op(const Core& core, const Word* op, const LateValues& values, Word iteration, Word* row,
                        Word& result) {
  const Launch& launch = *core.launch;
  if (op[0] < ITERATION) return derive(launch.terms, op, values, result) || overflow(core);
  if (op[0] == ITERATION) {
    result = iteration;
    return true;
  }
  const Wide wide = linear(launch.terms, op[0] == ELEMENT || op[0] == PATCH ? op + 2 : op + 1, values);
  if (!fits_word(wide)) return overflow(core);
  const Word value = static_cast<Word>(wide);
  switch (op[0]) {
    case ELEMENT:
      result = integer_at(launch.base[op[1]] + value, op[5]);
      return true;
    case GUARD:
      if (op[4] <= value && value <= op[5]) return true;
      stop(launch, Failure{FAILED_LATE_GUARD, core.core, static_cast<int>(op[6]), 0, value, op[4], op[5]});
      return false;
    case SKIP:
      return value > 0;
    default: {
      const Wide patched = static_cast<Wide>(row[op[1]]) + value;
      row[op[1]] = static_cast<Word>(patched);
      return fits_word(patched) || overflow(core);
    }
  }
}

// The row of a step as its task shall see it, or null when the task shall not run.
MPMD_DEVICE const Word* finish_row(const Core& core, const Step& step, Word iteration) {
  const Launch& launch = *core.launch;
  if (step.program < 0) return launch.words + step.row;
  Word* const row = reinterpret_cast<Word*>(device::shared_memory() + rows_at);
  Word* const registers = row + launch.row_words;
  for (int i = 0; i < step.words; ++i) row[i] = launch.words[step.row + i];
  const LateValues values{launch.scalar, registers, launch.scalar_count};
  const int first = launch.program_ptr[step.program], end = launch.program_ptr[step.program + 1];
  for (int op = first; op < end; ++op) {
    if (!run_op(core, launch.ops[op], values, iteration, row, registers[op - first])) return nullptr;
  }
  return row;
}

}  // namespace mpmd

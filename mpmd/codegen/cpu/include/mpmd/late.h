// Late programs: what of a row is known only when its task starts.
//
// In:  a LATE step, the launch's scalars, the running loop's iteration, integers in tensors. Out: the row as
// the task shall see it, or that it shall not run.
// Not here: the format of the ops (mpmd/codegen/tables.py describes it), the arithmetic (linear.h).
#pragma once

#include "mpmd/linear.h"

namespace mpmd {

// Launch scalars by their numbers, registers by those that follow.
struct LateValues {
  const Word* scalar;
  const Word* registers;
  Word scalars;

  Word operator[](Word number) const { return number < scalars ? scalar[number] : registers[number - scalars]; }
};

inline Word integer_at(const char* place, Word bytes) {
  if (bytes == 4) {
    int value;
    __builtin_memcpy(&value, place, sizeof value);
    return value;
  }
  Word value;
  __builtin_memcpy(&value, place, sizeof value);
  return value;
}

inline bool fail_guard(Core& core, const Word* op, Word value) {
  if (stop(*core.launch, FAILED_LATE_GUARD)) {
    core.launch->failure = Failure{value, op[4], op[5], static_cast<int>(op[6]), core.core};
  }
  return false;
}

inline bool overflow(Core& core) {
  stop(*core.launch, SCALAR_OVERFLOW);
  return false;
}

// One op of a late program; `result` is its register. False when the task shall not run.
inline bool run_op(Core& core, const Word* op, const LateValues& values, Word& result) {
  const Launch& launch = *core.launch;
  if (op[0] < ITERATION) return derive(launch.terms, op, values, result) || overflow(core);
  if (op[0] == ITERATION) {
    result = launch.progress[core.core].iteration;
    return true;
  }
  const Wide wide = linear(launch.terms, op[0] == ELEMENT || op[0] == PATCH ? op + 2 : op + 1, values);
  if (!fits_word(wide)) return overflow(core);
  const Word value = static_cast<Word>(wide);
  switch (op[0]) {
    case ELEMENT:
      result = integer_at(static_cast<const char*>(core.base[op[1]]) + value, op[5]);
      return true;
    case GUARD:
      return (op[4] <= value && value <= op[5]) || fail_guard(core, op, value);
    case SKIP:
      return value > 0;
    default:
      return !__builtin_add_overflow(core.row[op[1]], value, &core.row[op[1]]) || overflow(core);
  }
}

// The row of a LATE step as its task shall see it, or null when the task shall not run.
inline const Word* finish_row(Core& core, const Step& step) {
  if (step.program < 0) return step.row;
  const Launch& launch = *core.launch;
  __builtin_memcpy(core.row, step.row, static_cast<unsigned long>(step.words) * sizeof(Word));
  const LateValues values{launch.scalar, core.registers, launch.scalars};
  const int first = launch.program_ptr[step.program], end = launch.program_ptr[step.program + 1];
  for (int op = first; op < end; ++op) {
    if (!run_op(core, launch.ops[op], values, core.registers[op - first])) return nullptr;
  }
  return core.row;
}

}  // namespace mpmd

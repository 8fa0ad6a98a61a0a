// Late programs: what of a row is known only when its task starts.
//
// In:  a RUN step, the iteration of the running loop, integers in tensors. Out: the row as the task shall see it, in
// this core's part of `rows`, or that it shall not run.
// Not here: the format of the ops (mpmd/codegen/tables.py describes it), the arithmetic (linear.h).
#pragma once

#include "mpmd/check.h"
#include "mpmd/linear.h"
#include "mpmd/table.h"

namespace mpmd {

enum LateOp : Word { kIteration = 5, kElement = 6, kGuard = 7, kSkip = 8, kPatch = 9 };

/// Launch scalars by their numbers, registers by those that follow.
struct LateValues {
  const __gm__ Word* scalar;
  const __gm__ Word* registers;
  Word scalars;

  __aicore__ inline Word operator[](Word number) const {
    return number < scalars ? scalar[number] : registers[number - scalars];
  }
};

template <class T>
__aicore__ inline Word element(__gm__ uint8_t* place) {
  using namespace AscendC;
  GlobalTensor<T> global;
  global.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(place), 1);
  // what the data cache holds of it may be old
  DataCacheCleanAndInvalid<T, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(global);
  return global.GetValue(0);
}

__aicore__ inline Word integer_at(__gm__ uint8_t* place, Word bytes) {
  return bytes == 4 ? element<int32_t>(place) : element<int64_t>(place);
}

/// One op of a late program; `result` is its register. False when the task shall not run.
__aicore__ inline bool run_op(
    const Launch& launch, const __gm__ Word* op, const LateValues& values, Word iteration, __gm__ Word* row, Word& result) {
  const __gm__ Word* terms = launch.table + launch.table[kTerms];
  if (op[0] == kIteration) {
    result = iteration;
    return true;
  }
  const bool placed = op[0] == kElement || op[0] == kPatch;
  Checked value = op[0] < kIteration ? derive(terms, op, values) : linear(terms, op + (placed ? 2 : 1), values);
  if (op[0] == kPatch) value = plus(value, {row[op[1]], true});
  if (!value.fits) {
    fail(launch, kScalarOverflow, 0, 0, 0, 0);
    return false;
  }
  result = value.value;
  if (op[0] == kElement) result = integer_at(launch.base[op[1]] + value.value, op[5]);
  if (op[0] == kPatch) row[op[1]] = value.value;
  if (op[0] == kGuard && (value.value < op[4] || value.value > op[5])) {
    fail(launch, kFailedLateGuard, op[6], value.value, op[4], op[5]);
    return false;
  }
  return op[0] != kSkip || value.value > 0;
}

/// The row of a RUN step as its task shall see it, or null when the task shall not run.
__aicore__ inline Row finish_row(const Launch& launch, const __gm__ Word* step, Word iteration) {
  const __gm__ Word* table = launch.table;
  if (step[kProgram] < 0) return table + step[kRow];
  __gm__ Word* row = launch.rows + this_core() * table[kRoom];
  __gm__ Word* registers = row + step[kRowWords];
  for (Word i = 0; i < step[kRowWords]; ++i) row[i] = table[step[kRow] + i];
  const LateValues values{table + table[kScalars], registers, table[kScalarCount]};
  const __gm__ Word* program = table + table[kPrograms] + step[kProgram];
  for (Word op = program[0], k = 0; op < program[1]; op += kOpWords, ++k)
    if (!run_op(launch, table + op, values, iteration, row, registers[k])) return nullptr;
  return row;
}

}  // namespace mpmd

// What the sanitizer's hooks ask of the search.
//
// In:  addresses, sizes, orders. Out: values. Not here: the hooks' names and types (hooks.cpp).
#pragma once

#include "litmus.h"
#include "model.h"

namespace litmus {

typedef unsigned long long Mask;  // one bit per location

enum Kind : int { ACCESS, START, PAUSE, JOIN };

// What a thread is about to do, as far as its order among the others matters.
struct Op {
  Kind kind;
  Mask reads, writes;
  bool sequential;  // does not commute with another of its like
};

// A read-modify-write: what it does to a value, and whether it does anything.
struct Update {
  enum Does { ADD, SUB, AND, OR, XOR, PUT, COMPARE } does;
  Value operand;
  Value expected;
  int size;

  bool changes(Value value) const { return does != COMPARE || value == expected; }
  Value after(Value value) const {
    Value result = operand;
    if (does == ADD) result = value + operand;
    if (does == SUB) result = value - operand;
    if (does == AND) result = value & operand;
    if (does == OR) result = value | operand;
    if (does == XOR) result = value ^ operand;
    return size == 8 ? result : result & ((1ull << 8 * size) - 1);
  }
};

Value atomic_load(void* address, int size, int order);
void atomic_store(void* address, int size, int order, Value value);
Value atomic_update(void* address, int size, int order, int failed_order, const Update& update);
void atomic_fence(int order);
void plain_access(const void* address, int size, bool writes);

}  // namespace litmus

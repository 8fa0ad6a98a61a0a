// The thread sanitizer's interface, as compilers call it: atomics go to the model, plain accesses are noted.
//
// In:  calls from code compiled with -fsanitize=thread. Out: what the search answers.
// Not here: any decision. Calls of the C library (memcpy of large blocks) are not instrumented by g++.
#include "explore.h"

using litmus::Update;
using litmus::Value;

#define ATOMIC(BITS, TYPE)                                                                                       \
  TYPE __tsan_atomic##BITS##_load(TYPE* p, int order) {                                                          \
    return static_cast<TYPE>(litmus::atomic_load(p, sizeof(TYPE), order));                                       \
  }                                                                                                              \
  void __tsan_atomic##BITS##_store(TYPE* p, TYPE value, int order) {                                             \
    litmus::atomic_store(p, sizeof(TYPE), order, value);                                                         \
  }                                                                                                              \
  UPDATE(BITS, TYPE, exchange, PUT)                                                                              \
  UPDATE(BITS, TYPE, fetch_add, ADD)                                                                             \
  UPDATE(BITS, TYPE, fetch_sub, SUB)                                                                             \
  UPDATE(BITS, TYPE, fetch_and, AND)                                                                             \
  UPDATE(BITS, TYPE, fetch_or, OR)                                                                               \
  UPDATE(BITS, TYPE, fetch_xor, XOR)                                                                             \
  TYPE __tsan_atomic##BITS##_compare_exchange_val(TYPE* p, TYPE expected, TYPE value, int order, int failed) {   \
    const Update update = {Update::COMPARE, value, expected, sizeof(TYPE)};                                      \
    return static_cast<TYPE>(litmus::atomic_update(p, sizeof(TYPE), order, failed, update));                     \
  }                                                                                                              \
  bool __tsan_atomic##BITS##_compare_exchange_strong(TYPE* p, TYPE* expected, TYPE value, int order,             \
                                                     int failed) {                                               \
    const TYPE before = __tsan_atomic##BITS##_compare_exchange_val(p, *expected, value, order, failed);          \
    const bool done = before == *expected;                                                                       \
    *expected = before;                                                                                          \
    return done;                                                                                                 \
  }                                                                                                              \
  bool __tsan_atomic##BITS##_compare_exchange_weak(TYPE* p, TYPE* expected, TYPE value, int order, int failed) { \
    return __tsan_atomic##BITS##_compare_exchange_strong(p, expected, value, order, failed);                     \
  }

#define UPDATE(BITS, TYPE, NAME, DOES)                                                    \
  TYPE __tsan_atomic##BITS##_##NAME(TYPE* p, TYPE operand, int order) {                   \
    const Update update = {Update::DOES, operand, 0, sizeof(TYPE)};                       \
    return static_cast<TYPE>(litmus::atomic_update(p, sizeof(TYPE), order, order, update)); \
  }

#define PLAIN(SIZE)                                                                            \
  void __tsan_read##SIZE(void* p) { litmus::plain_access(p, SIZE, false); }                    \
  void __tsan_write##SIZE(void* p) { litmus::plain_access(p, SIZE, true); }                    \
  void __tsan_unaligned_read##SIZE(void* p) { litmus::plain_access(p, SIZE, false); }          \
  void __tsan_unaligned_write##SIZE(void* p) { litmus::plain_access(p, SIZE, true); }

extern "C" {

ATOMIC(8, unsigned char)
ATOMIC(16, unsigned short)
ATOMIC(32, unsigned)
ATOMIC(64, unsigned long long)
void __tsan_atomic_thread_fence(int order) { litmus::atomic_fence(order); }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
void __tsan_read_range(void* p, unsigned long size) { litmus::plain_access(p, static_cast<int>(size), false); }
void __tsan_write_range(void* p, unsigned long size) { litmus::plain_access(p, static_cast<int>(size), true); }

void* __tsan_memset(void* p, int byte, unsigned long size) {
  if (size) __tsan_write_range(p, size);
  return __builtin_memset(p, byte, size);
}

void* __tsan_memcpy(void* to, const void* from, unsigned long size) {
  if (size) __tsan_read_range(const_cast<void*>(from), size);
  if (size) __tsan_write_range(to, size);
  return __builtin_memcpy(to, from, size);
}

void* __tsan_memmove(void* to, const void* from, unsigned long size) {
  if (size) __tsan_read_range(const_cast<void*>(from), size);
  if (size) __tsan_write_range(to, size);
  return __builtin_memmove(to, from, size);
}

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

}  // extern "C"

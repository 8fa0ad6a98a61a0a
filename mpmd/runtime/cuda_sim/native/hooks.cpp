// The thread sanitizer's interface, as compilers call it: accesses of the text go to the simulator.
//
// In:  calls from code compiled with -fsanitize=thread, without its runtime. Out: `Hooks::touch`.
// Not here: atomics, which the text has behind names (device.h); g++ does not announce calls of memcpy.
#include "mpmd_hooks.h"

#define MPMD_PLAIN __attribute__((visibility("default"), no_sanitize("thread")))

#define MPMD_ACCESS(NAME, WRITE)                                                                          \
    MPMD_PLAIN void __tsan_##NAME##1(void* p) { touch(p, 1, WRITE, __builtin_return_address(0)); }        \
    MPMD_PLAIN void __tsan_##NAME##2(void* p) { touch(p, 2, WRITE, __builtin_return_address(0)); }        \
    MPMD_PLAIN void __tsan_##NAME##4(void* p) { touch(p, 4, WRITE, __builtin_return_address(0)); }        \
    MPMD_PLAIN void __tsan_##NAME##8(void* p) { touch(p, 8, WRITE, __builtin_return_address(0)); }        \
    MPMD_PLAIN void __tsan_##NAME##16(void* p) { touch(p, 16, WRITE, __builtin_return_address(0)); }

static void __attribute__((no_sanitize("thread"))) touch(const void* place, unsigned long bytes, bool write,
                                                         const void* at) {
    mpmd_hooks->touch(place, bytes, write, at);
}

extern "C" {

__attribute__((visibility("default"))) const mpmd::sim::Hooks* mpmd_hooks = nullptr;

MPMD_ACCESS(read, false)
MPMD_ACCESS(write, true)
MPMD_ACCESS(unaligned_read, false)
MPMD_ACCESS(unaligned_write, true)

MPMD_PLAIN void __tsan_read_range(void* p, unsigned long bytes) {
    touch(p, bytes, false, __builtin_return_address(0));
}
MPMD_PLAIN void __tsan_write_range(void* p, unsigned long bytes) {
    touch(p, bytes, true, __builtin_return_address(0));
}
MPMD_PLAIN void* __tsan_memset(void* p, int byte, unsigned long bytes) {
    touch(p, bytes, true, __builtin_return_address(0));
    return __builtin_memset(p, byte, bytes);
}
MPMD_PLAIN void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
    touch(from, bytes, false, __builtin_return_address(0));
    touch(to, bytes, true, __builtin_return_address(0));
    return __builtin_memcpy(to, from, bytes);
}
MPMD_PLAIN void* __tsan_memmove(void* to, const void* from, unsigned long bytes) {
    touch(from, bytes, false, __builtin_return_address(0));
    touch(to, bytes, true, __builtin_return_address(0));
    return __builtin_memmove(to, from, bytes);
}
MPMD_PLAIN void __tsan_init() {}
MPMD_PLAIN void __tsan_func_entry(void*) {}
MPMD_PLAIN void __tsan_func_exit() {}

}  // extern "C"

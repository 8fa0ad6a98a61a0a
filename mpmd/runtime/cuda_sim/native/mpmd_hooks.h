// What the text of a kernel asks of the simulator: a table of functions.
//
// In:  the text (device.h, hooks.cpp), which is instrumented. Out: the simulator (simulate.cpp), which is not.
// Not here: what they do. The two are libraries of their own, and this is all that they share.
#pragma once

namespace mpmd::sim {

// A statement of the text.
struct Statement {
    const char* file;
    int line;

    static constexpr Statement here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

struct Hooks {
    int (*thread)();
    int (*block)();
    char* (*shared_memory)();
    bool (*barrier)(bool condition, Statement);  // whether the condition held for any thread
    void (*warp_barrier)(Statement);
    unsigned (*shuffle)(unsigned value, int from, Statement);  // the value of lane `from`
    // C[16, 8] += A[16, 16] · B[16, 8] of a warp; `value` makes a number of 16 bits of A and B.
    void (*multiply)(float* c, const unsigned* a, const unsigned* b, float (*value)(unsigned short), Statement);
    void (*touch)(const void* place, unsigned long bytes, bool write, const void* at);
    unsigned long long (*load)(const void* place, int bytes, bool acquire, Statement);
    void (*store)(void* place, int bytes, unsigned long long value, bool release, Statement);
    void (*add)(unsigned* place, unsigned amount, Statement);
    unsigned (*exchange_if_equal)(unsigned* place, unsigned expected, unsigned value, Statement);
    void (*pause)();
};

}  // namespace mpmd::sim

extern "C" const mpmd::sim::Hooks* mpmd_hooks;

// Threads, warps and blocks: who meets whom.
//
// In:  the number of blocks. Out: `Thread`, `Meeting`, `Warp`, `Block`.
// Not here: what a meeting is for (simulate.cpp), memory (memory.h).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"

namespace mpmd::cuda {

constexpr int lanes = 32;
constexpr int threads = 256;

struct Thread {
    int number = 0, block = 0;
    sim::Actor* actor = nullptr;
    std::uintptr_t stack = 0;       // where its stack begins, at the high end
    std::uint64_t looked = 0;       // how many atomic writes there had been at its last acquire
    bool ended = false;
};

// A place that all of a group must come to. Those who came wait for the last one.
struct Meeting {
    int arrived = 0;
    std::uint64_t passed = 0;  // meetings that are over
    sim::Place place;
    const char* what = "";
    sim::Gate gate;
};

// What a lane brings to a meeting of its warp, and what it takes away.
struct Exchange {
    unsigned value = 0;
    const unsigned *a = nullptr, *b = nullptr;
    float* c = nullptr;
};

struct Warp {
    Meeting meeting;
    Exchange brought[lanes];
    unsigned taken[lanes] = {};
};

struct Block {
    explicit Block(std::uint64_t shared_bytes)
        : shared(shared_bytes, sim::Memory::poison), defined(shared_bytes, 0), warps(threads / lanes) {}

    std::vector<unsigned char> shared, defined;
    std::vector<Warp> warps;
    Meeting meeting;
    bool slow = false;
    bool condition = false, any = false;  // of the meeting under way, and of the last one
};

}  // namespace mpmd::cuda

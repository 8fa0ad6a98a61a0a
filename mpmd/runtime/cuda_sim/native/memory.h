// What the text may touch: ranges of addresses, each with a name, its shadow, and what of it is defined.
//
// In:  the arguments, tables and state of a launch; the shared memory of blocks. Out: `Region`, `Regions`.
// Not here: the order of accesses (the engine), what lies where in the device's memory (Python).
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"

namespace mpmd::cuda {

struct Region {
    Region(std::string name, std::uintptr_t first, std::uint64_t size, unsigned char* known, bool fixed)
        : begin(first), end(first + size), defined(known), constant(fixed), memory(std::move(name), 0) {}

    std::uintptr_t begin, end;
    unsigned char* defined;  // a byte for each: 1 if it was written; null: all are
    bool constant;           // nothing of the launch writes it
    sim::Memory memory;      // its name and its shadow: the bytes are where they are
};

class Regions {
public:
    void add(std::string name, const void* first, std::uint64_t size, unsigned char* known, bool fixed) {
        all_.push_back(std::make_unique<Region>(std::move(name), reinterpret_cast<std::uintptr_t>(first), size, known, fixed));
    }

    void sort() {
        std::sort(all_.begin(), all_.end(), [](const auto& a, const auto& b) { return a->begin < b->begin; });
    }

    // The one that holds the address, or the last one before it, or null.
    Region* before(std::uintptr_t address) const {
        const auto after = std::upper_bound(all_.begin(), all_.end(), address,
                                            [](std::uintptr_t a, const auto& region) { return a < region->begin; });
        return after == all_.begin() ? nullptr : std::prev(after)->get();
    }

private:
    std::vector<std::unique_ptr<Region>> all_;
};

}  // namespace mpmd::cuda

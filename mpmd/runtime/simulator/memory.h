// Memories: bytes, which of them are defined, and their shadow.
//
// In:  a size. Out: `Memory`; the clocks of words with which cores tell each other something (`Words`).
// Not here: addresses of a machine, bounds of arguments (fronts).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "clock.h"
#include "shadow.h"

namespace mpmd::sim {

struct Memory {
    static constexpr unsigned char poison =
        0xb5;  // as float, half and integer: none that a kernel would make

    Memory(std::string its_name, std::size_t size)
        : name(std::move(its_name)), bytes(size, poison), defined(size, 0) {}

    // The first byte of the range that nobody has written, or -1.
    long undefined(std::uint64_t first, std::uint64_t count) const {
        const void* hole = std::memchr(defined.data() + first, 0, count);
        return hole ? static_cast<long>(static_cast<const unsigned char*>(hole) - defined.data()) : -1;
    }

    void define(std::uint64_t first, std::uint64_t count) { std::memset(defined.data() + first, 1, count); }

    std::string name;
    std::vector<unsigned char> bytes;
    std::vector<unsigned char> defined;  // a byte each: 1 if it was written
    Shadow shadow;
};

// What a reader of a word learns from its writer. Reading or writing such words is atomic in the shadow.
class Words {
public:
    struct Word {
        Snapshot clock;
        Epoch epoch;
    };

    // A store with release order: readers learn what the writer knows.
    void store(std::uint64_t address, Snapshot clock, Epoch epoch) {
        words_[address] = {std::move(clock), epoch};
    }

    // A read-modify-write with release order: readers learn that, and what they would have learned before.
    void update(std::uint64_t address, const Snapshot& clock, Epoch epoch) {
        auto& word = words_[address];
        auto joined = std::make_shared<Clock>(*clock);
        if (word.clock) joined->join(*word.clock);
        word = {std::move(joined), epoch};
    }

    // What a load with acquire order learns.
    Word load(std::uint64_t address) const {
        const auto found = words_.find(address);
        return found == words_.end() ? Word{} : found->second;
    }

private:
    std::unordered_map<std::uint64_t, Word> words_;
};

}  // namespace mpmd::sim

// Global memory: the arguments' buffers, and what a core's data cache holds of them.
//
// In:  buffers by name. Out: `Global`, `Place in it`, `Line`, `Cache`.
// Not here: who reads and writes (`tensor.h`, `copy.h`).
//
// A buffer is followed by a gap, so that what runs over its end meets no other. Scalars go through a cache with
// lines of 64 bytes that are never refreshed or written back by themselves: the worst that hardware may do.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory.h"

namespace mpmd::ascend {

constexpr std::uint64_t line_bytes = 64;

struct Buffer {
    static constexpr std::size_t gap = 1 << 16;

    Buffer(const std::string& name, std::size_t its_size, const void* data, bool defined)
        : memory("'" + name + "'", its_size + gap),
          size(its_size),
          changed((its_size + gap) / line_bytes + 1, 0) {
        if (!defined) return;
        std::memcpy(memory.bytes.data(), data, size);
        memory.define(0, size);
    }

    sim::Memory memory;
    std::size_t size;
    std::vector<std::uint64_t> changed;  // by line: when it was last written
};

class Global {
public:
    void add(const std::string& name, std::size_t size, const void* data, bool defined) {
        buffers_.push_back(std::make_unique<Buffer>(name, size, data, defined));
    }

    Buffer& operator[](std::size_t number) { return *buffers_[number]; }

    // The buffer that a pointer of the kernel points into, its end included; nullptr if none.
    Buffer* find(const void* pointer) {
        const auto address = reinterpret_cast<std::uintptr_t>(pointer);
        for (auto& buffer : buffers_) {
            const auto first = reinterpret_cast<std::uintptr_t>(buffer->memory.bytes.data());
            if (address >= first && address < first + buffer->memory.bytes.size()) return buffer.get();
        }
        return nullptr;
    }

    void change(Buffer& buffer, std::uint64_t first, std::uint64_t bytes) {
        ++now_;
        for (std::uint64_t line = first / line_bytes; line * line_bytes < first + bytes; ++line)
            buffer.changed[line] = now_;
    }

    std::uint64_t now() const { return now_; }

private:
    std::vector<std::unique_ptr<Buffer>> buffers_;
    std::uint64_t now_ = 0;
};

struct Line {
    std::array<unsigned char, line_bytes> bytes, loaded;
    std::array<bool, line_bytes> dirty = {};
    std::uint64_t since = 0;                             // when it was loaded
    std::array<sim::Words::Word, line_bytes / 4> words;  // what each word's reader learns
    sim::Place place;                                    // of the last scalar write

    bool is_dirty() const {
        for (const bool each : dirty)
            if (each) return true;
        return false;
    }
};

using Cache = std::map<std::pair<Buffer*, std::uint64_t>, Line>;

}  // namespace mpmd::ascend

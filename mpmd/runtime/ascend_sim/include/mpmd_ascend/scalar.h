// Scalar access: one element of local or global memory, the latter through the core's data cache.
//
// In:  GetValue, SetValue, DataCacheCleanAndInvalid of the text. Out: their values and laws.
// Not here: the cache's shape (`global.h`).
//
// Elements of on-chip memory are read and written in the order of the text; other pipes know of it when an event
// from the scalar unit, or a barrier of all pipes, says so.
//
// Words are how groups tell each other something: scalar reads and writes do not race with each other, and who
// reads a word learns what its writer knew when the line was written back. They do race with copies. Laws: what
// is read after another's write that is known to be over must not come from an old line; a line that is written
// back must not bring back old values of its other words; no line is dirty at the end.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "tensor.h"

namespace AscendC {
enum class CacheLine { SINGLE_CACHE_LINE, ENTIRE_DATA_CACHE };
enum class DcciDst { CACHELINE_ALL, CACHELINE_UB, CACHELINE_OUT, CACHELINE_ATOMIC };
}  // namespace AscendC

namespace mpmd::ascend {

inline Line& cached(Core& self, Far at) {
    const std::uint64_t number = at.first / line_bytes, first = number * line_bytes;
    const auto [found, fresh] = self.cache.try_emplace({at.buffer, number});
    Line& line = found->second;
    if (!fresh) return line;
    std::memcpy(line.bytes.data(), &at.buffer->memory.bytes[first], line_bytes);
    line.loaded = line.bytes;
    line.since = run().global.now();
    for (std::size_t i = 0; i < line.words.size(); ++i)
        line.words[i] =
            engine().words.load(reinterpret_cast<std::uintptr_t>(&at.buffer->memory.bytes[first + i * 4]));
    return line;
}

// Whether the line hides a write that this core knows to be over.
inline bool stale(Core& self, const Line& line, Far at, std::uint64_t bytes) {
    const std::uint64_t number = at.first / line_bytes;
    if (line.since >= at.buffer->changed[number]) return false;
    if (std::memcmp(&line.loaded[at.first % line_bytes], &at.buffer->memory.bytes[at.first], bytes) == 0)
        return false;
    const sim::Epoch written = at.buffer->memory.shadow.written(at.first);
    return written.tick != 0 && self.scalar().after(written);
}

inline void write_back(Core& self, Buffer& buffer, std::uint64_t number, Line& line,
                       const Instruction& instruction) {
    if (!line.is_dirty()) return;
    sim::Memory& memory = buffer.memory;
    const std::uint64_t first = number * line_bytes;
    const sim::Access access = engine().begin(self.scalar(), instruction.place, instruction.name, true);
    for (std::uint64_t i = 0; i < line_bytes; ++i) {
        if (!line.dirty[i]) {
            if (line.loaded[i] != memory.bytes[first + i])
                engine().report("shared-line",
                                std::string(instruction.name) + " writes back a line of " + memory.name +
                                    " at byte " + std::to_string(first) +
                                    " with what others have changed since",
                                access.epoch.actor, instruction.place);
            continue;
        }
        overwrite(memory, first + i, 1, access);
        if (i % 4 == 0 || !line.dirty[i - 1])
            engine().words.store(reinterpret_cast<std::uintptr_t>(&memory.bytes[first + i / 4 * 4]),
                                 self.scalar().release(), access.epoch);
    }
    std::memcpy(&memory.bytes[first], line.bytes.data(), line_bytes);
    run().global.change(buffer, first, line_bytes);
}

template <typename T>
T get_global(Far at, const Instruction& instruction) {
    Core& self = core();
    sim::Memory& memory = at.buffer->memory;
    const Line& line = cached(self, at);
    const std::uint64_t within = at.first % line_bytes;
    const sim::Access access = engine().begin(self.scalar(), instruction.place, instruction.name, true);
    use(memory, at.first, sizeof(T), access, instruction);
    if (stale(self, line, at, sizeof(T)))
        engine().report("stale",
                        std::string(instruction.name) + " of " + self.name + " reads " + memory.name +
                            " at byte " + std::to_string(at.first) +
                            " from a cache line older than the last write",
                        access.epoch.actor, instruction.place);
    self.scalar().acquire(line.words[within / 4].clock);
    T value;
    std::memcpy(static_cast<void*>(&value), &line.bytes[within], sizeof(T));
    std::uint64_t bits = 0;
    std::memcpy(&bits, static_cast<const void*>(&value), sizeof(T));
    const auto address = reinterpret_cast<std::uintptr_t>(&memory.bytes[at.first]);
    engine().scheduler.poll(
        address, bits,
        "polls " + memory.name + " at byte " + std::to_string(at.first) + " at " + instruction.place.text(),
        instruction.place);
    return value;
}

template <typename T>
void set_global(Far at, T value, sim::Place place) {
    Line& line = cached(core(), at);
    const std::uint64_t within = at.first % line_bytes;
    std::memcpy(&line.bytes[within], static_cast<const void*>(&value), sizeof(T));
    for (std::uint64_t i = within; i < within + sizeof(T); ++i) line.dirty[i] = true;
    line.place = place;
    engine().scheduler.progress();
}

// Lines go out of the cache, dirty ones to memory: the one at `at`, or all of them.
inline void clean_and_invalidate(Far at, bool all, const Instruction& instruction) {
    Core& self = core();
    const std::uint64_t wanted = at.first / line_bytes;
    for (auto entry = self.cache.begin(); entry != self.cache.end();) {
        const auto [buffer, number] = entry->first;
        if (!all && (buffer != at.buffer || number != wanted)) {
            ++entry;
            continue;
        }
        write_back(self, *buffer, number, entry->second, instruction);
        entry = self.cache.erase(entry);
    }
}

// An access of the scalar unit to on-chip memory begins.
inline sim::Access begin_element(const Instruction& instruction) {
    core().elements->acquire(core().scalar().release());
    return engine().begin(*core().elements, instruction.place, instruction.name);
}

inline void leftover_lines(Core& self) {
    for (const auto& [key, line] : self.cache)
        if (line.is_dirty())
            engine().report("dirty-line",
                            "what " + self.name + " has written to " + key.first->memory.name + " at byte " +
                                std::to_string(key.second * line_bytes) + " is still in its cache at the end",
                            self.scalar().number(), line.place);
}

}  // namespace mpmd::ascend

namespace AscendC {

template <typename T>
T GlobalTensor<T>::GetValue(std::uint64_t index, mpmd::sim::Place place) const {
    const mpmd::ascend::Instruction instruction{"GetValue", PIPE_S, place};
    instruction.check();
    return mpmd::ascend::get_global<T>(operand((*this)[index], sizeof(T), instruction), instruction);
}

template <typename T>
void GlobalTensor<T>::SetValue(std::uint64_t index, T value, mpmd::sim::Place place) const {
    const mpmd::ascend::Instruction instruction{"SetValue", PIPE_S, place};
    instruction.check();
    mpmd::ascend::set_global<T>(operand((*this)[index], sizeof(T), instruction), value, place);
}

template <typename T>
T LocalTensor<T>::GetValue(std::uint32_t index, mpmd::sim::Place place) const {
    const mpmd::ascend::Instruction instruction{"GetValue", PIPE_S, place};
    instruction.check();
    const auto at = operand((*this)[index], 1, instruction, sizeof(T));
    use(*at.memory, at.first, sizeof(T), begin_element(instruction), instruction);
    return mpmd::ascend::get<T>(*at.memory, at.first);
}

template <typename T>
void LocalTensor<T>::SetValue(std::uint32_t index, T value, mpmd::sim::Place place) const {
    const mpmd::ascend::Instruction instruction{"SetValue", PIPE_S, place};
    instruction.check();
    const auto at = operand((*this)[index], 1, instruction, sizeof(T));
    mpmd::ascend::overwrite(*at.memory, at.first, sizeof(T), begin_element(instruction));
    mpmd::ascend::put<T>(*at.memory, at.first, value);
}

}  // namespace AscendC

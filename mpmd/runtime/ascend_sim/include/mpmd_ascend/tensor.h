// Tensors: operands of instructions, and the laws that hold for all of them.
//
// In:  addresses as the text gives them. Out: `LocalTensor`, `GlobalTensor`, `Local`, `Far`: checked ranges.
// Not here: scalar access (`scalar.h`), what instructions do with operands.
//
// Laws, checked where a tensor is used: the memory belongs to this kind of core; the address is aligned; the
// tensor ends within the memory; the instruction ends within the tensor; global ranges end within one buffer.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "core.h"

namespace AscendC {

enum class TPosition : int { GM, A1, A2, B1, B2, C1, C2, CO1, CO2, VECIN, VECOUT, VECCALC };

template <typename T>
class GlobalTensor;

template <typename T>
class LocalTensor {
public:
    LocalTensor() = default;
    LocalTensor(TPosition position, std::uint32_t address, std::uint32_t count)
        : position_(position), address_(address), count_(count) {}

    LocalTensor operator[](std::uint32_t offset) const {
        LocalTensor part = *this;
        part.address_ += offset * static_cast<std::uint32_t>(sizeof(T));
        part.count_ -= offset;
        return part;
    }

    // The same bytes as elements of another type.
    template <typename U>
    LocalTensor<U> ReinterpretCast() const {
        return {position_, address_, static_cast<std::uint32_t>(count_ * static_cast<std::int64_t>(sizeof(T)) /
                                                                static_cast<std::int64_t>(sizeof(U)))};
    }

    std::uint32_t GetSize() const { return static_cast<std::uint32_t>(count_); }
    TPosition GetPosition() const { return position_; }
    std::uint32_t address() const { return address_; }
    std::int64_t count() const { return count_; }

    T GetValue(std::uint32_t index, mpmd::sim::Place place = mpmd::sim::Place::here()) const;
    void SetValue(std::uint32_t index, T value, mpmd::sim::Place place = mpmd::sim::Place::here()) const;

private:
    TPosition position_ = TPosition::GM;
    std::uint32_t address_ = 0;
    std::int64_t count_ = 0;
};

template <typename T>
class GlobalTensor {
public:
    void SetGlobalBuffer(T* pointer) { SetGlobalBuffer(pointer, UINT64_MAX / sizeof(T)); }
    void SetGlobalBuffer(T* pointer, std::uint64_t count) {
        buffer_ = mpmd::ascend::run().global.find(pointer);
        if (buffer_)
            first_ = static_cast<std::int64_t>(reinterpret_cast<const unsigned char*>(pointer) -
                                               buffer_->memory.bytes.data());
        count_ = count;
    }

    GlobalTensor operator[](std::uint64_t offset) const {
        GlobalTensor part = *this;
        part.first_ += static_cast<std::int64_t>(offset * sizeof(T));
        part.count_ = offset > count_ ? 0 : count_ - offset;
        return part;
    }

    mpmd::ascend::Buffer* buffer() const { return buffer_; }
    std::int64_t first() const { return first_; }
    std::uint64_t count() const { return count_; }

    T GetValue(std::uint64_t index, mpmd::sim::Place place = mpmd::sim::Place::here()) const;
    void SetValue(std::uint64_t index, T value, mpmd::sim::Place place = mpmd::sim::Place::here()) const;

private:
    mpmd::ascend::Buffer* buffer_ = nullptr;
    std::int64_t first_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace AscendC

namespace mpmd::ascend {

using AscendC::GlobalTensor;
using AscendC::LocalTensor;
using AscendC::TPosition;

// An instruction: its name in reports, its pipe, its place in the text.
struct Instruction {
    const char* name;
    pipe_t pipe;
    sim::Place place;

    [[noreturn]] void refuse(const char* law, const std::string& message) const {
        fail(law, pipe, std::string(name) + ": " + message, place);
    }
    void check() const { require_pipe(pipe, name, place); }
};

// A place in memory of a core, or in a buffer, from which an instruction may go as far as it has said.
struct Local {
    sim::Memory* memory;
    std::uint64_t first;
};

struct Far {
    Buffer* buffer;
    std::uint64_t first;
};

inline Space space_of(TPosition position, const Instruction& instruction) {
    switch (position) {
        case TPosition::VECIN:
        case TPosition::VECOUT:
        case TPosition::VECCALC: return Space::ub;
        case TPosition::A1:
        case TPosition::B1: return Space::l1;
        case TPosition::A2: return Space::l0a;
        case TPosition::B2: return Space::l0b;
        case TPosition::CO1: return Space::l0c;
        default: instruction.refuse("space", "a tensor in a position that no memory of these cores has");
    }
}

// `elements`: how far the instruction goes. `alignment`: of the address in bytes, 0 for that of the memory.
template <typename T>
Local operand(const LocalTensor<T>& tensor, std::int64_t elements, const Instruction& instruction,
              std::uint32_t alignment = 0) {
    const Space space = space_of(tensor.GetPosition(), instruction);
    const Storage& storage = machine.storage[static_cast<std::size_t>(space)];
    Core& self = core();
    if (storage.kind != self.kind) instruction.refuse("space", self.name + " has no " + storage.name);
    if (!alignment) alignment = storage.alignment;
    if (tensor.address() % alignment)
        instruction.refuse("alignment", "address " + std::to_string(tensor.address()) + " of " +
                                            storage.name + " is no multiple of " + std::to_string(alignment));
    if (tensor.count() < 0 || elements > tensor.count())
        instruction.refuse("range", "goes to element " + std::to_string(elements) + " of a tensor of " +
                                        std::to_string(tensor.count()));
    const auto end =
        static_cast<std::int64_t>(tensor.address()) + tensor.count() * static_cast<std::int64_t>(sizeof(T));
    if (end > storage.bytes)
        instruction.refuse("capacity", "a tensor ends at byte " + std::to_string(end) + " of " +
                                           storage.name + ", which has " + std::to_string(storage.bytes));
    return {&self.memory(space), tensor.address()};
}

template <typename T>
Far operand(const GlobalTensor<T>& tensor, std::uint64_t bytes, const Instruction& instruction) {
    if (!tensor.buffer()) instruction.refuse("bounds", "a pointer that is in none of the arguments");
    const auto size = static_cast<std::int64_t>(tensor.buffer()->size);
    const auto first = tensor.first();
    if (first < 0 || first > size || static_cast<std::int64_t>(bytes) > size - first ||
        bytes > tensor.count() * sizeof(T))
        instruction.refuse("bounds", std::to_string(bytes) + " bytes from byte " + std::to_string(first) +
                                         " of " + tensor.buffer()->memory.name + ", which has " +
                                         std::to_string(size));
    return {tensor.buffer(), static_cast<std::uint64_t>(first)};
}

// -- effects: for what runs on a pipe --

// What is about to be used; nobody may have left it undefined.
inline void use_defined(const sim::Memory& memory, std::uint64_t first, std::uint64_t bytes,
                        const sim::Access& access, const Instruction& instruction) {
    const long hole = memory.undefined(first, bytes);
    if (hole >= 0)
        engine().report("poison",
                        std::string(instruction.name) + " uses " + memory.name + " at byte " +
                            std::to_string(hole) + ", which nobody has written",
                        access.epoch.actor, instruction.place);
}

inline void use(sim::Memory& memory, std::uint64_t first, std::uint64_t bytes, const sim::Access& access,
                const Instruction& instruction) {
    engine().read(memory, first, bytes, access);
    use_defined(memory, first, bytes, access, instruction);
}

inline void overwrite(sim::Memory& memory, std::uint64_t first, std::uint64_t bytes,
                      const sim::Access& access) {
    engine().write(memory, first, bytes, access);
    memory.define(first, bytes);
}

// Bytes as they are: what is undefined stays so. The accesses are noted by the caller.
inline void move(sim::Memory& to, std::uint64_t to_first, const sim::Memory& from, std::uint64_t from_first,
                 std::uint64_t bytes) {
    std::memmove(&to.bytes[to_first], &from.bytes[from_first], bytes);
    std::memmove(&to.defined[to_first], &from.defined[from_first], bytes);
}

inline void forget(sim::Memory& memory, std::uint64_t first, std::uint64_t bytes) {
    std::memset(&memory.bytes[first], sim::Memory::poison, bytes);
    std::memset(&memory.defined[first], 0, bytes);
}

template <typename T>
T get(const sim::Memory& memory, std::uint64_t address) {
    T value;
    std::memcpy(static_cast<void*>(&value), &memory.bytes[address], sizeof(T));
    return value;
}

template <typename T>
void put(sim::Memory& memory, std::uint64_t address, const T& value) {
    std::memcpy(&memory.bytes[address], static_cast<const void*>(&value), sizeof(T));
}

}  // namespace mpmd::ascend

// Vector instructions on bits and addresses: negation of bits, shifts, elements picked one by one.
//
// In:  Not, ShiftLeft, ShiftRight, Gather of the text. Out: effects on pipe V.
// Not here: arithmetic, And, Or (`vector.h`).
#pragma once
#include <cstdint>
#include <string>
#include <type_traits>

#include "vector.h"

namespace mpmd::ascend {

template <typename T>
constexpr bool is_shift_type =
    is_bit_type<T> || std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::uint32_t>;

template <typename T>
void require_shift(const T& by, const Instruction& instruction) {
    if (std::int64_t(by) < 0 || std::int64_t(by) > std::int64_t(8 * sizeof(T)))
        instruction.refuse("operand", "a shift by " + std::to_string(by) + "; it can be 0 to " +
                                          std::to_string(8 * sizeof(T)));
}

// The place of an element in a tensor of so many bytes, or a law that it breaks.
inline std::uint64_t picked(std::uint64_t offset, std::uint64_t element, std::uint64_t bytes,
                            const sim::Access& access, const Instruction& instruction) {
    const std::string what = "Gather: offset " + std::to_string(offset);
    if (offset % element)
        engine().fatal("alignment", what + " is within an element", access.epoch.actor, instruction.place);
    if (offset + element > bytes)
        engine().fatal("range", what + " of a tensor of " + std::to_string(bytes) + " bytes",
                       access.epoch.actor, instruction.place);
    return offset;
}

// Each element from a place of its own, in bytes from `from`.
template <typename T>
void gather(Core& self, Local to, Local from, std::uint64_t bytes, Local offsets, std::uint64_t base,
            std::uint64_t count, const Instruction& instruction) {
    const sim::Access access = engine().begin(*self.unit(PIPE_V).actor, instruction.place, instruction.name);
    use(*offsets.memory, offsets.first, count * 4, access, instruction);
    overwrite(*to.memory, to.first, count * sizeof(T), access);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t wanted = base + get<std::uint32_t>(*offsets.memory, offsets.first + i * 4);
        const std::uint64_t source = from.first + picked(wanted, sizeof(T), bytes, access, instruction);
        use(*from.memory, source, sizeof(T), access, instruction);
        put<T>(*to.memory, to.first + i * sizeof(T), get<T>(*from.memory, source));
    }
}

}  // namespace mpmd::ascend

namespace AscendC {

template <typename T>
void Not(const LocalTensor<T>& to, const LocalTensor<T>& from, const std::int32_t& count,
         mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(is_bit_type<T>, "Not takes int16_t and uint16_t");
    const Instruction instruction{"Not", PIPE_V, place};
    instruction.check();
    const Extent extent = counted<T>(count, instruction);
    elementwise(
        instruction, extent, [](T a) { return static_cast<T>(~a); }, strided(to, extent, 1, 8, instruction),
        strided(from, extent, 1, 8, instruction));
}

// Signed types keep their sign.
template <typename T>
void ShiftRight(const LocalTensor<T>& to, const LocalTensor<T>& from, const T& by, const std::int32_t& count,
                mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(is_shift_type<T>, "ShiftRight does not take this type");
    const Instruction instruction{"ShiftRight", PIPE_V, place};
    instruction.check();
    require_shift(by, instruction);
    const Extent extent = counted<T>(count, instruction);
    elementwise(
        instruction, extent, [by](T a) { return static_cast<T>(std::int64_t(a) >> by); },
        strided(to, extent, 1, 8, instruction), strided(from, extent, 1, 8, instruction));
}

template <typename T>
void ShiftLeft(const LocalTensor<T>& to, const LocalTensor<T>& from, const T& by, const std::int32_t& count,
               mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(is_shift_type<T>, "ShiftLeft does not take this type");
    const Instruction instruction{"ShiftLeft", PIPE_V, place};
    instruction.check();
    require_shift(by, instruction);
    const Extent extent = counted<T>(count, instruction);
    elementwise(
        instruction, extent, [by](T a) { return static_cast<T>(std::uint64_t(a) << by); },
        strided(to, extent, 1, 8, instruction), strided(from, extent, 1, 8, instruction));
}

template <typename T>
void Gather(const LocalTensor<T>& to, const LocalTensor<T>& from, const LocalTensor<std::uint32_t>& offsets,
            const std::uint32_t base, const std::uint32_t count,
            mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(sizeof(T) == 2 || sizeof(T) == 4, "Gather takes elements of 2 and of 4 bytes");
    const Instruction instruction{"Gather", PIPE_V, place};
    instruction.check();
    if (!count) instruction.refuse("operand", "a count of 0");
    const Local target = operand(to, count, instruction), source = operand(from, 0, instruction),
                places = operand(offsets, count, instruction);
    const std::uint64_t bytes = static_cast<std::uint64_t>(from.count()) * sizeof(T);
    issue(PIPE_V, [&self = core(), target, source, bytes, places, base, count, instruction] {
        gather<T>(self, target, source, bytes, places, base, count, instruction);
    });
}

}  // namespace AscendC

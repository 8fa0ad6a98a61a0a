// Vector instructions on the unified buffer.
//
// In:  the arithmetic of the text, by count or by mask, repeat and strides. Out: effects on pipe V.
// Not here: their order, which the text makes with PipeBarrier<PIPE_V>.
//
// An instruction runs over repeats of up to 8 blocks of 32 bytes; strides count blocks. What it computes in half
// it computes in single precision and rounds; hardware approximates some functions, which does not show here.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "copy.h"

namespace AscendC {

struct BinaryRepeatParams {
    BinaryRepeatParams() = default;
    BinaryRepeatParams(std::uint8_t dst_block, std::uint8_t src0_block, std::uint8_t src1_block,
                       std::uint8_t dst_repeat, std::uint8_t src0_repeat, std::uint8_t src1_repeat)
        : dstBlkStride(dst_block),
          src0BlkStride(src0_block),
          src1BlkStride(src1_block),
          dstRepStride(dst_repeat),
          src0RepStride(src0_repeat),
          src1RepStride(src1_repeat) {}
    std::uint8_t dstBlkStride = 1, src0BlkStride = 1, src1BlkStride = 1, dstRepStride = 8, src0RepStride = 8,
                 src1RepStride = 8;
};

struct BrcbRepeatParams {
    BrcbRepeatParams() = default;
    BrcbRepeatParams(std::uint16_t block, std::uint16_t repeat) : dstBlkStride(block), dstRepStride(repeat) {}
    std::uint16_t dstBlkStride = 1, dstRepStride = 8;
};

enum class ReduceType { SUM, MAX, MIN };
enum class ReduceOrder { ORDER_VALUE_INDEX, ORDER_INDEX_VALUE, ORDER_ONLY_VALUE, ORDER_ONLY_INDEX };

}  // namespace AscendC

namespace mpmd::ascend {

constexpr std::uint64_t repeat_bytes = 256;

// How many elements each repeat touches, the last of them `tail`.
struct Extent {
    std::uint64_t repeats, mask, tail;

    std::uint64_t of(std::uint64_t repeat) const { return repeat + 1 == repeats ? tail : mask; }
};

template <typename T>
Extent counted(std::int64_t count, const Instruction& instruction) {
    if (count < 1) instruction.refuse("operand", "a count of " + std::to_string(count));
    const std::uint64_t full = repeat_bytes / sizeof(T), n = static_cast<std::uint64_t>(count);
    const std::uint64_t repeats = (n + full - 1) / full;
    return {repeats, full, n - (repeats - 1) * full};
}

template <typename T>
Extent masked(std::uint64_t mask, std::uint64_t repeats, const Instruction& instruction) {
    const std::uint64_t full = repeat_bytes / sizeof(T);
    if (mask < 1 || mask > full)
        instruction.refuse("operand",
                           "a mask of " + std::to_string(mask) + "; it can be 1 to " + std::to_string(full));
    if (repeats < 1 || repeats > 255)
        instruction.refuse("operand", std::to_string(repeats) + " repeats; there can be 1 to 255");
    return {repeats, mask, mask};
}

// Where the elements of an operand stand: strides in blocks between blocks and between repeats.
template <typename T>
struct Strided {
    Local at;
    std::uint64_t block_stride, repeat_stride;

    static constexpr std::uint64_t per_block = block / sizeof(T);

    std::uint64_t address(std::uint64_t repeat, std::uint64_t element) const {
        return at.first + (repeat * repeat_stride + element / per_block * block_stride) * block +
               element % per_block * sizeof(T);
    }

    // Calls `touch(first, bytes)` for each range that is touched.
    template <typename Touch>
    void ranges(const Extent& extent, Touch touch) const {
        if (block_stride == 1 && repeat_stride * block == extent.mask * sizeof(T))
            return touch(at.first, ((extent.repeats - 1) * extent.mask + extent.tail) * sizeof(T));
        for (std::uint64_t repeat = 0; repeat < extent.repeats; ++repeat) {
            const std::uint64_t count = extent.of(repeat);
            if (block_stride == 1) {
                touch(address(repeat, 0), count * sizeof(T));
                continue;
            }
            for (std::uint64_t first = 0; first < count; first += per_block)
                touch(address(repeat, first), std::min(per_block, count - first) * sizeof(T));
        }
    }
};

template <typename T>
Strided<T> strided(const LocalTensor<T>& tensor, const Extent& extent, std::uint64_t block_stride,
                   std::uint64_t repeat_stride, const Instruction& instruction) {
    std::uint64_t end = 0;
    const Strided<T> shape{{nullptr, 0}, block_stride, repeat_stride};
    shape.ranges(extent,
                 [&](std::uint64_t first, std::uint64_t bytes) { end = std::max(end, first + bytes); });
    return {operand(tensor, static_cast<std::int64_t>(end / sizeof(T)), instruction), block_stride,
            repeat_stride};
}

template <typename T>
void use_ranges(const Strided<T>& from, const Extent& extent, const sim::Access& access,
                const Instruction& instruction) {
    from.ranges(extent, [&](std::uint64_t first, std::uint64_t bytes) {
        use(*from.at.memory, first, bytes, access, instruction);
    });
}

template <typename T>
void overwrite_ranges(const Strided<T>& to, const Extent& extent, const sim::Access& access) {
    to.ranges(extent, [&](std::uint64_t first, std::uint64_t bytes) {
        overwrite(*to.at.memory, first, bytes, access);
    });
}

// dst = function(sources…), element by element, in order.
template <typename D, typename F, typename... S>
void elementwise(const Instruction& instruction, const Extent& extent, F function, Strided<D> to,
                 Strided<S>... from) {
    issue(PIPE_V, [&self = core(), instruction, extent, function, to, from...] {
        const sim::Access access =
            engine().begin(*self.unit(PIPE_V).actor, instruction.place, instruction.name);
        (use_ranges(from, extent, access, instruction), ...);
        overwrite_ranges(to, extent, access);
        for (std::uint64_t repeat = 0; repeat < extent.repeats; ++repeat)
            for (std::uint64_t i = 0; i < extent.of(repeat); ++i)
                put<D>(*to.at.memory, to.address(repeat, i),
                       function(get<S>(*from.at.memory, from.address(repeat, i))...));
    });
}

template <typename T>
constexpr bool is_float_type = std::is_same_v<T, float> || std::is_same_v<T, half>;
template <typename T>
constexpr bool is_vector_type =
    is_float_type<T> || std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::int16_t>;
template <typename T>
constexpr bool is_bit_type = std::is_same_v<T, std::int16_t> || std::is_same_v<T, std::uint16_t>;

template <typename T, typename... Types>
constexpr bool is_one_of = (std::is_same_v<T, Types> || ...);

// The pairs of Atlas A2, without those of 4 bits: to T from U.
template <typename T, typename U>
constexpr bool is_castable =
    (std::is_same_v<U, float> && is_one_of<T, half, bfloat16_t, float, std::int16_t, std::int32_t, std::int64_t>) ||
    (std::is_same_v<U, half> && is_one_of<T, float, std::int8_t, std::uint8_t, std::int16_t, std::int32_t>) ||
    (std::is_same_v<U, bfloat16_t> && is_one_of<T, float, std::int32_t>) ||
    (is_one_of<U, std::int8_t, std::uint8_t> && std::is_same_v<T, half>) ||
    (std::is_same_v<U, std::int16_t> && is_one_of<T, half, float>) ||
    (std::is_same_v<U, std::int32_t> && is_one_of<T, float, std::int16_t, std::int64_t>) ||
    (std::is_same_v<U, std::int64_t> && is_one_of<T, float, std::int32_t>);

// An integer whose sums and products wrap.
template <typename T>
struct Wrapping {
    T value;
    using Wide = std::make_unsigned_t<std::common_type_t<T, int>>;

    explicit operator T() const { return value; }
    Wrapping operator+(Wrapping b) const { return {static_cast<T>(Wide(value) + Wide(b.value))}; }
    Wrapping operator-(Wrapping b) const { return {static_cast<T>(Wide(value) - Wide(b.value))}; }
    Wrapping operator*(Wrapping b) const { return {static_cast<T>(Wide(value) * Wide(b.value))}; }
    Wrapping operator&(Wrapping b) const { return {static_cast<T>(value & b.value)}; }
    Wrapping operator|(Wrapping b) const { return {static_cast<T>(value | b.value)}; }
    bool operator<(Wrapping b) const { return value < b.value; }
};

// `compute(a, b)` in the type that T is computed in.
template <typename T, typename F>
auto computed(F compute) {
    if constexpr (is_float_type<T>)
        return [compute](auto... values) {
            return T(static_cast<float>(compute(static_cast<float>(values)...)));
        };
    else
        return [compute](auto... values) { return static_cast<T>(compute(Wrapping<T>{values}...)); };
}

}  // namespace mpmd::ascend

namespace AscendC {

#define MPMD_HERE mpmd::sim::Place place = mpmd::sim::Place::here()

// -- two operands: by count, or by mask, repeats and strides --

#define MPMD_BINARY(NAME, TYPES, EXPRESSION)                                                           \
    template <typename T>                                                                              \
    void NAME(const LocalTensor<T>& to, const LocalTensor<T>& from0, const LocalTensor<T>& from1,      \
              const std::int32_t& count, MPMD_HERE) {                                                  \
        using namespace mpmd::ascend;                                                                  \
        static_assert(TYPES<T>, #NAME " does not take this type");                                     \
        const Instruction instruction{#NAME, PIPE_V, place};                                           \
        instruction.check();                                                                           \
        const Extent extent = counted<T>(count, instruction);                                          \
        elementwise(instruction, extent, computed<T>([](auto a, auto b) { return EXPRESSION; }),       \
                    strided(to, extent, 1, 8, instruction), strided(from0, extent, 1, 8, instruction), \
                    strided(from1, extent, 1, 8, instruction));                                        \
    }                                                                                                  \
    template <typename T>                                                                              \
    void NAME(const LocalTensor<T>& to, const LocalTensor<T>& from0, const LocalTensor<T>& from1,      \
              std::uint64_t mask, std::uint8_t repeats, const BinaryRepeatParams& p, MPMD_HERE) {      \
        using namespace mpmd::ascend;                                                                  \
        static_assert(TYPES<T>, #NAME " does not take this type");                                     \
        const Instruction instruction{#NAME, PIPE_V, place};                                           \
        instruction.check();                                                                           \
        const Extent extent = masked<T>(mask, repeats, instruction);                                   \
        elementwise(instruction, extent, computed<T>([](auto a, auto b) { return EXPRESSION; }),       \
                    strided(to, extent, p.dstBlkStride, p.dstRepStride, instruction),                  \
                    strided(from0, extent, p.src0BlkStride, p.src0RepStride, instruction),             \
                    strided(from1, extent, p.src1BlkStride, p.src1RepStride, instruction));            \
    }

MPMD_BINARY(Add, is_vector_type, a + b)
MPMD_BINARY(Sub, is_vector_type, a - b)
MPMD_BINARY(Mul, is_vector_type, a* b)
MPMD_BINARY(Div, is_float_type, a / b)
MPMD_BINARY(Max, is_vector_type, a < b ? b : a)
MPMD_BINARY(Min, is_vector_type, b < a ? b : a)
MPMD_BINARY(And, is_bit_type, a& b)
MPMD_BINARY(Or, is_bit_type, a | b)
#undef MPMD_BINARY

// -- one operand --

#define MPMD_UNARY(NAME, EXPRESSION)                                                                        \
    template <typename T>                                                                                   \
    void NAME(const LocalTensor<T>& to, const LocalTensor<T>& from, const std::int32_t& count, MPMD_HERE) { \
        using namespace mpmd::ascend;                                                                       \
        static_assert(is_float_type<T>, #NAME " takes half and float");                                     \
        const Instruction instruction{#NAME, PIPE_V, place};                                                \
        instruction.check();                                                                                \
        const Extent extent = counted<T>(count, instruction);                                               \
        elementwise(instruction, extent, computed<T>([](float a) { return EXPRESSION; }),                   \
                    strided(to, extent, 1, 8, instruction), strided(from, extent, 1, 8, instruction));      \
    }

MPMD_UNARY(Exp, std::exp(a))
MPMD_UNARY(Ln, std::log(a))
MPMD_UNARY(Abs, std::fabs(a))
MPMD_UNARY(Sqrt, std::sqrt(a))
MPMD_UNARY(Rsqrt, 1.0f / std::sqrt(a))
MPMD_UNARY(Reciprocal, 1.0f / a)
MPMD_UNARY(Relu, a > 0 ? a : 0.0f)
#undef MPMD_UNARY

// -- an operand and a scalar --

#define MPMD_SCALAR(NAME, EXPRESSION)                                                           \
    template <typename T>                                                                       \
    void NAME(const LocalTensor<T>& to, const LocalTensor<T>& from, const T& scalar,            \
              const std::int32_t& count, MPMD_HERE) {                                           \
        using namespace mpmd::ascend;                                                           \
        static_assert(is_vector_type<T>, #NAME " does not take this type");                     \
        const Instruction instruction{#NAME, PIPE_V, place};                                    \
        instruction.check();                                                                    \
        const Extent extent = counted<T>(count, instruction);                                   \
        const auto compute = computed<T>([](auto a, auto b) { return EXPRESSION; });            \
        elementwise(                                                                            \
            instruction, extent, [compute, scalar](T value) { return compute(value, scalar); }, \
            strided(to, extent, 1, 8, instruction), strided(from, extent, 1, 8, instruction));  \
    }

MPMD_SCALAR(Adds, a + b)
MPMD_SCALAR(Muls, a* b)
#undef MPMD_SCALAR

template <typename T>
void Duplicate(const LocalTensor<T>& to, const T& scalar, const std::int32_t& count, MPMD_HERE) {
    using namespace mpmd::ascend;
    const Instruction instruction{"Duplicate", PIPE_V, place};
    instruction.check();
    const Extent extent = counted<T>(count, instruction);
    elementwise(instruction, extent, [scalar] { return scalar; }, strided(to, extent, 1, 8, instruction));
}

// From type to type; CAST_NONE where nothing is lost, and to nearest where something is. From float to float: whole
// numbers.
template <typename T, typename U>
void Cast(const LocalTensor<T>& to, const LocalTensor<U>& from, const RoundMode& mode, std::uint32_t count,
          MPMD_HERE) {
    using namespace mpmd::ascend;
    static_assert(is_castable<T, U>, "Cast does not go between these types");
    const Instruction instruction{"Cast", PIPE_V, place};
    instruction.check();
    const std::uint64_t full = repeat_bytes / std::max(sizeof(T), sizeof(U)),
                        repeats = (count + full - 1) / full;
    if (!count) instruction.refuse("operand", "a count of 0");
    const Extent extent{repeats, full, count - (repeats - 1) * full};
    const auto convert = [mode](U value) {
        if constexpr (std::is_same_v<T, U>)
            return static_cast<T>(std::copysign(whole(std::fabs(value), std::signbit(value), mode), value));
        else
            return rounded<T>(static_cast<double>(value), mode);
    };
    elementwise(instruction, extent, convert,
                strided(to, extent, 1, full * sizeof(T) / mpmd::ascend::block, instruction),
                strided(from, extent, 1, full * sizeof(U) / mpmd::ascend::block, instruction));
}

// Each of 8 elements of a repeat fills a block.
template <typename T>
void Brcb(const LocalTensor<T>& to, const LocalTensor<T>& from, std::uint8_t repeats,
          const BrcbRepeatParams& p, MPMD_HERE) {
    using namespace mpmd::ascend;
    const Instruction instruction{"Brcb", PIPE_V, place};
    instruction.check();
    constexpr std::uint64_t per_block = mpmd::ascend::block / sizeof(T), each = 8;
    if (!repeats) instruction.refuse("operand", "0 repeats");
    const Extent extent{repeats, each * per_block, each * per_block};
    const Strided<T> target = strided(to, extent, p.dstBlkStride, p.dstRepStride, instruction);
    const Local source = operand(from, repeats * std::int64_t(each), instruction);
    issue(PIPE_V, [&self = core(), instruction, extent, target, source] {
        const auto access = engine().begin(*self.unit(PIPE_V).actor, instruction.place, instruction.name);
        use(*source.memory, source.first, extent.repeats * each * sizeof(T), access, instruction);
        overwrite_ranges(target, extent, access);
        for (std::uint64_t repeat = 0; repeat < extent.repeats; ++repeat)
            for (std::uint64_t i = 0; i < extent.mask; ++i)
                put<T>(*target.at.memory, target.address(repeat, i),
                       get<T>(*source.memory, source.first + (repeat * each + i / per_block) * sizeof(T)));
    });
}

#undef MPMD_HERE

}  // namespace AscendC

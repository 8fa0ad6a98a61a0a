// Reductions of each repeat to one element, or to an element and its index.
//
// In:  ReduceRepeat of the text. Out: its effect on pipe V.
// Not here: reductions over several repeats, which the text makes of these.
//
// A sum is a binary tree, as in hardware. The index is that of the first extreme, as bits of the element's size;
// by default MAX and MIN give both (`ReduceOrder`), so that results lie two elements apart.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "vector.h"

namespace mpmd::ascend {

using AscendC::ReduceOrder;
using AscendC::ReduceType;

template <typename T>
T tree_sum(std::vector<float> values) {
    while (values.size() > 1) {
        if (values.size() % 2) values.push_back(0.0f);
        for (std::size_t i = 0; i < values.size() / 2; ++i) values[i] = values[2 * i] + values[2 * i + 1];
        values.resize(values.size() / 2);
    }
    return T(values[0]);
}

template <ReduceType type, typename T>
std::size_t extreme(const std::vector<T>& values) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < values.size(); ++i)
        if (type == ReduceType::MAX ? values[best] < values[i] : values[i] < values[best]) best = i;
    return best;
}

template <typename T>
T bits_of(std::size_t index) {
    using Word = std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint32_t>;
    const auto word = static_cast<Word>(index);
    T value;
    std::memcpy(static_cast<void*>(&value), &word, sizeof(T));
    return value;
}

// What a repeat leaves: one or two elements.
template <ReduceType type, typename T>
std::vector<T> reduced(const std::vector<T>& values, ReduceOrder order) {
    if constexpr (type == ReduceType::SUM) {
        return {tree_sum<T>(std::vector<float>(values.begin(), values.end()))};
    } else {
        const std::size_t best = extreme<type>(values);
        const T index = bits_of<T>(best);
        switch (order) {
            case ReduceOrder::ORDER_ONLY_VALUE: return {values[best]};
            case ReduceOrder::ORDER_ONLY_INDEX: return {index};
            case ReduceOrder::ORDER_INDEX_VALUE: return {index, values[best]};
            default: return {values[best], index};
        }
    }
}

template <ReduceType type>
std::uint64_t results(ReduceOrder order) {
    const bool both = order == ReduceOrder::ORDER_VALUE_INDEX || order == ReduceOrder::ORDER_INDEX_VALUE;
    return type != ReduceType::SUM && both ? 2 : 1;
}

template <ReduceType type, typename T>
void reduce_repeats(Core& self, Local to, std::uint64_t pitch, const Strided<T>& from, const Extent& extent,
                    ReduceOrder order, const Instruction& instruction) {
    const sim::Access access = engine().begin(*self.unit(PIPE_V).actor, instruction.place, instruction.name);
    use_ranges(from, extent, access, instruction);
    for (std::uint64_t repeat = 0; repeat < extent.repeats; ++repeat) {
        std::vector<T> values;
        for (std::uint64_t i = 0; i < extent.mask; ++i)
            values.push_back(get<T>(*from.at.memory, from.address(repeat, i)));
        std::uint64_t address = to.first + repeat * pitch * sizeof(T);
        for (const T& value : reduced<type>(values, order)) {
            overwrite(*to.memory, address, sizeof(T), access);
            put<T>(*to.memory, address, value);
            address += sizeof(T);
        }
    }
}

}  // namespace mpmd::ascend

namespace AscendC {

// `dst_repeat` counts results, `src_block` and `src_repeat` count blocks.
template <ReduceType type, typename T>
void ReduceRepeat(const LocalTensor<T>& to, const LocalTensor<T>& from, std::int32_t mask,
                  std::int32_t repeats, std::int32_t dst_repeat, std::int32_t src_block,
                  std::int32_t src_repeat, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,
                  mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(is_float_type<T>, "ReduceRepeat takes half and float");
    const Instruction instruction{"ReduceRepeat", PIPE_V, place};
    instruction.check();
    if (mask < 0 || repeats < 0 || dst_repeat < 0 || src_block < 0 || src_repeat < 0)
        instruction.refuse("operand", "a negative count or stride");
    const Extent extent =
        masked<T>(static_cast<std::uint64_t>(mask), static_cast<std::uint64_t>(repeats), instruction);
    const Strided<T> source = strided(from, extent, static_cast<std::uint64_t>(src_block),
                                      static_cast<std::uint64_t>(src_repeat), instruction);
    const std::uint64_t each = results<type>(order), pitch = static_cast<std::uint64_t>(dst_repeat) * each;
    const Local target = operand(to, static_cast<std::int64_t>((extent.repeats - 1) * pitch + each),
                                 instruction, each * sizeof(T));
    issue(PIPE_V, [&self = core(), target, pitch, source, extent, order, instruction] {
        reduce_repeats<type, T>(self, target, pitch, source, extent, order, instruction);
    });
}

}  // namespace AscendC

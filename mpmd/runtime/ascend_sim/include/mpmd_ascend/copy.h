// Copies between global memory and the memories of cores.
//
// In:  DataCopy, DataCopyPad of the text. Out: their effects on MTE2 and MTE3.
// Not here: the cube's own moves (`cube.h`).
//
// A copy takes effect all at once, late. What it brings from global memory may be undefined and stays so; what
// it takes there may not.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "numbers.h"
#include "scalar.h"

namespace AscendC {

struct Nd2NzParams {
    Nd2NzParams() = default;
    Nd2NzParams(std::uint16_t nd_num, std::uint16_t n, std::uint16_t d, std::uint16_t src_matrix,
                std::uint16_t src_d, std::uint16_t dst_c0, std::uint16_t dst_n, std::uint16_t dst_matrix)
        : ndNum(nd_num),
          nValue(n),
          dValue(d),
          srcNdMatrixStride(src_matrix),
          srcDValue(src_d),
          dstNzC0Stride(dst_c0),
          dstNzNStride(dst_n),
          dstNzMatrixStride(dst_matrix) {}
    std::uint16_t ndNum = 0, nValue = 0, dValue = 0, srcNdMatrixStride = 0, srcDValue = 0, dstNzC0Stride = 0,
                  dstNzNStride = 0, dstNzMatrixStride = 0;
};

struct DataCopyExtParams {
    DataCopyExtParams() = default;
    DataCopyExtParams(std::uint16_t count, std::uint32_t length, std::uint32_t src, std::uint32_t dst,
                      std::uint32_t reserved)
        : blockCount(count), blockLen(length), srcStride(src), dstStride(dst), rsv(reserved) {}
    std::uint16_t blockCount = 1;
    std::uint32_t blockLen = 0, srcStride = 0, dstStride = 0, rsv = 0;
};

template <typename T>
struct DataCopyPadExtParams {
    DataCopyPadExtParams() = default;
    DataCopyPadExtParams(bool pad, std::uint8_t left, std::uint8_t right, T value)
        : isPad(pad), leftPadding(left), rightPadding(right), paddingValue(value) {}
    bool isPad = false;
    std::uint8_t leftPadding = 0, rightPadding = 0;
    T paddingValue{};
};

}  // namespace AscendC

namespace mpmd::ascend {

constexpr std::uint64_t block = 32;

inline std::uint64_t blocks_up(std::uint64_t bytes) { return (bytes + block - 1) / block * block; }

// Ranges of equal form: `count` rows of `length` bytes, a pitch apart on either side.
struct Rows {
    std::uint64_t count, length, far_pitch, local_pitch;

    std::uint64_t far_bytes() const { return (count - 1) * far_pitch + length; }
    std::uint64_t local_bytes(std::uint64_t of_row) const { return (count - 1) * local_pitch + of_row; }
};

// Each row comes to stand after its left padding; the block that it ends in is anything beyond the right one.
template <typename T>
void bring(Core& self, Local to, Far from, const Rows& rows, const AscendC::DataCopyPadExtParams<T>& pad,
           const Instruction& instruction) {
    const sim::Access access =
        engine().begin(*self.unit(PIPE_MTE2).actor, instruction.place, instruction.name);
    const std::uint64_t left = pad.leftPadding * sizeof(T),
                        padded = left + rows.length + pad.rightPadding * sizeof(T);
    for (std::uint64_t row = 0; row < rows.count; ++row) {
        const std::uint64_t source = from.first + row * rows.far_pitch,
                            target = to.first + row * rows.local_pitch;
        engine().read(from.buffer->memory, source, rows.length, access);
        engine().write(*to.memory, target, blocks_up(padded), access);
        forget(*to.memory, target, blocks_up(padded));
        for (std::uint64_t i = 0; i < padded; i += sizeof(T))
            put<T>(*to.memory, target + i, pad.paddingValue);
        to.memory->define(target, padded);
        move(*to.memory, target + left, from.buffer->memory, source, rows.length);
    }
}

inline void take(Core& self, Far to, Local from, const Rows& rows, const Instruction& instruction) {
    const sim::Access access =
        engine().begin(*self.unit(PIPE_MTE3).actor, instruction.place, instruction.name);
    for (std::uint64_t row = 0; row < rows.count; ++row) {
        const std::uint64_t target = to.first + row * rows.far_pitch,
                            source = from.first + row * rows.local_pitch;
        use(*from.memory, source, rows.length, access, instruction);
        engine().write(to.buffer->memory, target, rows.length, access);
        move(to.buffer->memory, target, *from.memory, source, rows.length);
        run().global.change(*to.buffer, target, rows.length);
    }
}

template <typename T>
void copy_in(const LocalTensor<T>& to, const GlobalTensor<T>& from, const Rows& rows,
             const AscendC::DataCopyPadExtParams<T>& pad, const Instruction& instruction) {
    instruction.check();
    const std::uint64_t row = blocks_up(rows.length + (pad.leftPadding + pad.rightPadding) * sizeof(T));
    const Local target =
        operand(to, static_cast<std::int64_t>(rows.local_bytes(row) / sizeof(T)), instruction);
    const Far source = operand(from, rows.far_bytes(), instruction);
    issue(PIPE_MTE2, [&self = core(), target, source, rows, pad, instruction] {
        bring(self, target, source, rows, pad, instruction);
    });
}

template <typename T>
void copy_out(const GlobalTensor<T>& to, const LocalTensor<T>& from, const Rows& rows,
              const Instruction& instruction) {
    instruction.check();
    const std::uint64_t bytes = rows.local_bytes(rows.length);
    const Local source =
        operand(from, static_cast<std::int64_t>((bytes + sizeof(T) - 1) / sizeof(T)), instruction);
    const Far target = operand(to, rows.far_bytes(), instruction);
    issue(PIPE_MTE3, [&self = core(), target, source, rows, instruction] {
        take(self, target, source, rows, instruction);
    });
}

inline void require_blocks(std::uint64_t bytes, const Instruction& instruction) {
    if (!bytes || bytes % block)
        instruction.refuse("alignment",
                           "moves blocks of 32 bytes, and " + std::to_string(bytes) + " are asked for");
}

inline void require_rows(const AscendC::DataCopyExtParams& params, const Instruction& instruction) {
    if (params.blockCount < 1 || params.blockCount > 4095)
        instruction.refuse("operand",
                           "blockCount is " + std::to_string(params.blockCount) + "; it can be 1 to 4095");
    if (params.blockLen < 1 || params.blockLen > 2097151)
        instruction.refuse(
            "operand", "blockLen is " + std::to_string(params.blockLen) + "; it can be 1 to 2097151 bytes");
}

// Rows of a matrix in global memory to blocks of 16 (2 bytes each) columns, one below the other: NZ.
template <typename T>
void bring_nz(Core& self, Local to, Far from, const AscendC::Nd2NzParams& p, const Instruction& instruction) {
    const sim::Access access =
        engine().begin(*self.unit(PIPE_MTE2).actor, instruction.place, instruction.name);
    constexpr std::uint64_t per_block = block / sizeof(T);
    for (std::uint64_t matrix = 0; matrix < p.ndNum; ++matrix)
        for (std::uint64_t n = 0; n < p.nValue; ++n) {
            const std::uint64_t source =
                from.first + (matrix * p.srcNdMatrixStride + n * p.srcDValue) * sizeof(T);
            engine().read(from.buffer->memory, source, p.dValue * sizeof(T), access);
            for (std::uint64_t d = 0; d < p.dValue; d += per_block) {
                const std::uint64_t target = to.first + matrix * p.dstNzMatrixStride * sizeof(T) +
                                             (d / per_block * p.dstNzC0Stride + n * p.dstNzNStride) * block;
                const std::uint64_t bytes = std::min<std::uint64_t>(per_block, p.dValue - d) * sizeof(T);
                engine().write(*to.memory, target, block, access);
                forget(*to.memory, target, block);
                move(*to.memory, target, from.buffer->memory, source + d * sizeof(T), bytes);
            }
        }
}

}  // namespace mpmd::ascend

namespace AscendC {

template <typename T>
void DataCopy(const LocalTensor<T>& to, const GlobalTensor<T>& from, std::uint32_t count,
              mpmd::sim::Place place = mpmd::sim::Place::here()) {
    const mpmd::ascend::Instruction instruction{"DataCopy", PIPE_MTE2, place};
    mpmd::ascend::require_blocks(count * sizeof(T), instruction);
    mpmd::ascend::copy_in(to, from, {1, count * sizeof(T), 0, 0}, DataCopyPadExtParams<T>(), instruction);
}

template <typename T>
void DataCopy(const GlobalTensor<T>& to, const LocalTensor<T>& from, std::uint32_t count,
              mpmd::sim::Place place = mpmd::sim::Place::here()) {
    const mpmd::ascend::Instruction instruction{"DataCopy", PIPE_MTE3, place};
    mpmd::ascend::require_blocks(count * sizeof(T), instruction);
    mpmd::ascend::copy_out(to, from, {1, count * sizeof(T), 0, 0}, instruction);
}

template <typename T>
void DataCopy(const LocalTensor<T>& to, const GlobalTensor<T>& from, const Nd2NzParams& p,
              mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    const Instruction instruction{"DataCopy", PIPE_MTE2, place};
    instruction.check();
    if (!p.ndNum || !p.nValue || !p.dValue)
        instruction.refuse("operand", "ndNum, nValue and dValue are 1 or more");
    const std::uint64_t per_block = mpmd::ascend::block / sizeof(T);
    const std::uint64_t last_block = std::uint64_t(p.dValue - 1) / per_block * p.dstNzC0Stride +
                                     std::uint64_t(p.nValue - 1) * p.dstNzNStride;
    const std::uint64_t local =
        std::uint64_t(p.ndNum - 1) * p.dstNzMatrixStride + (last_block + 1) * per_block;
    const std::uint64_t far = std::uint64_t(p.ndNum - 1) * p.srcNdMatrixStride +
                              std::uint64_t(p.nValue - 1) * p.srcDValue + p.dValue;
    const Local target = operand(to, static_cast<std::int64_t>(local), instruction);
    const Far source = operand(from, far * sizeof(T), instruction);
    issue(PIPE_MTE2, [&self = core(), target, source, p, instruction] {
        bring_nz<T>(self, target, source, p, instruction);
    });
}

template <typename T>
void DataCopyPad(const LocalTensor<T>& to, const GlobalTensor<T>& from, const DataCopyExtParams& params,
                 const DataCopyPadExtParams<T>& pad, mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    const Instruction instruction{"DataCopyPad", PIPE_MTE2, place};
    require_rows(params, instruction);
    const auto used = pad.isPad ? pad : DataCopyPadExtParams<T>();
    const std::uint64_t whole =
        blocks_up(params.blockLen + (used.leftPadding + used.rightPadding) * sizeof(T));
    const Rows rows{params.blockCount, params.blockLen, std::uint64_t(params.blockLen) + params.srcStride,
                    whole + params.dstStride * mpmd::ascend::block};
    copy_in(to, from, rows, used, instruction);
}

template <typename T>
void DataCopyPad(const GlobalTensor<T>& to, const LocalTensor<T>& from, const DataCopyExtParams& params,
                 mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    const Instruction instruction{"DataCopyPad", PIPE_MTE3, place};
    require_rows(params, instruction);
    const std::uint64_t far = std::uint64_t(params.blockLen) + params.dstStride;
    const std::uint64_t local = blocks_up(params.blockLen) + params.srcStride * mpmd::ascend::block;
    copy_out(to, from, Rows{params.blockCount, params.blockLen, far, local}, instruction);
}

}  // namespace AscendC

// The cube: fractals from L1 to L0A and L0B, products, and their way to global memory.
//
// In:  LoadData, LoadDataWithTranspose, Mmad, Fixpipe of the text. Out: their effects on MTE1, M and FIX.
// Not here: global memory to L1 (`copy.h`).
//
// A fractal is 16 rows of 32 bytes: 16 elements of 2 bytes, or 8 floats. L0A holds rows of fractals, rows inside
// (ZZ); L0B rows of fractals, columns inside (ZN), so that in both a row of a fractal goes along k; L0C columns of
// 16 by 16 floats, rows inside (NZ). Products are summed in k's order in single precision; the order in hardware
// is its own. Of padding, only what counts for the result must be defined.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>

#include "copy.h"

enum class QuantMode_t { NoQuant, F322F16, F322BF16 };

namespace AscendC {

struct LoadData2DParams {
    LoadData2DParams() = default;
    LoadData2DParams(std::uint16_t start, std::uint8_t repeat, std::uint16_t src, std::uint8_t its_sid,
                     std::uint16_t gap, bool transpose, std::uint8_t mode)
        : startIndex(start),
          repeatTimes(repeat),
          srcStride(src),
          sid(its_sid),
          dstGap(gap),
          ifTranspose(transpose),
          addrMode(mode) {}
    std::uint16_t startIndex = 0;
    std::uint8_t repeatTimes = 0;
    std::uint16_t srcStride = 0;
    std::uint8_t sid = 0;
    std::uint16_t dstGap = 0;
    bool ifTranspose = false;
    std::uint8_t addrMode = 0;
};

struct MmadParams {
    MmadParams() = default;
    MmadParams(std::uint16_t its_m, std::uint16_t its_n, std::uint16_t its_k, std::uint8_t flag, bool source,
               bool init)
        : m(its_m), n(its_n), k(its_k), unitFlag(flag), cmatrixSource(source), cmatrixInitVal(init) {}
    std::uint16_t m = 0, n = 0, k = 0;
    std::uint8_t unitFlag = 0;
    bool kDirectionAlign = false;
    bool cmatrixSource = false, cmatrixInitVal = true;
};

struct LoadData2dTransposeParams {
    LoadData2dTransposeParams() = default;
    LoadData2dTransposeParams(std::uint16_t start, std::uint8_t repeat, std::uint16_t src, std::uint16_t gap,
                              std::uint16_t fractal_gap)
        : startIndex(start), repeatTimes(repeat), srcStride(src), dstGap(gap), dstFracGap(fractal_gap) {}
    std::uint16_t startIndex = 0;
    std::uint8_t repeatTimes = 0;
    std::uint16_t srcStride = 0, dstGap = 0, dstFracGap = 0;
    std::uint8_t addrMode = 0;
};

struct FixpipeParamsV220 {
    FixpipeParamsV220() = default;
    FixpipeParamsV220(std::uint16_t n, std::uint16_t m, std::uint16_t src, std::uint32_t dst, bool relu,
                      QuantMode_t quant, std::uint64_t scalar, std::uint16_t nd, std::uint16_t src_nd,
                      std::uint16_t dst_nd, std::uint8_t flag)
        : nSize(n),
          mSize(m),
          srcStride(src),
          dstStride(dst),
          reluEn(relu),
          quantPre(quant),
          deqScalar(scalar),
          ndNum(nd),
          srcNdStride(src_nd),
          dstNdStride(dst_nd),
          unitFlag(flag) {}
    std::uint16_t nSize = 0, mSize = 0, srcStride = 0;
    std::uint32_t dstStride = 0;
    bool reluEn = false;
    QuantMode_t quantPre = QuantMode_t::NoQuant;
    std::uint64_t deqScalar = 0;
    std::uint16_t ndNum = 1, srcNdStride = 0, dstNdStride = 0;
    std::uint8_t unitFlag = 0;
};

enum class CO2Layout { NZ, ROW_MAJOR };
struct FixpipeConfig {
    CO2Layout format;
};
inline constexpr FixpipeConfig CFG_NZ{CO2Layout::NZ};
inline constexpr FixpipeConfig CFG_ROW_MAJOR{CO2Layout::ROW_MAJOR};

}  // namespace AscendC

namespace mpmd::ascend {

constexpr std::uint64_t side = 16;                 // of a fractal
constexpr std::uint64_t fractal_bytes = 512;       // in L1, L0A, L0B
constexpr std::uint64_t sum_fractal_bytes = 1024;  // in L0C

inline std::uint64_t fractals(std::uint64_t extent) { return (extent + side - 1) / side; }

template <typename T>
constexpr bool is_short = std::is_same_v<T, half> || std::is_same_v<T, bfloat16_t>;
template <typename T>
constexpr bool is_cube_type = is_short<T> || std::is_same_v<T, float>;

inline void transpose_fractal(sim::Memory& to, std::uint64_t target, const sim::Memory& from,
                              std::uint64_t source) {
    for (std::uint64_t row = 0; row < side; ++row)
        for (std::uint64_t column = 0; column < side; ++column)
            move(to, target + (column * side + row) * 2, from, source + (row * side + column) * 2, 2);
}

inline void load_fractals(Core& self, Local to, Local from, const AscendC::LoadData2DParams& p,
                          const Instruction& instruction) {
    const sim::Access access =
        engine().begin(*self.unit(PIPE_MTE1).actor, instruction.place, instruction.name);
    for (std::uint64_t i = 0; i < p.repeatTimes; ++i) {
        const std::uint64_t source = from.first + (p.startIndex + i * p.srcStride) * fractal_bytes;
        const std::uint64_t target = to.first + i * (1 + p.dstGap) * fractal_bytes;
        engine().read(*from.memory, source, fractal_bytes, access);
        engine().write(*to.memory, target, fractal_bytes, access);
        if (p.ifTranspose)
            transpose_fractal(*to.memory, target, *from.memory, source);
        else
            move(*to.memory, target, *from.memory, source, fractal_bytes);
    }
}

// Squares of 16 by 16 elements, `p.srcStride` squares apart, each turned over. A square of floats is two fractals
// side by side, and becomes two again, `p.dstFracGap` fractals between them.
template <typename T>
void load_squares(Core& self, Local to, Local from, const AscendC::LoadData2dTransposeParams& p,
                  const Instruction& instruction) {
    constexpr std::uint64_t depth = 32 / sizeof(T), parts = side / depth, square = parts * fractal_bytes;
    const sim::Access access =
        engine().begin(*self.unit(PIPE_MTE1).actor, instruction.place, instruction.name);
    for (std::uint64_t i = 0; i < p.repeatTimes; ++i) {
        const std::uint64_t source = from.first + (p.startIndex + i * p.srcStride) * square;
        const std::uint64_t target = to.first + i * (1 + p.dstGap) * fractal_bytes;
        const auto part_at = [&](std::uint64_t part) {
            return target + part * (1 + p.dstFracGap) * fractal_bytes;
        };
        engine().read(*from.memory, source, square, access);
        for (std::uint64_t part = 0; part < parts; ++part)
            engine().write(*to.memory, part_at(part), fractal_bytes, access);
        for (std::uint64_t row = 0; row < side; ++row)
            for (std::uint64_t column = 0; column < side; ++column)
                move(*to.memory, part_at(row / depth) + (column * depth + row % depth) * sizeof(T), *from.memory,
                     source + column / depth * fractal_bytes + (row * depth + column % depth) * sizeof(T),
                     sizeof(T));
    }
}

// Where element (row, column) stands, in bytes, in each of the three layouts.
struct Layouts {
    std::uint64_t m, n, k;  // in fractals
    std::uint64_t depth;    // elements of a row of a fractal, which goes along k

    std::uint64_t a(std::uint64_t i, std::uint64_t l) const {
        return (i / side * k + l / depth) * fractal_bytes + in_fractal(i, l);
    }
    std::uint64_t b(std::uint64_t l, std::uint64_t j) const {
        return (l / depth * n + j / side) * fractal_bytes + in_fractal(j, l);
    }
    std::uint64_t in_fractal(std::uint64_t row, std::uint64_t l) const {
        return (row % side * depth + l % depth) * (32 / depth);
    }
    std::uint64_t c(std::uint64_t i, std::uint64_t j) const {
        return j / side * m * sum_fractal_bytes + (i * side + j % side) * 4;
    }
};

// Of floats, k goes to a multiple of 8, or with `kDirectionAlign` of 16.
template <typename T>
Layouts layouts(const AscendC::MmadParams& p) {
    constexpr std::uint64_t depth = 32 / sizeof(T);
    const std::uint64_t step = p.kDirectionAlign ? side : depth;
    return {fractals(p.m), fractals(p.n), (p.k + step - 1) / step * step / depth, depth};
}

template <typename T>
void multiply(Core& self, Local c, Local a, Local b, const AscendC::MmadParams& p,
              const Instruction& instruction) {
    const sim::Access access = engine().begin(*self.unit(PIPE_M).actor, instruction.place, instruction.name);
    const Layouts at = layouts<T>(p);
    engine().read(*a.memory, a.first, at.m * at.k * fractal_bytes, access);
    engine().read(*b.memory, b.first, at.k * at.n * fractal_bytes, access);
    engine().write(*c.memory, c.first, at.m * at.n * sum_fractal_bytes, access);
    for (std::uint64_t l = 0; l < p.k; l += at.depth) {
        const std::uint64_t bytes = std::min<std::uint64_t>(at.depth, p.k - l) * sizeof(T);
        for (std::uint64_t i = 0; i < p.m; ++i)
            use_defined(*a.memory, a.first + at.a(i, l), bytes, access, instruction);
        for (std::uint64_t j = 0; j < p.n; ++j)
            use_defined(*b.memory, b.first + at.b(l, j), bytes, access, instruction);
    }
    for (std::uint64_t i = 0; i < p.m; ++i)
        for (std::uint64_t j = 0; j < p.n; ++j) {
            const std::uint64_t target = c.first + at.c(i, j);
            if (!p.cmatrixInitVal) use_defined(*c.memory, target, 4, access, instruction);
            float sum = p.cmatrixInitVal ? 0.0f : get<float>(*c.memory, target);
            for (std::uint64_t l = 0; l < p.k; ++l)
                sum += float(get<T>(*a.memory, a.first + at.a(i, l))) *
                       float(get<T>(*b.memory, b.first + at.b(l, j)));
            put<float>(*c.memory, target, sum);
            c.memory->define(target, 4);
        }
}

template <typename T>
void store_rows(Core& self, Far to, Local from, const AscendC::FixpipeParamsV220& p,
                const Instruction& instruction) {
    const sim::Access access =
        engine().begin(*self.unit(PIPE_FIX).actor, instruction.place, instruction.name);
    for (std::uint64_t j = 0; j < p.nSize; j += side) {
        const std::uint64_t columns = std::min<std::uint64_t>(side, p.nSize - j);
        for (std::uint64_t i = 0; i < p.mSize; ++i) {
            const std::uint64_t source = from.first + (j * p.srcStride + i * side) * 4;
            const std::uint64_t target = to.first + (i * p.dstStride + j) * sizeof(T);
            use(*from.memory, source, columns * 4, access, instruction);
            overwrite(to.buffer->memory, target, columns * sizeof(T), access);
            for (std::uint64_t column = 0; column < columns; ++column) {
                const float value = get<float>(*from.memory, source + column * 4);
                const float kept = p.reluEn && !(value > 0) ? 0.0f : value;
                put<T>(to.buffer->memory, target + column * sizeof(T),
                       rounded<T>(kept, RoundMode::CAST_RINT));
            }
        }
    }
    run().global.change(*to.buffer, to.first,
                        ((p.mSize - 1) * std::uint64_t(p.dstStride) + p.nSize) * sizeof(T));
}

template <typename T>
constexpr QuantMode_t quantised() {
    return std::is_same_v<T, half>         ? QuantMode_t::F322F16
           : std::is_same_v<T, bfloat16_t> ? QuantMode_t::F322BF16
                                           : QuantMode_t::NoQuant;
}

inline void require_in(TPosition position, Space first, Space second, const char* which,
                       const Instruction& instruction) {
    const Space space = space_of(position, instruction);
    if (space != first && space != second)
        instruction.refuse(
            "space", std::string(which) + " is in " + machine.storage[static_cast<std::size_t>(space)].name);
}

}  // namespace mpmd::ascend

namespace AscendC {

template <typename T>
void LoadData(const LocalTensor<T>& to, const LocalTensor<T>& from, const LoadData2DParams& p,
              mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(is_cube_type<T>, "LoadData here moves half, bfloat16_t and float");
    const Instruction instruction{"LoadData", PIPE_MTE1, place};
    instruction.check();
    require_in(from.GetPosition(), Space::l1, Space::l1, "the source", instruction);
    require_in(to.GetPosition(), Space::l0a, Space::l0b, "the destination", instruction);
    if (!p.repeatTimes) instruction.refuse("operand", "repeatTimes is 1 to 255");
    if (p.ifTranspose && !is_short<T>)
        instruction.refuse("operand", "only fractals of 16-bit elements are turned over");
    constexpr std::int64_t fractal = fractal_bytes / sizeof(T);
    const std::int64_t last = p.repeatTimes - 1;
    const Local source = operand(from, (p.startIndex + last * p.srcStride + 1) * fractal, instruction);
    const Local target = operand(to, (last * (1 + p.dstGap) + 1) * fractal, instruction);
    issue(PIPE_MTE1, [&self = core(), target, source, p, instruction] {
        load_fractals(self, target, source, p, instruction);
    });
}

template <typename T>
void LoadDataWithTranspose(const LocalTensor<T>& to, const LocalTensor<T>& from,
                           const LoadData2dTransposeParams& p,
                           mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(is_cube_type<T>, "LoadDataWithTranspose here moves half, bfloat16_t and float");
    const Instruction instruction{"LoadDataWithTranspose", PIPE_MTE1, place};
    instruction.check();
    require_in(from.GetPosition(), Space::l1, Space::l1, "the source", instruction);
    require_in(to.GetPosition(), Space::l0a, Space::l0b, "the destination", instruction);
    if (!p.repeatTimes) instruction.refuse("operand", "repeatTimes is 1 to 255");
    if (p.addrMode) instruction.refuse("operand", "addresses that go down are not in the subset");
    constexpr std::int64_t fractal = fractal_bytes / sizeof(T), parts = side * sizeof(T) / 32;
    const std::int64_t last = p.repeatTimes - 1;
    const std::int64_t parts_end = (parts - 1) * (1 + p.dstFracGap) + 1;
    const Local source = operand(from, (p.startIndex + last * p.srcStride + 1) * fractal * parts, instruction, 32);
    const Local target = operand(to, (last * (1 + p.dstGap) + parts_end) * fractal, instruction);
    issue(PIPE_MTE1, [&self = core(), target, source, p, instruction] {
        load_squares<T>(self, target, source, p, instruction);
    });
}

template <typename C, typename A, typename B>
void Mmad(const LocalTensor<C>& c, const LocalTensor<A>& a, const LocalTensor<B>& b, const MmadParams& p,
          mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(std::is_same_v<C, float> && std::is_same_v<A, B> && is_cube_type<A>,
                  "Mmad here: float of half, of bfloat16_t or of float");
    const Instruction instruction{"Mmad", PIPE_M, place};
    instruction.check();
    require_in(a.GetPosition(), Space::l0a, Space::l0a, "the left factor", instruction);
    require_in(b.GetPosition(), Space::l0b, Space::l0b, "the right factor", instruction);
    require_in(c.GetPosition(), Space::l0c, Space::l0c, "the sum", instruction);
    if (!p.m || !p.n || !p.k || p.m > 4095 || p.n > 4095 || p.k > 4095)
        instruction.refuse("operand", "m, n and k are 1 to 4095");
    if (p.m == 1)
        instruction.refuse("operand",
                           "m = 1 is the cube's vector form, with another layout of the left factor");
    if (p.cmatrixSource)
        instruction.refuse("operand", "sums that begin with a bias table are not in the subset");
    const Layouts at = layouts<A>(p);
    const auto m = static_cast<std::int64_t>(at.m), n = static_cast<std::int64_t>(at.n),
               k = static_cast<std::int64_t>(at.k);
    constexpr std::int64_t fractal = fractal_bytes / sizeof(A);
    const Local left = operand(a, m * k * fractal, instruction), right = operand(b, k * n * fractal, instruction),
                sum = operand(c, m * n * 256, instruction);
    issue(PIPE_M, [&self = core(), sum, left, right, p, instruction] {
        multiply<A>(self, sum, left, right, p, instruction);
    });
}

template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const GlobalTensor<T>& to, const LocalTensor<U>& from, const FixpipeParamsV220& p,
             mpmd::sim::Place place = mpmd::sim::Place::here()) {
    using namespace mpmd::ascend;
    static_assert(std::is_same_v<U, float> && config.format == CO2Layout::ROW_MAJOR,
                  "Fixpipe here: float, to rows");
    const Instruction instruction{"Fixpipe", PIPE_FIX, place};
    instruction.check();
    require_in(from.GetPosition(), Space::l0c, Space::l0c, "the source", instruction);
    if (!p.nSize || !p.mSize || p.ndNum != 1)
        instruction.refuse("operand", "nSize and mSize are 1 or more, ndNum is 1");
    if (p.quantPre != quantised<T>())
        instruction.refuse("operand", "quantPre does not fit the type of the result");
    const std::int64_t last = (p.nSize - 1) / 16;
    const Local source =
        operand(from, last * p.srcStride * 16 + (p.mSize - 1) * 16 + (p.nSize - last * 16), instruction);
    const Far target =
        operand(to, ((p.mSize - 1) * std::uint64_t(p.dstStride) + p.nSize) * sizeof(T), instruction);
    issue(PIPE_FIX, [&self = core(), target, source, p, instruction] {
        store_rows<T>(self, target, source, p, instruction);
    });
}

}  // namespace AscendC

// Number formats: half and bfloat16, and rounding to them.
//
// In:  floats. Out: `half`, `bfloat16_t`, `rounded`.
// Not here: which instruction takes which type.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace AscendC {
enum class RoundMode { CAST_NONE = 0, CAST_RINT, CAST_FLOOR, CAST_CEIL, CAST_ROUND, CAST_TRUNC, CAST_ODD };
}

namespace mpmd::ascend {

using AscendC::RoundMode;

// A number ≥ 0 to a whole one; `negative` tells the sign of what it stands for.
inline double whole(double value, bool negative, RoundMode mode) {
    const double below = std::floor(value);
    if (below == value) return value;
    switch (mode) {
        case RoundMode::CAST_FLOOR: return negative ? below + 1 : below;
        case RoundMode::CAST_CEIL: return negative ? below : below + 1;
        case RoundMode::CAST_ROUND: return std::floor(value + 0.5);
        case RoundMode::CAST_TRUNC: return below;
        case RoundMode::CAST_ODD: return std::fmod(below, 2) == 0 ? below + 1 : below;
        default: return std::nearbyint(value);  // to nearest, ties to even
    }
}

// A binary format of 16 bits with `mantissa` bits after the point.
template <int mantissa, int exponent>
struct Format {
    static constexpr int bias = (1 << (exponent - 1)) - 1;
    static constexpr std::uint16_t infinity = ((1 << exponent) - 1) << mantissa;

    static std::uint16_t encode(double value, RoundMode mode) {
        const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
        if (std::isnan(value)) return sign | infinity | (1 << (mantissa - 1));
        double size = std::fabs(value);
        if (std::isinf(size)) return sign | infinity;
        if (size == 0) return sign;
        int power = 0;
        std::frexp(size, &power);  // size = f · 2^power, ½ ≤ f < 1
        const int scale = std::max(power - 1, 1 - bias) - mantissa;
        size = whole(std::ldexp(size, -scale), sign != 0, mode);
        const double largest = std::ldexp((1 << (mantissa + 1)) - 1, bias - mantissa);
        if (std::ldexp(size, scale) > largest) return sign | overflow(sign != 0, mode);
        // Subnormal: the exponent's bits are 0 and the implied bit is missing, which adding takes care of.
        const int biased = scale + mantissa + bias - 1;
        return static_cast<std::uint16_t>(sign | (static_cast<int>(size) + (biased << mantissa)));
    }

    static float decode(std::uint16_t bits) {
        const int power = (bits & 0x7fff) >> mantissa, fraction = bits & ((1 << mantissa) - 1);
        float size = 0;
        if (power == (1 << exponent) - 1)
            size =
                fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
        else if (power == 0)
            size = std::ldexp(static_cast<float>(fraction), 1 - bias - mantissa);
        else
            size = std::ldexp(static_cast<float>(fraction | (1 << mantissa)), power - bias - mantissa);
        return bits & 0x8000 ? -size : size;
    }

private:
    static std::uint16_t overflow(bool negative, RoundMode mode) {
        const bool away = mode == RoundMode::CAST_FLOOR ? negative
                          : mode == RoundMode::CAST_CEIL
                              ? !negative
                              : mode != RoundMode::CAST_TRUNC && mode != RoundMode::CAST_ODD;
        return away ? infinity : infinity - 1;
    }
};

template <int mantissa, int exponent>
struct Float16 {
    using Bits = Format<mantissa, exponent>;
    std::uint16_t bits;

    Float16() = default;
    Float16(float value) : bits(Bits::encode(value, RoundMode::CAST_RINT)) {}
    Float16(double value) : bits(Bits::encode(value, RoundMode::CAST_RINT)) {}
    Float16(int value) : bits(Bits::encode(value, RoundMode::CAST_RINT)) {}
    operator float() const { return decoded()[bits]; }

private:
    static const std::vector<float>& decoded() {  // on the heap, since fibers have small stacks
        static const std::vector<float> table = [] {
            std::vector<float> values(65536);
            for (int i = 0; i < 65536; ++i)
                values[static_cast<std::size_t>(i)] = Bits::decode(static_cast<std::uint16_t>(i));
            return values;
        }();
        return table;
    }
};

}  // namespace mpmd::ascend

using half = mpmd::ascend::Float16<10, 5>;
using bfloat16_t = mpmd::ascend::Float16<7, 8>;

namespace mpmd::ascend {

// `value` as a T, rounded as a Cast does. Integers saturate; of NaN they are 0.
template <typename T>
T rounded(double value, RoundMode mode) {
    if constexpr (std::is_same_v<T, half> || std::is_same_v<T, bfloat16_t>) {
        T result;
        result.bits = T::Bits::encode(value, mode);
        return result;
    } else if constexpr (std::is_integral_v<T>) {
        if (std::isnan(value)) return 0;
        const double whole_value = std::copysign(whole(std::fabs(value), value < 0, mode), value);
        if (whole_value >= std::ldexp(1.0, std::numeric_limits<T>::digits))
            return std::numeric_limits<T>::max();
        if (whole_value <= static_cast<double>(std::numeric_limits<T>::min()))
            return std::numeric_limits<T>::min();
        return static_cast<T>(whole_value);
    } else {
        return static_cast<T>(value);
    }
}

}  // namespace mpmd::ascend

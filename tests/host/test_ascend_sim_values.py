"""What instructions compute on the simulator, against NumPy and ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from mpmd.errors import ArgumentError, ToolchainError
from mpmd.runtime.ascend_sim import Simulated, compile_text

N = 256

TEXT = """
using namespace AscendC;
struct Args {
    __gm__ float* x;
    __gm__ half* h;
    __gm__ bfloat16_t* b;
    __gm__ int32_t* i;
    __gm__ float* y;
    int32_t which;
};
constexpr int N = 256;

template <typename T>
GlobalTensor<T> Far(T* pointer) {
    GlobalTensor<T> tensor;
    tensor.SetGlobalBuffer(pointer);
    return tensor;
}

template <typename T>
void Convert(const LocalTensor<float>& x, T* to, RoundMode mode) {
    LocalTensor<T> local(TPosition::VECOUT, 8192, N);
    Cast(local, x, mode, N);
    PipeBarrier<PIPE_ALL>();
    DataCopy(Far(to), local, N);
}

__schedmode__(1) __global__ __mix__(0, 1) void values(Args args) {
    InitSocState();
    LocalTensor<float> x(TPosition::VECIN, 0, N), y(TPosition::VECOUT, 1024, N);
    LocalTensor<half> h(TPosition::VECCALC, 2048, N);
    DataCopy(x, Far(args.x), N);
    PipeBarrier<PIPE_ALL>();
    switch (args.which) {
        case 0: Convert(x, args.h, RoundMode::CAST_RINT); break;
        case 1: Convert(x, args.b, RoundMode::CAST_RINT); break;
        case 2: Convert(x, args.i, RoundMode::CAST_RINT); break;
        case 3: Convert(x, args.i, RoundMode::CAST_FLOOR); break;
        case 4: Convert(x, args.i, RoundMode::CAST_CEIL); break;
        case 5: Convert(x, args.i, RoundMode::CAST_ROUND); break;
        case 6: Convert(x, args.i, RoundMode::CAST_TRUNC); break;
        case 7: Convert(x, args.h, RoundMode::CAST_TRUNC); break;
        case 8:
            Cast(h, x, RoundMode::CAST_RINT, N);
            PipeBarrier<PIPE_V>();
            Mul(h, h, h, N);
            PipeBarrier<PIPE_ALL>();
            DataCopy(Far(args.h), h, N);
            break;
        case 9:
            ReduceRepeat<ReduceType::MAX>(y, x, 64, N / 64, 1, 1, 8);
            PipeBarrier<PIPE_ALL>();
            DataCopy(Far(args.y), y, 8);
            break;
        case 10:
            Brcb(y, x, N / 64, BrcbRepeatParams(1, 8));
            PipeBarrier<PIPE_ALL>();
            DataCopy(Far(args.y), y, N);
            break;
        case 11: {  // every third element, from the fifth on
            LocalTensor<int32_t> at(TPosition::VECCALC, 4096, N);
            for (int i = 0; i < 64; ++i) at.SetValue(i, 12 * i);
            PipeBarrier<PIPE_ALL>();
            Gather(y, x, at.ReinterpretCast<uint32_t>(), 20, 64);
            PipeBarrier<PIPE_ALL>();
            DataCopy(Far(args.y), y, 64);
            break;
        }
        case 12:
            Cast(y, x, RoundMode::CAST_FLOOR, N);
            PipeBarrier<PIPE_ALL>();
            DataCopy(Far(args.y), y, N);
            break;
        case 13: {  // the bits of x: all of its sign, and of those of twice as much as an integer the others
            LocalTensor<int32_t> bits = x.ReinterpretCast<int32_t>(), i(TPosition::VECCALC, 4096, N);
            LocalTensor<int16_t> shorts = i.ReinterpretCast<int16_t>();
            Muls(i, bits, 2, N);
            PipeBarrier<PIPE_V>();
            Not(shorts, shorts, 2 * N);
            ShiftRight(bits, bits, 31, N);
            PipeBarrier<PIPE_V>();
            Or(shorts, shorts, bits.ReinterpretCast<int16_t>(), 2 * N);
            PipeBarrier<PIPE_ALL>();
            DataCopy(Far(args.i), i, N);
            break;
        }
    }
    PipeBarrier<PIPE_ALL>();
}
"""


@pytest.fixture(scope="module")
def kernel() -> Simulated:
    return compile_text((("values.h", TEXT),), main="values.h", strict=True)


def numbers() -> np.ndarray:
    """Halves of integers, subnormals, overflows and ordinary numbers of a half."""
    values = np.random.default_rng(0)
    parts = (
        np.arange(-32, 32) / 2,
        values.standard_normal(64) * 2.0**-22,
        values.standard_normal(32) * 65520,
        values.standard_normal(92) * 100,
        (65504, 65519.99, 65520, -0.0),
    )
    return np.concatenate(parts).astype(np.float32)


def results(kernel: Simulated, which: int, x: np.ndarray) -> dict[str, np.ndarray]:
    arrays = {
        "x": x.copy(), "h": np.zeros(N, np.float16), "b": np.zeros(N, ml_dtypes.bfloat16),
        "i": np.zeros(N, np.int32), "y": np.zeros(N, np.float32),
    }  # fmt: skip
    found = kernel.run({**arrays, "which": np.int32(which)}, groups=1)
    assert found.reports == ()
    return arrays


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def test_half_and_bfloat16_are_rounded_to_nearest_even(kernel: Simulated) -> None:
    x = numbers()
    with np.errstate(over="ignore"):
        assert same_bits(results(kernel, 0, x)["h"], x.astype(np.float16))
        assert same_bits(results(kernel, 1, x)["b"], x.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize(
    ("which", "rounding"),
    [
        (2, np.rint),
        (3, np.floor),
        (4, np.ceil),
        (5, lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x)),
        (6, np.trunc),
    ],
)
def test_every_mode_rounds_to_integers_its_way(kernel: Simulated, which: int, rounding: np.ufunc) -> None:
    x = numbers()
    assert same_bits(results(kernel, which, x)["i"], rounding(x.astype(np.float64)).astype(np.int32))


def test_truncation_to_half_never_grows(kernel: Simulated) -> None:
    x = numbers()
    found = results(kernel, 7, x)["h"].astype(np.float32)
    assert np.all(np.abs(found) <= np.abs(x)) and np.isfinite(found).all()


def test_half_arithmetic_is_rounded_after_each_operation(kernel: Simulated) -> None:
    x = (numbers() / 1000).astype(np.float16)
    expected = x * x
    assert same_bits(results(kernel, 8, x.astype(np.float32))["h"], expected)


def test_an_extreme_comes_with_the_index_of_its_first_place(kernel: Simulated) -> None:
    x = np.tile(np.arange(32, dtype=np.float32), 8)
    found = results(kernel, 9, x)["y"][:8].reshape(4, 2)
    assert found[:, 0].tolist() == [31.0] * 4
    assert found[:, 1].copy().view(np.int32).tolist() == [31] * 4


def test_a_block_is_filled_with_one_element(kernel: Simulated) -> None:
    x = numbers()
    assert same_bits(results(kernel, 10, x)["y"], np.repeat(x[:32], 8))


def test_elements_are_picked_from_places_in_bytes(kernel: Simulated) -> None:
    x = numbers()
    assert same_bits(results(kernel, 11, x)["y"][:64], x[5 : 5 + 3 * 64 : 3])


def test_floats_become_whole_ones(kernel: Simulated) -> None:
    x = numbers()
    assert same_bits(results(kernel, 12, x)["y"], np.floor(x))


def test_integers_wrap_and_bits_are_bits(kernel: Simulated) -> None:
    x = numbers()
    with np.errstate(over="ignore"):
        expected = ~(x.view(np.int32) * np.int32(2)) | (x.view(np.int32) >> 31)
    assert same_bits(results(kernel, 13, x)["i"], expected)


# -- what cannot be run -------------------------------------------------------------------------


def test_an_argument_of_another_size_is_refused(kernel: Simulated) -> None:
    with pytest.raises(ArgumentError) as caught:
        kernel.run({"x": np.zeros(N, np.float32)}, groups=1)
    assert str(caught.value) == (
        "error[argument]: kernel 'values' takes an argument of 48 bytes, and 8 are given\n"
        "  hint: give an array or a NumPy scalar for each field, in the order of the struct"
    )


def test_a_number_without_a_width_is_refused(kernel: Simulated) -> None:
    with pytest.raises(ArgumentError) as caught:
        kernel.run({"which": 3}, groups=1)  # type: ignore[dict-item]
    assert str(caught.value) == (
        "error[argument]: 'which' is of type int\n"
        "  note: the bytes of a kernel's argument come from arrays and NumPy scalars\n"
        "  hint: give the width that the kernel's struct has: np.int32(3)"
    )


def test_an_array_with_gaps_is_refused(kernel: Simulated) -> None:
    with pytest.raises(ArgumentError) as caught:
        kernel.run({"x": np.zeros((N, 2), np.float32)[:, 0]}, groups=1)
    assert str(caught.value) == (
        "error[argument]: 'x' cannot be handed over as it lies in memory\n"
        "  note: the simulator takes contiguous arrays that it may write to\n"
        "  hint: pass np.ascontiguousarray(x).copy()"
    )


def test_a_text_without_an_entry_is_refused() -> None:
    with pytest.raises(ToolchainError) as caught:
        compile_text((("empty.h", "int nothing;\n"),), main="empty.h")
    assert str(caught.value) == (
        "error[toolchain]: 0 kernels in empty.h\n"
        "  --> empty.h:1:1\n"
        "  hint: an entry reads `__global__ __mix__(1, 2) void name(Argument argument)`"
    )


# -- the cube -------------------------------------------------------------------------------------

CUBE = """
using namespace AscendC;
struct Args {
    __gm__ float* x;
    __gm__ float* one;
    __gm__ float* y;
};

__schedmode__(1) __global__ __mix__(1, 2) void turned(Args args) {
    InitSocState();
    if ASCEND_IS_AIC {
        LocalTensor<float> x1(TPosition::B1, 0, 512), one1(TPosition::A1, 4096, 256);
        LocalTensor<float> a(TPosition::A2, 0, 256), b(TPosition::B2, 0, 512), sum(TPosition::CO1, 0, 512);
        GlobalTensor<float> x, one, y;
        x.SetGlobalBuffer(args.x), one.SetGlobalBuffer(args.one), y.SetGlobalBuffer(args.y);
        DataCopy(x1, x, 512);
        DataCopy(one1, one, 256);
        PipeBarrier<PIPE_ALL>();
        LoadData(a, one1, LoadData2DParams(0, 2, 1, 0, 0, false, 0));
        LoadDataWithTranspose(b, x1, LoadData2dTransposeParams(0, 2, 1, 0, 1));
        PipeBarrier<PIPE_ALL>();
        Mmad(sum, a, b, MmadParams(16, 32, 16, 0, false, true));
        PipeBarrier<PIPE_ALL>();
        const FixpipeParamsV220 rows(32, 16, 16, 32, false, QuantMode_t::NoQuant, 0, 1, 0, 0, 0);
        Fixpipe<float, float, CFG_ROW_MAJOR>(y, sum, rows);
        PipeBarrier<PIPE_ALL>();
    }
}
"""


def vendors_transposition(source: np.ndarray, repeats: int, fractal_gap: int) -> np.ndarray:
    """The vendor's description of 32-bit elements, quarter by quarter: `srcStride` 1, `dstGap` 0."""
    target, quarter, fractal = np.zeros(512, np.float32), 64, 128
    for i in range(repeats):
        square, there = source[256 * i :], fractal * i
        for k in range(8):
            for half, left in ((0, 0), (1, 64)):  # the upper and the lower half of the left fractal
                at = there + half * (fractal_gap + 1) * fractal + 8 * k
                target[at : at + 8] = square[left + k : left + k + quarter : 8]
                right = square[fractal + left + k :]
                target[at + quarter : at + quarter + 8] = right[:quarter:8]
    return target


def test_squares_of_floats_are_turned_over_as_the_vendor_describes() -> None:
    """Two squares side by side in L1 become a right factor of 16 by 32, which one in L0A leaves as it is."""
    cube = compile_text((("turned.h", CUBE),), main="turned.h", strict=True)
    x, y = np.arange(512, dtype=np.float32), np.zeros((16, 32), np.float32)
    fractals = np.eye(16, dtype=np.float32).reshape(16, 2, 8).transpose(1, 0, 2)
    found = cube.run({"x": x, "one": np.ascontiguousarray(fractals), "y": y}, groups=1)
    assert found.reports == ()
    b = vendors_transposition(x, 2, 1).reshape(2, 2, 16, 8)  # fractals of k and n, columns, k within
    assert same_bits(y, np.ascontiguousarray(b.transpose(0, 3, 1, 2).reshape(16, 32)))

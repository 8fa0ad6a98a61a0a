"""A 2-D heat plate relaxed for thousands of steps in one launch: a loop inside of the kernel.

Jacobi's iteration on a grid with fixed edges, double buffered: a step reads one grid and writes the
other, and each iteration of the loop makes two. Cores wait only for the strips beside their own, of the
step before. The kernel ends early where a pair of steps changes no element by more than `tolerance`.

python examples/jacobi.py --verify
"""

import argparse
import time

import numpy as np

import mpmd
from mpmd import In, InOut, Out, f32, i32

H, W, M, N, P = mpmd.dims("H W M N P")
STRIPS = 8


@mpmd.task
def relax(old: In[f32, M + 2, N + 2], new: Out[f32, M, N]):
    """Every element becomes the mean of its four neighbours; `old` has a halo of one."""
    new[:] = 0.25 * (old[:M, 1 : N + 1] + old[2:, 1 : N + 1] + old[1 : M + 1, :N] + old[1 : M + 1, 2:])


@mpmd.task
def measure(a: In[f32, M, N], b: In[f32, M, N], change: Out[f32, ()]):
    change[()] = abs(a[:] - b[:]).max()


@mpmd.task
def settle(change: In[f32, P], tolerance: f32, settled: Out[i32, 1]):
    settled[0] = change[:].max() <= tolerance


@mpmd.kernel
def jacobi(a: InOut[f32, H, W], b: InOut[f32, H, W], pairs: i32, tolerance: f32):
    """`pairs` times two steps, from `a` and back to `a`."""
    change, settled = mpmd.empty((STRIPS,), f32), mpmd.empty((1,), i32)
    for _ in mpmd.loop(pairs, until=settled[0]):
        for old, new in ((a, b), (b, a)):
            for s in mpmd.split(H - 2, STRIPS):
                relax(old[s.start : s.start + s.size + 2], new[s.start + 1 : s.start + s.size + 1, 1 : W - 1])
        for s in mpmd.split(H, STRIPS):
            measure(a[s], b[s], change[s.index])
        settle(change, tolerance, settled)


def plate(size: int) -> np.ndarray:
    """A cold plate with one hot edge."""
    grid = np.zeros((size, size), np.float32)
    grid[0] = 1
    return grid


def relaxed(grid: np.ndarray, steps: int) -> np.ndarray:
    """The same steps in NumPy."""
    old, new = grid.copy(), grid.copy()
    for _ in range(steps):
        new[1:-1, 1:-1] = np.float32(0.25) * (old[:-2, 1:-1] + old[2:, 1:-1] + old[1:-1, :-2] + old[1:-1, 2:])
        old, new = new, old
    return old


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--size", type=int, default=130, help="rows and columns of the grid (default 130)")
    parser.add_argument("--steps", type=int, default=10_000, help="steps, an even number (default 10000)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    if options.steps < 0 or options.steps % 2:
        parser.error("--steps must be even")
    a, b = plate(options.size), plate(options.size)
    kernel = mpmd.compile(jacobi, a, b, options.steps // 2, -1.0, cores=options.threads)
    started = time.perf_counter()
    kernel(a, b, options.steps // 2, -1.0)  # no change is below −1: all steps are made
    elapsed = time.perf_counter() - started
    step = elapsed / max(1, options.steps) * 1e6
    print(
        f"jacobi: {options.steps} steps of {options.size}x{options.size} in one launch, {step:.2f} µs a step"
    )
    if options.verify:
        worst = np.abs(a - relaxed(plate(options.size), options.steps)).max()
        assert worst < 1e-6, f"differs from NumPy by {worst:.1e}"
        kernel(a, b, 10 * options.steps, 1e-3)  # from here on little changes, so this ends early
        print(f"verify: within {worst:.1e} of NumPy; a tolerance ends the loop early")


if __name__ == "__main__":
    main()

"""How many instructions time stamps cost a launch: figures without the noise that times have.

In:  nothing; valgrind's callgrind counts. Out: rows of ratios; none where there is no valgrind for this CPU.
One core and AVX2: callgrind runs one thread at a time, and knows no AVX-512. A count is the difference
between programs of three launches and of one. Not here: times (`profile.py`).
"""

from __future__ import annotations

import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mpmd
from bench.decode import POSITION
from bench.profile import without_stamps
from bench.rows import Row
from examples import jacobi, mlp
from examples.smollm2 import kernels, weights
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN
from mpmd.lang.kernel.signature import flattened, kernel_params
from mpmd.runtime.standalone import build_standalone, run_standalone

FLAGS = ("-march=x86-64-v3", "-Wno-error")
"""The text without stamps has parameters that nothing uses."""
CAPACITY = 256
CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def rows() -> Iterator[Row]:
    if shutil.which(CALLGRIND[0]) is None or platform.machine() != "x86_64":
        return
    for case, kernel, arguments in _cases():
        source = mpmd.compile(kernel, *arguments, cores=1).source
        parameters = kernel_params(kernel.function)
        given = dict(zip((p.name for p in parameters), arguments, strict=True))
        values = flattened(kernel.__name__, parameters, given, span=NO_SPAN).values
        none = _instructions(replace(source, files=without_stamps(source)), values, stamped=False)
        off, on = (_instructions(source, values, stamped=stamped) for stamped in (False, True))
        note = f"{off:.0f} instructions in a launch"
        yield Row(case, "instructions, stamps off / none", "ratio", off / none, note=note)
        yield Row(case, "instructions, stamps on / off", "ratio", on / off, note=note)


def _cases() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    random = np.random.default_rng(0)
    grids = (random.standard_normal((34, 34)).astype(np.float32) for _ in range(2))
    yield "jacobi 34x34, 10 iterations", jacobi.jacobi, (*grids, 10, 0.0)
    shapes = ((1, 256), (704, 256), (704, 256), (256, 704), (1, 256))
    values = tuple((random.standard_normal(shape) / 8).astype(np.float32) for shape in shapes)
    yield "mlp 1x256x704", mlp.mlp, values
    model = weights.load(weights.read(weights.find_gguf()))
    one, logits = np.ones(1, np.int32), np.empty((1, len(model.embedding)), np.float32)
    shape = (model.layers, kernels.KV, CAPACITY, kernels.HEAD)
    arrays: list[Any] = [np.zeros(shape, np.float32) for _ in range(2)]
    ends = (kernels.Cache(*arrays), one, logits, one.copy(), POSITION)
    yield "smollm2-135m decode f32", kernels.decode, (kernels.weights_of(model, CAPACITY), *ends)


def _instructions(source: KernelSource, values: Mapping[str, Any], *, stamped: bool) -> float:
    """Of one launch."""
    with tempfile.TemporaryDirectory(prefix="mpmd-bench-") as folder:
        program = build_standalone(source, Path(folder), extra=FLAGS)
        counts = [_counted(program, source, values, launches, stamped) for launches in (1, 3)]
    return (counts[1] - counts[0]) / 2


def _counted(
    program: Path, source: KernelSource, values: Mapping[str, Any], launches: int, stamped: bool
) -> int:
    ended = run_standalone(program, source, values, launches=launches, stamped=stamped, wrapper=CALLGRIND)
    found = re.search(r"Collected : (\d+)", ended.stderr)
    if ended.status or found is None:
        raise SystemExit(f"callgrind did not count: {ended.stderr[-2000:]}")
    return int(found[1])

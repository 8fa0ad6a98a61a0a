"""What tests of meaning share: the debugger and the evaluator come out the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mpmd.lang.debug import debug
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.text.printer import parse_program, print_program
from mpmd.lang.types import TensorSpec, from_numpy


def agree(kernel: Any, arguments: Mapping[str, Any], tile: int = 3) -> dict[str, Any]:
    """Both meanings of a kernel on copies of the arguments, which must come out the same, bit for bit."""
    ran, told = (
        {n: a.copy() if isinstance(a, np.ndarray) else a for n, a in arguments.items()} for _ in range(2)
    )
    debug(kernel, tile_size=tile)(**ran)
    program = trace(kernel, {n: _spec(a) for n, a in arguments.items()})
    assert parse_program(print_program(program)) == program
    evaluate(program, told, tile_sizes=tile)
    for name, array in ran.items():
        assert np.asarray(array).tobytes() == np.asarray(told[name]).tobytes(), name
    return ran


def _spec(value: Any) -> TensorSpec | None:
    if not isinstance(value, np.ndarray):
        return None
    dtype = from_numpy(value.dtype)
    assert dtype is not None
    return TensorSpec(dtype, value.shape)

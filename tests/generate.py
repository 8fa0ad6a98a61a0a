"""Random kernels as the source text a user would write: the strategy behind the equivalence tests.

In:  hypothesis, and which features kernels may have. Out: a `Generated` kernel — Python text, argument
     arrays, runtime scalars.
Not here: running it (`tests/host/test_generated_*.py`), judging it; what a kernel holds (`generation/`).

Data are small integers in every dtype and each task ends by clamping to ±8, so that every
operation is exact and results can be compared bit by bit, whatever the order of a reduction.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mpmd.lang.types import DTYPES
from tests.generation.calls import CALLS, fill, sliding
from tests.generation.channels import pipeline
from tests.generation.loops import Statement, repeat
from tests.generation.scope import (
    DTYPE_NAMES,
    MAX_EXTENT,
    NONE,
    Feature,
    Moving,
    Scope,
    Tensor,
    Text,
)
from tests.generation.sums import summed
from tests.generation.values import EXACT

HEADER = """\
from dataclasses import dataclass
import mpmd
from mpmd import Accum, In, InOut, Out, Recv, Send, bf16, f16, f32, f64, i8, i32, i64
T, N, K, M, P, R, C = mpmd.dims("T N K M P R C")
"""
BUNDLE = "pack"
_files = itertools.count()


@dataclass(frozen=True)
class Generated:
    """`source` defines `kernel`; `arrays` are its arguments in order, `scalars` the ones after them.

    The arrays in `packed` are the fields of the kernel's first parameter, a `Pack`, under flat names.
    """

    source: str
    arrays: dict[str, np.ndarray]
    scalars: dict[str, int]
    packed: tuple[str, ...] = ()

    def define(self) -> Any:
        """The kernel object. The text stays readable to `inspect` and in diagnostics."""
        name = f"<generated kernel {next(_files)}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"__name__": __name__}
        exec(compile(self.source, name, "exec"), namespace)
        return namespace["kernel"]

    def copies(self) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in self.arrays.items()}

    def arguments(self, kernel: Any, arrays: Mapping[str, np.ndarray]) -> list[Any]:
        """What the kernel is called with: `arrays` by flat name, the fields of the `Pack` in one."""
        rest = [array for name, array in arrays.items() if name not in self.packed]
        if self.packed:
            pack = kernel.function.__globals__["Pack"]
            rest.insert(0, pack(*(arrays[name] for name in self.packed)))
        return [*rest, *self.scalars.values()]


@st.composite
def kernels(
    draw: st.DrawFn,
    features: Collection[Feature] = NONE,
    *,
    cores: int = 1,
    statements: int = 6,
    dtypes: Sequence[str] = DTYPE_NAMES,
) -> Generated:
    """A kernel of so many statements at most over 2–6 tensors, with loops, views and runtime offsets.

    `cores` are those that a call may ask for, `dtypes` those of the tensors.
    """
    chosen = frozenset(features)
    pos, count = draw(st.integers(0, 5)), draw(st.integers(0, 3))
    moving = [Moving("pos", pos, 5)]
    if chosen & {Feature.RUNTIME, Feature.LOOP}:
        moving.append(Moving("count", count, 3))
    packed = draw(st.integers(0, 2)) if Feature.BUNDLE in chosen else 0
    arguments = [_tensor(draw, n, packed, dtypes) for n in range(draw(st.integers(2, 4)))]
    local = [_shaped(draw, dtypes, f"h{n}") for n in range(draw(st.integers(0, 2)))]
    written_first = [t for t in arguments if draw(st.booleans())]
    scope = Scope(draw, Text(), (*arguments, *local), tuple(moving), chosen, cores)
    for tensor in local:
        scope.text.line(f"{tensor} = mpmd.empty(({tensor.rows}, {tensor.columns}), {tensor.dtype})")
    for tensor in [*local, *written_first]:
        fill(scope, tensor)
    for _ in range(draw(st.integers(1, statements))):
        _statement(scope)
    directions = {t.name: "Out" if t in written_first else "InOut" for t in arguments}
    annotations = {t.name: f"{directions[t.name]}[{t.dtype}, {t.rows}, {t.columns}]" for t in arguments}
    data = {t.name: _data(draw, t) for t in arguments}
    return _generated(scope, annotations, data, packed)


def _generated(
    scope: Scope, annotations: dict[str, str], data: dict[str, np.ndarray], packed: int
) -> Generated:
    """The text of the whole, and its arguments in the order of the parameters."""
    text = scope.text
    annotations |= {name: annotation for name, (annotation, _) in text.extra.items()}
    data |= {name: array for name, (_, array) in text.extra.items()}
    fields = list(annotations.items())[:packed]
    parameters = [f"{name}: {annotation}" for name, annotation in list(annotations.items())[packed:]]
    parameters += [f"{m.text}: i32" for m in scope.moving]
    parts = [HEADER, *text.definitions]
    if fields:
        lines = "".join(f"    {name.removeprefix(BUNDLE + '_')}: {what}\n" for name, what in fields)
        parts.append(f"@dataclass\nclass Pack:\n{lines}")
        parameters.insert(0, f"{BUNDLE}: Pack")
    body = "".join(f"    {line}\n" for line in text.lines)
    parts.append(f"@mpmd.kernel\ndef kernel({', '.join(parameters)}):\n{body}")
    scalars = {m.text: m.value for m in scope.moving}
    return Generated("\n\n".join(parts), data, scalars, tuple(name for name, _ in fields))


def _statement(scope: Scope) -> None:
    kinds: list[Statement] = list(CALLS)
    if scope.has(Feature.CHANNEL):
        kinds += [pipeline] * 2
    if scope.has(Feature.ACCUM):
        kinds += [summed] * (2 if any(t.dtype in EXACT for t in scope.tensors) else 0)
    if scope.repeated:
        kinds += [sliding] * 3
    if scope.has(Feature.LOOP) and scope.repeated < 2:
        kinds += [_repeat] * (3 if not scope.repeated else 1)
    scope.one(kinds)(scope)


def _repeat(scope: Scope) -> None:
    repeat(scope, _statement)


def _tensor(draw: st.DrawFn, number: int, packed: int, dtypes: Sequence[str]) -> Tensor:
    name = f"x{number}"
    if number < packed:
        return _shaped(draw, dtypes, f"{BUNDLE}_{name}", f"{BUNDLE}.{name}")
    return _shaped(draw, dtypes, name)


def _shaped(draw: st.DrawFn, dtypes: Sequence[str], name: str, text: str = "") -> Tensor:
    extent = st.integers(6, MAX_EXTENT)
    return Tensor(name, draw(st.sampled_from(dtypes)), draw(extent), draw(extent), text)


def _data(draw: st.DrawFn, tensor: Tensor) -> np.ndarray:
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = random.integers(-3, 4, (tensor.rows, tensor.columns))
    return values.astype(DTYPES[tensor.dtype].numpy)

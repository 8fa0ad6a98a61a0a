"""The work of task instances: operations, bytes moved, and the largest value held.

In:  a task's body, and the extents and integer scalars of its instances, as columns.
Out: a `Work` per call. Not here: time on a particular core kind (`seconds` is the simple roofline).

A tensor parameter moves what the body loads or stores of it, at most its region: a gather of eight
rows moves eight rows, not the table. A channel moves its tokens. Values known only at run time count as
one iteration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from mpmd.lang.index import Index
from mpmd.lang.ops import OPS, OpDef, OpKind
from mpmd.lang.tile import (
    Apply,
    Branch,
    Gather,
    Load,
    Loop,
    Receive,
    Send,
    Stmt,
    Store,
    TaskDef,
    TileType,
    kept_shape,
)
from mpmd.lang.types import DType
from mpmd.machine import OPERATIONS, CoreKind, Machine, WorkClass
from mpmd.partition.accesses import Facts, SiteArguments
from mpmd.partition.affine import Affine, Column
from mpmd.partition.guards import Intervals, interval_of
from mpmd.partition.passes import extra_passes
from mpmd.partition.specialise import TaskNumbers

FUNCTIONS = frozenset(
    {"exp", "log", "sigmoid", "tanh", "erf", "sin", "cos", "pow", "max", "min", "argmax", "argmin"}
)
"""Ops of several instructions: polynomials, and extrema along an axis, which look for NaN."""

Amount = Union[float, npt.NDArray[np.float64]]
"""A quantity per instance; a float where all instances have the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Work by `WorkClass`, bytes moved by all parameters, and bytes of the largest values in the body.

    `values` has, for each set of dims that the shape of some computed value depends on, the largest one.
    """

    operations: tuple[Amount, ...]
    bytes: Amount
    values: Mapping[frozenset[str], Amount]

    @property
    def flops(self) -> Amount:
        """Operations of all classes."""
        return sum(self.operations[:OPERATIONS], 0.0)


def seconds(work: Work, machine: Machine) -> Amount:
    """Time of an instance alone on a core of the kind that is best for it, with its bytes from memory.

    What no core can do takes the time of its bytes; it is refused where it would be placed.
    """
    operations = np.stack(np.broadcast_arrays(*work.operations), axis=-1)
    moving = [work.bytes / kind.bandwidth for kind in machine.kinds]
    found: Amount = np.inf
    for kind, bytes_seconds in zip(machine.kinds, moving, strict=True):
        compute = seconds_of_work(operations, kind)
        serial = np.where(np.isfinite(compute), compute, 0.0) * (1.0 - kind.overlap)
        found = np.minimum(found, np.maximum(compute, bytes_seconds + serial))
    return np.where(np.isfinite(found), found, moving[0])


def seconds_of_work(operations: npt.NDArray[np.float64], kind: CoreKind) -> npt.NDArray[np.float64]:
    """Time to compute, from work by `WorkClass` along the last axis; infinite where `kind` cannot."""
    amounts, rates = operations[..., :OPERATIONS], np.array(kind.rates)
    time = np.divide(amounts, rates, out=np.zeros_like(amounts), where=rates > 0).sum(axis=-1)
    time += operations[..., OPERATIONS:] @ np.array(kind.overheads)
    return np.where((amounts * (rates <= 0)).any(axis=-1), np.inf, time)


class Costs:
    """The cost model over many calls; calls that agree in task and extents are evaluated once."""

    def __init__(self, intervals: Intervals) -> None:
        self._intervals = intervals
        self._tasks = TaskNumbers()
        self._axes: dict[int, tuple[tuple[str, int, int], ...]] = {}  # by task: `_named_axes`
        self._known: dict[tuple[object, ...], Work] = {}

    def of(self, arguments: SiteArguments) -> Work:
        """The work of each instance of a call."""
        task = arguments.site.call.task
        number = self._tasks.number(task)
        if number not in self._axes:
            self._axes[number] = _named_axes(task)
        values = self._values(arguments, self._axes[number])
        key = (
            number,
            *((name, v if isinstance(v, int) else v.tobytes()) for name, v in values.items()),
        )
        if key not in self._known:
            self._known[key] = work_of(task, values)
        return self._known[key]

    def _values(self, arguments: SiteArguments, named: tuple[tuple[str, int, int], ...]) -> dict[str, Column]:
        values: dict[str, Column] = {}
        for name, tensor, position in named:
            access = arguments.accesses[tensor]
            axis = access.axes[position]
            extent = self._typical(access.spans[axis].extent, access.tensor.shape[axis], arguments.facts)
            # of a piece that no launch has, what is proved makes no sense
            values[name] = max(0, extent) if isinstance(extent, int) else np.maximum(extent, 0)
        for param, value in zip(arguments.site.call.task.scalars, arguments.scalars, strict=True):
            if param.dtype.is_integer:
                values[param.name] = self._typical(value, 0, arguments.facts)
        for name, extent in arguments.site.call.dims:  # those that only channels have
            if extent.is_const:
                values.setdefault(name, extent.const)
        return values

    def _typical(self, value: Affine, otherwise: int, facts: Facts) -> Column:
        """The value in the middle of what is proved of its runtime part."""
        if not value.terms:
            return value.const
        bound = facts.narrow(value.terms, interval_of(value.terms, self._intervals))
        if max(-bound.lo, bound.hi) >= 2**31 - 1:  # no more than the type says
            return otherwise
        return value.const + (bound.lo + bound.hi) // 2


def _named_axes(task: TaskDef) -> tuple[tuple[str, int, int], ...]:
    """For each dim that is an extent by itself, the first tensor parameter that has it, and which axis."""
    found: dict[str, tuple[int, int]] = {}
    for number, param in enumerate(task.tensors):
        for position, extent in enumerate(param.shape):
            if str(extent) in task.dims:
                found.setdefault(str(extent), (number, position))
    return tuple((name, *place) for name, place in found.items())


def work_of(task: TaskDef, values: Mapping[str, Column]) -> Work:
    """The work of a task where its dims and integer scalars have these values."""
    tally = _Tally(dict.fromkeys((p.name for p in task.shaped), 0.0), extra_passes(task.body))
    tally.body(task.body, _Known(values), 1, {})
    total: Amount = sum((tally.moved[p.name] for p in task.channels), 0.0)
    for param in task.tensors:
        assert param.direction is not None, "a tensor parameter has a direction"
        uses = max(1, param.direction.reads + param.direction.writes)
        region = _bytes(param.shape, param.dtype, _Known(values)) * uses
        total = total + np.minimum(region, tally.moved[param.name])
    return Work(tuple(tally.operations), total, tally.values)


class _Known(dict[str, Any]):
    """Values of symbols; what only the run time knows counts as 1."""

    def __missing__(self, name: str) -> int:
        return 1


class _Tally:
    """Sums over a body."""

    def __init__(self, moved: dict[str, Amount], passes: Mapping[int, int]) -> None:
        self.passes = passes
        self.operations: list[Amount] = [0.0] * len(WorkClass)
        self.values: dict[frozenset[str], Amount] = {}
        self.moved = moved

    def body(self, body: tuple[Stmt, ...], values: _Known, times: Amount, types: dict[int, TileType]) -> None:
        for stmt in body:
            if isinstance(stmt, Apply):
                self._apply(stmt, values, times, types)
            elif isinstance(stmt, Load):
                types[stmt.out] = stmt.type
                self._pass(stmt.out, stmt.type, values, times)
                self._move(stmt.param, kept_shape(stmt.region), stmt.type.dtype, values, times)
            elif isinstance(stmt, Gather):
                types[stmt.out] = stmt.type
                self._pass(stmt.out, stmt.type, values, times)
                self._move(stmt.param, stmt.type.shape, stmt.type.dtype, values, times)
            elif isinstance(stmt, Store):
                dtype = types[stmt.value].dtype
                self._move(stmt.param, kept_shape(stmt.region), dtype, values, times)
            elif isinstance(stmt, Send):
                self._move(stmt.param, types[stmt.value].shape, types[stmt.value].dtype, values, times)
            elif isinstance(stmt, Receive):
                types[stmt.out] = stmt.type
                self._move(stmt.param, stmt.type.shape, stmt.type.dtype, values, times)
            elif isinstance(stmt, Loop):
                self._loop(stmt, values, times, types)
            else:
                self._branch(stmt, values, times, types)

    def _apply(self, stmt: Apply, values: _Known, times: Amount, types: dict[int, TileType]) -> None:
        types[stmt.out] = stmt.type
        op = OPS[stmt.op]
        operands = tuple(types[value] for value in stmt.args)
        amount = _number(op.flops(operands, stmt.type), values)
        self._add(_class_of(op, operands), times * amount * _words(operands))
        if op.kind is OpKind.DOT:
            for operand in operands:
                self._add(WorkClass.OPERAND, times * _elements(operand.shape, values))
            self._add(WorkClass.PRODUCT, times)
        elif op.kind is OpKind.REDUCTION:
            self._add(WorkClass.FOLD, times * _elements(stmt.type.shape, values))
        self._pass(stmt.out, stmt.type, values, times)
        if stmt.type.rank and op.kind not in (OpKind.SHAPE, OpKind.LEAF):
            dims = frozenset[str]().union(*(extent.symbols() for extent in stmt.type.shape))
            size = _bytes(stmt.type.shape, stmt.type.dtype, values)
            self.values[dims] = np.maximum(self.values.get(dims, 0.0), size)

    def _pass(self, value: int, type_: TileType, values: _Known, times: Amount) -> None:
        if passes := self.passes.get(value, 0):
            self._add(WorkClass.PASS, times * passes * _elements(type_.shape, values))

    def _add(self, which: WorkClass, amount: Amount) -> None:
        self.operations[which] = self.operations[which] + amount

    def _move(
        self, param: str, shape: tuple[Index, ...], dtype: DType, values: _Known, times: Amount
    ) -> None:
        self.moved[param] = self.moved[param] + times * _bytes(shape, dtype, values)

    def _loop(self, loop: Loop, values: _Known, times: Amount, types: dict[int, TileType]) -> None:
        start, stop = loop.start.evaluate(values), loop.stop.evaluate(values)
        trips = np.maximum(0, -(-(stop - start) // loop.step))
        middle = start + loop.step * (np.maximum(trips - 1, 0) // 2)
        inner = _Known(values)
        if loop.tile is None:
            inner[loop.name] = middle
        else:
            inner[f"{loop.name}.start"] = middle
            inner[f"{loop.name}.index"] = middle // loop.step
            inner[f"{loop.name}.size"] = -(-stop // np.maximum(trips, 1))
        for carry in loop.carried:
            types[carry.inside] = types[carry.out] = carry.type
            self._pass(carry.inside, carry.type, inner, times * trips)
        self.body(loop.body, inner, times * trips, types)

    def _branch(self, stmt: Branch, values: _Known, times: Amount, types: dict[int, TileType]) -> None:
        """Both arms at half the weight: which one runs is not known."""
        for arm in (stmt.then, stmt.otherwise):
            self.body(arm, values, times * 0.5, types)
        for result in stmt.results:
            types[result.out] = result.type


def _class_of(op: OpDef, operands: tuple[TileType, ...]) -> WorkClass:
    if op.kind is not OpKind.DOT:
        return WorkClass.FUNCTION if op.name in FUNCTIONS else WorkClass.VECTOR
    return {1: WorkClass.DOT8, 2: WorkClass.DOT16}.get(operands[0].dtype.itemsize, WorkClass.DOT32)


def _words(operands: tuple[TileType, ...]) -> int:
    """As how many operations one on such operands counts: vectors hold half as many of 64 bits."""
    return 2 if any(operand.dtype.itemsize == 8 for operand in operands) else 1


def _number(index: Index, values: _Known) -> Amount:
    return index.evaluate(values) * 1.0


def _bytes(shape: tuple[Index, ...], dtype: DType, values: _Known) -> Amount:
    return _elements(shape, values) * dtype.itemsize


def _elements(shape: tuple[Index, ...], values: _Known) -> Amount:
    return prod((_number(extent, values) for extent in shape), start=1.0)

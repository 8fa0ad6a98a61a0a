"""What the rows of a schedule mean over bytes: launch scalars, late values, and each task's views of memory.

In:  a `Schedule`, and arrays and numbers for the parameters of its kernel.
Out: `Rows`, which gives a task in one iteration as a `Row` (views, scalars, dims, channels), or passes it
     over; a `BoundsError` where a guard of the launch or of the task does not hold.
Not here: which row runs when (`interleave.py`), the tokens of channels (`replay_ring.py`).

All local tensors lie in one buffer, at the places that the schedule gave them, and every view is made from
the numbers of a row alone. So a wrong place, a wrong number and a buffer that is reused too early show in
the results. The buffer starts as bytes of 255: NaN in floats, −1 in integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.errors import BoundsError, Span
from mpmd.lang.evaluate import argument_array, scalar_value
from mpmd.lang.extents import actual_shape, dim_values
from mpmd.lang.index import Index, Sym
from mpmd.lang.program import Program, Tensor
from mpmd.lang.tile import TaskDef
from mpmd.lang.types import DType
from mpmd.partition.graph import (
    Derived,
    Element,
    Function,
    LateGuard,
    LateOp,
    Layout,
    Linear,
    LoopIndex,
    Skip,
    TaskGraph,
    WordKind,
)
from mpmd.schedule.steps import Schedule

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
Number = int | float
Words = Mapping[tuple[WordKind, str, int], int]

POISON = 255

_DERIVE = {
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "min": min,
    "max": max,
    "mul": lambda a, b: a * b,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One task, ready to run: what its parameters are in this iteration. `channels` has their ids."""

    task: TaskDef
    tensors: Mapping[str, Array]
    scalars: Mapping[str, Number]
    dims: Mapping[str, int]
    channels: Mapping[str, int]
    span: Span


@dataclass(frozen=True, slots=True)
class Memory:
    """The bytes of a launch: one buffer per argument, by tensor id, and one for everything local."""

    schedule: Schedule
    arguments: Mapping[int, Bytes]
    arena: Bytes

    @staticmethod
    def fill(schedule: Schedule, arrays: Mapping[str, Any]) -> Memory:
        """The arguments as the launch finds them; what was in an `Out` is gone."""
        arguments: dict[int, Bytes] = {}
        dims = _dims(schedule.graph.program, arrays)
        for tensor in schedule.graph.program.arguments:
            arguments[tensor.id] = np.full(tensor.size_bytes, POISON, np.uint8)
            shape = actual_shape(tensor, dims)
            found = argument_array(tensor, arrays[tensor.name], shape)
            _whole(tensor, shape, arguments[tensor.id])[...] = found
        return Memory(schedule, arguments, np.full(schedule.memory.arena_bytes, POISON, np.uint8))

    def store(self, arrays: Mapping[str, Any]) -> None:
        """Gives back what the launch has written."""
        for tensor in self.schedule.graph.program.arguments:
            if tensor.direction is not None and tensor.direction.writes:
                array = arrays[tensor.name]
                array[...] = _whole(tensor, array.shape, self.arguments[tensor.id])

    def bytes_of(self, tensor: int) -> Bytes:
        """The bytes of a root tensor."""
        if tensor in self.arguments:
            return self.arguments[tensor]
        first = int(self.schedule.memory.offset[tensor])
        return self.arena[first : first + self.schedule.graph.program.tensors[tensor].size_bytes]

    def view(
        self, tensor: int, offset: int, dtype: DType, shape: Sequence[int], strides: Sequence[int]
    ) -> Array:
        """Elements of a root tensor, `strides` elements apart; a ValueError where they leave it."""
        if 0 in shape:
            return np.empty(shape, dtype.numpy)
        steps = [stride * dtype.itemsize for stride in strides]
        return np.ndarray(shape, dtype.numpy, self.bytes_of(tensor), offset, steps)

    def integer(self, element: Element, registers: Sequence[int]) -> int:
        """The signed integer that lies there now."""
        first = linear(element.offset, registers)
        found = self.bytes_of(element.tensor)[first : first + element.itemsize]
        return int.from_bytes(found.tobytes(), "little", signed=True)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one launch: `registers` are its launch scalars."""

    graph: TaskGraph
    memory: Memory
    registers: tuple[int, ...]

    @staticmethod
    def of_launch(schedule: Schedule, arguments: Mapping[str, Any]) -> Rows:
        """Memory and launch scalars, if the guards hold."""
        graph = schedule.graph
        registers = launch_scalars(graph, arguments)
        for guard in graph.guards:
            _check_between(linear(guard.value, registers), guard.lo, guard.hi, guard.text, guard.span)
        return Rows(graph, Memory.fill(schedule, arguments), registers)

    def ready(self, task: int, iteration: int) -> Row | None:
        """The task as it starts in that iteration of its loop; None if it is passed over."""
        site = self.graph.sites[self.graph.site[task]]
        registers = list(self.registers)
        for op in site.late:
            if isinstance(op, Skip) and linear(op.value, registers) <= 0:
                return None
            registers.append(self._late(op, registers, iteration))
        words = self.graph.words[self.graph.word_ptr[task] : self.graph.word_ptr[task + 1]].tolist()
        for word, scalar, coefficient in site.symbolic:
            words[word] += coefficient * registers[scalar]
        return self._row(self.graph.functions[site.function], words, site.call.span)

    def _late(self, op: LateOp, registers: Sequence[int], iteration: int) -> int:
        """What an op writes to its register."""
        if isinstance(op, LoopIndex):
            return iteration
        if isinstance(op, Element):
            return self.memory.integer(op, registers)
        if isinstance(op, Derived):
            return derive(op, registers)
        if isinstance(op, LateGuard):
            _check_between(linear(op.value, registers), op.lo, op.hi, op.text, op.span)
        return 0

    def _row(self, function: Function, values: Sequence[int], span: Span) -> Row:
        words = {(w.kind, w.name, w.axis): v for w, v in zip(function.words, values, strict=True)}
        task = function.task
        tensors = {layout.name: self._view(task, layout, words) for layout in function.layouts}
        channels = {param.name: words[WordKind.CHANNEL, param.name, -1] for param in task.channels}
        scalars = {p.name: _scalar(words[WordKind.SCALAR, p.name, -1], p.dtype) for p in task.scalars}
        shapes = {name: view.shape for name, view in tensors.items()}
        shapes |= {name: self.graph.program.channels[c].shape for name, c in channels.items()}
        dims = dict(function.dims) | bare_dims(task, shapes)
        return Row(task, tensors, scalars, dims, channels, span)

    def _view(self, task: TaskDef, layout: Layout, words: Words) -> Array:
        def number(kind: WordKind, axis: int, fixed: int | None) -> int:
            return words[kind, layout.name, axis] if fixed is None else fixed

        return self.memory.view(
            words[WordKind.BASE, layout.name, -1],
            words[WordKind.OFFSET, layout.name, -1],
            task.param(layout.name).dtype,
            [number(WordKind.EXTENT, axis, extent) for axis, extent in enumerate(layout.extents)],
            [number(WordKind.STRIDE, axis, stride) for axis, stride in enumerate(layout.strides)],
        )


def linear(value: Linear, registers: Sequence[int]) -> int:
    return value.const + sum(coefficient * registers[scalar] for scalar, coefficient in value.terms)


def derive(op: Derived, registers: Sequence[int]) -> int:
    return _DERIVE[op.op](linear(op.lhs, registers), linear(op.rhs, registers))


def launch_scalars(graph: TaskGraph, arguments: Mapping[str, Any]) -> tuple[int, ...]:
    """The program's own, floats as the bits of an f64, then the derived ones."""
    given = {**arguments, **_dims(graph.program, arguments)}
    registers = [_given(graph.program, name, given[name]) for name in _scalar_names(graph.program)]
    for op in graph.derived:
        registers.append(derive(op, registers))
    return tuple(registers)


def _scalar_names(program: Program) -> list[str]:
    return [scalar.name for scalar in program.scalars]


def _given(program: Program, name: str, value: Any) -> int:
    scalar = next(s for s in program.scalars if s.name == name)
    number = scalar_value(name, value, scalar.dtype, scalar.span)
    return int(np.float64(number).view(np.int64)) if scalar.dtype.is_float else int(number)


def _scalar(word: int, dtype: DType) -> Number:
    return float(np.int64(word).view(np.float64)) if dtype.is_float else word


def bare_dims(task: TaskDef, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The dims that stand alone as the extent of an axis, which all of a signature's do."""
    found: dict[str, int] = {}
    for param in task.shaped:
        for extent, size in zip(param.shape, shapes[param.name], strict=True):
            if name := _bare(extent):
                found[name] = size
    return found


def _bare(extent: Index) -> str | None:
    if extent.const or len(extent.terms) != 1:
        return None
    atom, coefficient = extent.terms[0]
    return atom.name if isinstance(atom, Sym) and coefficient == 1 else None


def _dims(program: Program, arguments: Mapping[str, Any]) -> dict[str, int]:
    return dim_values(program, {t.name: np.shape(arguments[t.name]) for t in program.arguments})


def _whole(tensor: Tensor, shape: tuple[int, ...], buffer: Bytes) -> Array:
    if 0 in shape:
        return np.empty(shape, tensor.dtype.numpy)
    strides = [stride * tensor.dtype.itemsize for stride in tensor.strides]
    return np.ndarray(shape, tensor.dtype.numpy, buffer, 0, strides)


def _check_between(value: int, lo: int, hi: int, text: str, span: Span) -> None:
    if not lo <= value <= hi:
        raise BoundsError(
            f"{text}: {value} is outside {lo} … {hi}", span=span, hints=("the launch ends here",)
        )

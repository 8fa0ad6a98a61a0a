"""Tasks put together by hand that apply ops to tensors, one call each, as one program."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpmd.codegen.cpu.emit import emit
from mpmd.errors import NO_SPAN
from mpmd.lang.index import Index
from mpmd.lang.ops import OPS
from mpmd.lang.program import Call, Program, Tensor, View
from mpmd.lang.tile import Apply, Attrs, Axis, Load, Param, Stmt, Store, TaskDef, TileType
from mpmd.lang.types import DTYPES, Direction, DType
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.runtime.build import build
from mpmd.schedule.build import schedule

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One op on given arrays: what it is called, what it should give."""

    name: str
    op: str
    args: tuple[Array, ...]
    attrs: Attrs
    out: DType


@dataclass
class OpProgram:
    """Collects cases; equal kinds of cases share tensors so that the program stays small."""

    tensors: list[Tensor] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    results: dict[str, Array] = field(default_factory=dict)
    _known: dict[int, int] = field(default_factory=dict)

    def run(self, cases: list[Case], *, group: int = 24) -> dict[str, Array]:
        """The result of every case, from one kernel in which a task does `group` cases."""
        machine = this_cpu(1)
        program = self.program(cases, group=group)
        executable = build(emit(schedule(partition(program, machine), machine)), strict=True).load()
        executable(*self.arrays)
        return self.results

    def program(self, cases: list[Case], *, group: int = 24) -> Program:
        """One call of a task for every `group` cases. `arrays` are its arguments, `results` among them."""
        for first in range(0, len(cases), group):
            self._task(f"cases_{first}", cases[first : first + group])
        names = tuple(t.name for t in self.tensors)
        return Program("ops", tuple(self.tensors), (), names, tuple(self.calls), NO_SPAN)

    def _tensor(self, array: Array, direction: Direction) -> int:
        dtype = next(d for d in DTYPES.values() if d.numpy == array.dtype)
        strides = tuple(s // array.itemsize for s in array.strides)
        number = len(self.tensors)
        name = f"t{number}"
        self.tensors.append(Tensor(number, name, dtype, array.shape, strides, direction, None, NO_SPAN))
        self.arrays.append(array)
        return number

    def _input(self, array: Array) -> int:
        if id(array) not in self._known:
            self._known[id(array)] = self._tensor(array, Direction.IN)
        return self._known[id(array)]

    def _task(self, name: str, cases: list[Case]) -> None:
        params: dict[int, Param] = {}
        body: list[Stmt] = []
        loaded: dict[int, int] = {}
        for case in cases:
            args = []
            for array in case.args:
                tensor = self._input(array)
                if tensor not in loaded:
                    loaded[tensor] = len(body)
                    params[tensor] = self._param(tensor)
                    type_, region = _type(params[tensor]), _whole(array.shape)
                    body.append(Load(len(body), type_, f"p{tensor}", region, NO_SPAN))
                args.append(loaded[tensor])
            result = OPS[case.op].reference(case.args, _plain(case.attrs), case.out.numpy)
            out = np.zeros(result.shape, result.dtype)
            tensor = self._tensor(out, Direction.OUT)
            params[tensor] = self._param(tensor)
            self.results[case.name] = out
            body.append(Apply(len(body), _type(params[tensor]), case.op, tuple(args), case.attrs, NO_SPAN))
            body.append(Store(f"p{tensor}", _whole(out.shape), len(body) - 1, False, NO_SPAN))
        task = TaskDef(name, tuple(params.values()), tuple(body), NO_SPAN)
        self.calls.append(Call(task, tuple(_view(self.tensors[t]) for t in params), (), NO_SPAN))

    def _param(self, tensor: int) -> Param:
        t = self.tensors[tensor]
        return Param(f"p{tensor}", t.direction, t.dtype, tuple(map(Index, t.shape)), NO_SPAN)


def _plain(attrs: Attrs) -> dict[str, object]:
    def value(attr: object) -> object:
        if isinstance(attr, Index):
            return attr.const
        return tuple(map(value, attr)) if isinstance(attr, tuple) else attr

    return {name: value(attr) for name, attr in attrs}


def _type(param: Param) -> TileType:
    return TileType(param.dtype, param.shape)


def _whole(shape: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(Axis(Index(0), Index(n)) for n in shape)


def _view(tensor: Tensor) -> View:
    return View(tensor.id, _whole(tensor.shape), tuple(range(len(tensor.shape))))

"""Table bytes as what each core does, one step after another, under given launch scalars.

In:  bytes in the format of `codegen.tables`, launch scalars, the bytes that `ELEMENT`s read.
Out: `Unrolled`: per core its steps with loops written out, and the bytes that each run of a row touches.
Not here: in which order the cores get on (`state_search.py`). Nothing is shared with the checker.

It takes well-formed tables, and is meant for small ones: every byte is a member of a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise, product
from typing import Any

import numpy as np

_SECTIONS = (  # name, numpy type, columns, number of entries: a word of the header, and how many more
    ("core_ptr", "<i4", 1, 2, 1), ("steps", "<i4", 4, 3, 0), ("event_total", "<i4", 1, 4, 0),
    ("row_ptr", "<i8", 1, 6, 1), ("row_function", "<i4", 1, 6, 0), ("words", "<i8", 1, 7, 0),
    ("function_ptr", "<i4", 1, 8, 1), ("params", "<i4", 6, 9, 0), ("axes", "<i8", 4, 10, 0),
    ("bases", "<i8", 3, 11, 0), ("derived", "<i8", 7, 13, 0), ("terms", "<i8", 2, 14, 0),
    ("guards", "<i8", 5, 15, 0), ("patches", "<i8", 3, 16, 0), ("row_program", "<i4", 1, 6, 0),
    ("program_ptr", "<i4", 1, 19, 1), ("ops", "<i8", 8, 20, 0), ("loops", "<i8", 8, 21, 0),
    ("event_loop", "<i4", 1, 4, 0), ("event_primitive", "<i4", 1, 4, 0), ("event_flag", "<i4", 1, 4, 0),
    ("drain_ptr", "<i4", 1, 22, 1), ("drain_rows", "<i4", 1, 23, 0),
    ("rings", "<i8", 6, 24, 0), ("uses", "<i8", 4, 25, 0),
)  # fmt: skip
_DERIVE = (
    lambda a, b: a // b,
    lambda a, b: a % b,
    min,
    max,
    lambda a, b: a * b,
)
_RUN, _SIGNAL, _WAIT, _BARRIER, _LOOP, _END, _DRAIN = range(7)
_ITERATION, _ELEMENT, _GUARD, _SKIP, _PATCH = range(5, 10)


class Act(Enum):
    """What one step of an unrolled core is."""

    RUN = "run"  # of `run`
    SIGNAL = "signal"  # counter `event` += `amount`
    WAIT = "wait"  # until counter `event` ≥ `amount`
    MEET = "meet"  # all cores
    LEAVE = "leave"  # all cores meet, and all go on or all go to their step `amount`
    DRAIN = "drain"  # takes `items` by ticket; `event` is the drain's use


@dataclass(frozen=True)
class Run:
    """One run of a row. `order` sorts runs as the program makes them."""

    row: int
    order: tuple[int, int, int]
    touched: tuple[tuple[int, int, int], ...] = field(compare=False)  # (base, byte, 1 reads or 2 writes)
    tokens: tuple[tuple[int, bool, int], ...] = field(compare=False)  # (ring, whether it sends, how many)
    loop: int | None = field(compare=False)

    @property
    def iteration(self) -> int:
        """0 in straight code."""
        return self.order[1]


@dataclass(frozen=True)
class Step:
    act: Act
    event: int = 0
    amount: int = 0
    run: Run | None = None
    items: tuple[Run, ...] = ()


@dataclass(frozen=True)
class Unrolled:
    """`place[base]` is where a local tensor starts in the arena, None for an argument; `size` its bytes."""

    cores: tuple[tuple[Step, ...], ...]
    place: tuple[int | None, ...]
    size: tuple[int, ...]
    depths: tuple[int, ...]  # of rings
    events: int


def unroll(tables: bytes, scalars: Sequence[int] = (), memory: Mapping[int, bytes] = {}) -> Unrolled:
    """The steps of all cores. `memory` has the bases from which rows take integers."""
    return _Unroller(_sections(tables), scalars, memory).all()


def _sections(tables: bytes) -> dict[str, Any]:
    header = np.frombuffer(tables, "<i8", 32).tolist()
    found: dict[str, Any] = {"header": header}
    at = 32 * 8
    for name, dtype, width, word, more in _SECTIONS:
        count = (header[word] + more) * width
        values = np.frombuffer(tables, dtype, count, at).astype(np.int64).reshape(-1, width)
        found[name] = values[:, 0].tolist() if width == 1 else values.tolist()
        at += -(-count * np.dtype(dtype).itemsize // 8) * 8
    assert at == len(tables) == header[18]
    return found


class _Unroller:
    def __init__(self, sections: dict[str, Any], scalars: Sequence[int], memory: Mapping[int, bytes]) -> None:
        self._s = sections
        self._memory = memory
        self._launch = list(scalars)
        for op, *sides in sections["derived"]:
            self._launch.append(_DERIVE[op](self._linear(sides[:3]), self._linear(sides[3:])))
        self._words = list(sections["words"])
        for word, scalar, coefficient in sections["patches"]:
            self._words[word] += coefficient * self._launch[scalar]
        self._uses: dict[int, list[tuple[int, bool, int]]] = {}
        for row, ring, receives, tokens in sections["uses"]:
            self._uses.setdefault(row, []).append((ring, not receives, tokens))

    def all(self) -> Unrolled:
        ptr = self._s["core_ptr"]
        return Unrolled(
            cores=tuple(tuple(self._core(self._s["steps"][a:b])) for a, b in pairwise(ptr)),
            place=tuple(start if kind else None for kind, _, start in self._s["bases"]),
            size=tuple(size for _, size, _ in self._s["bases"]),
            depths=tuple(ring[3] for ring in self._s["rings"]),
            events=len(self._s["event_total"]),
        )

    def _linear(self, value: Sequence[int], registers: Sequence[int] | None = None) -> int:
        const, first, end = value
        known = self._launch if registers is None else registers
        return const + sum(c * known[s] for s, c in self._s["terms"][first:end])

    def _core(self, steps: list[list[int]]) -> list[Step]:
        """Straight code as it is, bodies as often as they run."""
        result: list[Step] = []
        at = 0
        while at < len(steps):
            op, loop, *_ = steps[at]
            if op != _LOOP:
                result += self._step(steps[at], None, 0, 0)
                at += 1
                continue
            end = next(i for i, (op, a, *_) in enumerate(steps) if (op, a) == (_END, loop))
            assert steps[end][2] == end - at - 1
            result += self._loop(loop, steps[at + 1 : end], len(result))
            at = end + 1
        return result

    def _loop(self, loop: int, body: list[list[int]], before: int) -> list[Step]:
        const, first, end, flag, *_ = self._s["loops"][loop]
        count = max(0, self._linear((const, first, end)))
        result: list[Step] = []
        for iteration in range(count):
            for step in body:
                result += self._step(step, loop, iteration, iteration)
            if flag >= 0:
                result.append(Step(Act.LEAVE))
        if flag < 0:
            return result
        over = before + len(result)
        return [Step(Act.LEAVE, amount=over) if s.act is Act.LEAVE else s for s in result]

    def _step(self, step: list[int], loop: int | None, iteration: int, turn: int) -> list[Step]:
        op, a, b, _ = step
        if op == _RUN:
            return [Step(Act.RUN, run=run) for run in self._run(a, loop, iteration)]
        if op == _SIGNAL:
            return [Step(Act.SIGNAL, a, b)]
        if op == _WAIT:
            return [Step(Act.WAIT, a, iteration * self._s["event_total"][a] + b)]
        if op == _BARRIER:
            return [Step(Act.MEET)]
        assert op == _DRAIN
        first, end = self._s["drain_ptr"][a : a + 2]
        rows = self._s["drain_rows"][first:end]
        items = tuple(run for row in rows for run in self._run(row, loop, iteration))
        return [Step(Act.DRAIN, event=a, amount=turn, items=items)]

    # -- rows ------------------------------------------------------------------------------------

    def _run(self, row: int, loop: int | None, iteration: int) -> Iterator[Run]:
        """The run, unless its program passes it over."""
        first, end = self._s["row_ptr"][row : row + 2]
        words = self._words[first:end]
        read: list[tuple[int, int, int]] = []
        if self._finish(row, words, iteration, read):
            touched = sorted({*read, *self._touched(self._s["row_function"][row], words)})
            begin = row if loop is None else min(self._rows_of(loop))
            yield Run(row, (begin, iteration, row), tuple(touched), tuple(self._uses.get(row, ())), loop)

    def _rows_of(self, loop: int) -> Iterator[int]:
        inside = False
        for op, a, *_ in self._s["steps"]:
            inside = (inside or (op, a) == (_LOOP, loop)) and (op, a) != (_END, loop)
            if inside and op == _RUN:
                yield a
            elif inside and op == _DRAIN:
                yield from self._s["drain_rows"][slice(*self._s["drain_ptr"][a : a + 2])]

    def _finish(self, row: int, words: list[int], iteration: int, read: list[tuple[int, int, int]]) -> bool:
        """Runs the row's late program; False where it passes the row over."""
        program = self._s["row_program"][row]
        if program < 0:
            return True
        registers = list(self._launch)
        for kind, *op in self._s["ops"][slice(*self._s["program_ptr"][program : program + 2])]:
            value = 0
            if kind < _ITERATION:
                value = _DERIVE[kind](self._linear(op[:3], registers), self._linear(op[3:6], registers))
            elif kind == _ITERATION:
                value = iteration
            elif kind == _ELEMENT:
                base, size, at = op[0], op[4], self._linear(op[1:4], registers)
                value = int.from_bytes(self._memory[base][at : at + size], "little", signed=True)
                read += [(base, at + k, 1) for k in range(size)]
            elif kind == _SKIP and self._linear(op[:3], registers) <= 0:
                return False
            elif kind == _PATCH:
                words[op[0]] += self._linear(op[1:4], registers)
            registers.append(value)
        return True

    def _touched(self, function: int, words: list[int]) -> Iterator[tuple[int, int, int]]:
        first, end = self._s["function_ptr"][function : function + 2]
        for mode, item, base, offset, axis, last in self._s["params"][first:end]:
            axes = [
                (words[extent_word] if extent_word >= 0 else extent, words[s] if s >= 0 else stride)
                for extent_word, extent, s, stride in self._s["axes"][axis:last]
            ]
            for index in product(*(range(extent) for extent, _ in axes)):
                at = words[offset] + item * sum(i * s for i, (_, s) in zip(index, axes, strict=True))
                for byte, kind in product(range(at, at + item), (1, 2)):
                    if mode & kind:
                        yield words[base], byte, kind

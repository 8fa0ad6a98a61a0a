"""Table bytes as values that tests can edit, and back. It writes whatever it is given, right or wrong.

In:  bytes in the format of `codegen.tables`, or columns. Out: `Sections`, bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

RUN, SIGNAL, WAIT, BARRIER, LOOP, END, DRAIN, PREFETCH = range(8)

Step = tuple[int, int, int, int]
"""op, a, b, reason."""

_WIDTHS = (
    ("params", "<i4", 6), ("axes", "<i8", 4), ("bases", "<i8", 3), ("derived", "<i8", 7),
    ("terms", "<i8", 2), ("guards", "<i8", 5), ("patches", "<i8", 3), ("row_program", "<i4", 1),
    ("program_ptr", "<i4", 1), ("ops", "<i8", 8), ("loops", "<i8", 8), ("event_loop", "<i4", 1),
    ("event_primitive", "<i4", 1), ("event_flag", "<i4", 1), ("drain_ptr", "<i4", 1),
    ("drain_rows", "<i4", 1), ("rings", "<i8", 6), ("uses", "<i8", 4),
)  # fmt: skip
_HEADER = 32


def _empty(width: int) -> npt.NDArray[np.int64]:
    return np.zeros((0, width), np.int64)


@dataclass
class Sections:
    """The sections of one set of tables; the counts of the header and `event_total` are computed.

    Without `row_program` no row has a late program; without `event_loop` all events are in straight code,
    without `event_primitive` they are counters.
    """

    cores: list[list[Step]]
    row_words: list[list[int]]
    row_function: list[int]
    function_ptr: list[int]
    events: int = 0
    scalars: int = 0
    arena: int = 0
    params: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(6))
    axes: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(4))
    bases: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(3))
    derived: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(7))
    terms: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(2))
    guards: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(5))
    patches: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(3))
    row_program: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(1))
    program_ptr: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((1, 1), np.int64))
    ops: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(8))
    loops: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(8))
    event_loop: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(1))
    event_primitive: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(1))
    event_flag: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(1))
    drain_ptr: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((1, 1), np.int64))
    drain_rows: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(1))
    rings: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(6))
    uses: npt.NDArray[np.int64] = field(default_factory=lambda: _empty(4))

    @staticmethod
    def load(tables: bytes) -> Sections:
        """The sections of well-formed tables."""
        header = np.frombuffer(tables, "<i8", _HEADER).tolist()
        cores, steps, events, _, rows, words, functions = header[2:9]
        at = _HEADER * 8

        def take(dtype: str, count: int) -> npt.NDArray[np.int64]:
            nonlocal at
            values = np.frombuffer(tables, dtype, count, at).astype(np.int64)
            at += -(-count * np.dtype(dtype).itemsize // 8) * 8
            return values

        core_ptr = take("<i4", cores + 1)
        step = [tuple(s) for s in take("<i4", steps * 4).reshape(-1, 4).tolist()]
        take("<i4", events)
        row_ptr = take("<i8", rows + 1)
        row_function = take("<i4", rows).tolist()
        word = take("<i8", words).tolist()
        function_ptr = take("<i4", functions + 1).tolist()
        counts = dict(zip(("params", "axes", "bases", "scalars", "derived", "terms", "guards", "patches"),
                          header[9:17], strict=True))  # fmt: skip
        counts |= dict(zip(("program_ptr", "ops", "loops", "drain_ptr", "drain_rows", "rings", "uses"),
                           header[19:26], strict=True))  # fmt: skip
        counts |= {"row_program": rows}
        counts |= dict.fromkeys(("event_loop", "event_primitive", "event_flag"), events)
        counts["program_ptr"] += 1
        counts["drain_ptr"] += 1
        rest = {name: take(dtype, counts[name] * width).reshape(-1, width) for name, dtype, width in _WIDTHS}
        return Sections(
            cores=[step[a:b] for a, b in pairwise(core_ptr)],
            row_words=[word[a:b] for a, b in pairwise(row_ptr)],
            row_function=row_function,
            function_ptr=function_ptr,
            events=events,
            scalars=counts["scalars"],
            arena=header[17],
            **rest,
        )

    def copy(self) -> Sections:
        return Sections.load(self.store())

    def store(self) -> bytes:
        """The bytes."""
        steps = [step for core in self.cores for step in core]
        totals = [0] * self.events
        for op, event, amount, _ in steps:
            if op == SIGNAL and 0 <= event < self.events:
                totals[event] += amount
        words = [word for row in self.row_words for word in row]
        row_program = self.row_program if len(self.row_program) else [-1] * len(self.row_words)
        event_loop = self.event_loop if len(self.event_loop) else [-1] * self.events
        event_primitive = self.event_primitive if len(self.event_primitive) else [0] * self.events
        event_flag = self.event_flag if len(self.event_flag) else [-1] * self.events
        rest = {name: getattr(self, name) for name, _, _ in _WIDTHS}
        rest |= {"row_program": row_program, "event_loop": event_loop}
        rest |= {"event_primitive": event_primitive, "event_flag": event_flag}
        body = [
            _bytes(_ends(self.cores), "<i4"),
            _bytes(steps, "<i4"),
            _bytes(totals, "<i4"),
            _bytes(_ends(self.row_words), "<i8"),
            _bytes(self.row_function, "<i4"),
            _bytes(words, "<i8"),
            _bytes(self.function_ptr, "<i4"),
            *(_bytes(rest[name], dtype) for name, dtype, _ in _WIDTHS),
        ]
        header = [
            0x4D504D44, 4, len(self.cores), len(steps), self.events, self._straight_barriers(),
            len(self.row_words), len(words), len(self.function_ptr) - 1, len(self.params), len(self.axes),
            len(self.bases), self.scalars, len(self.derived), len(self.terms), len(self.guards),
            len(self.patches), self.arena,
            _HEADER * 8 + sum(map(len, body)),
            len(self.program_ptr) - 1, len(self.ops), len(self.loops), len(self.drain_ptr) - 1,
            len(self.drain_rows), len(self.rings), len(self.uses),
        ]  # fmt: skip
        return _bytes(header + [0] * (_HEADER - len(header)), "<i8") + b"".join(body)

    def _straight_barriers(self) -> int:
        """Barriers outside of loops, per core."""
        count, inside = 0, False
        for op, *_ in (step for core in self.cores for step in core):
            inside = op == LOOP or (inside and op != END)
            count += op == BARRIER and not inside
        return count // max(1, len(self.cores))


def _ends(groups: Sequence[Sequence[object]]) -> list[int]:
    return [0, *np.cumsum([len(group) for group in groups], dtype=np.int64).tolist()]


def _bytes(values: npt.ArrayLike, dtype: str) -> bytes:
    data = np.array(values, dtype=np.int64).astype(dtype).tobytes()
    return data + b"\0" * (-len(data) % 8)

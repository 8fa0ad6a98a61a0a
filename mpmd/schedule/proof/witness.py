"""How errors name a step: by its note where the schedule gave one, else by row, core and position.

In:  the decoded tables, and optionally a note for each step. Out: text and spans for messages.
Not here: what is wrong with the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mpmd.errors import NO_SPAN, MalformedTableError, Span
from mpmd.schedule.proof.decode import BARRIER, RUN, SIGNAL, Tables


class StepNote(Protocol):
    """What a step is for, and the user's line."""

    @property
    def text(self) -> str: ...

    @property
    def span(self) -> Span: ...


class StepNotes(Protocol):
    """A value with one note per step (the launch information of generated code is one)."""

    @property
    def steps(self) -> Sequence[StepNote]: ...


class Places:
    """Texts and spans for the steps of one set of tables."""

    def __init__(self, tables: Tables, names: StepNotes | Sequence[StepNote] | None) -> None:
        self._tables = tables
        self._notes = names if names is None or isinstance(names, Sequence) else names.steps
        if self._notes is not None and len(self._notes) != len(tables.op):
            raise MalformedTableError(
                f"the tables have {len(tables.op)} steps, the notes are for {len(self._notes)}", span=NO_SPAN
            )
        self._core = tables.step_core
        self._step_of_row = np.zeros(tables.rows, np.int64)
        runs = np.flatnonzero(tables.op == RUN)
        self._step_of_row[tables.a[runs]] = runs

    def position(self, step: int) -> str:
        core = int(self._core[step])
        return f"core {core}, step {step - int(self._tables.core_ptr[core])}"

    def step(self, step: int) -> str:
        """`'gelu#3' (core 2, step 5)`, or `row 12 (core 2, step 5)` without a note."""
        note = f"'{self._notes[step].text}'" if self._notes is not None else self.kind(step)
        return f"{note} ({self.position(step)})"

    def kind(self, step: int) -> str:
        """`row 12`, `wait for event 4`, …"""
        op, a = int(self._tables.op[step]), int(self._tables.a[step])
        if op == RUN:
            return f"row {a}"
        if op == BARRIER:
            return f"barrier {a}"
        return f"signal of event {a}" if op == SIGNAL else f"wait for event {a}"

    def span(self, step: int) -> Span:
        return NO_SPAN if self._notes is None else self._notes[step].span

    def step_of_row(self, row: int) -> int:
        return int(self._step_of_row[row])

    def row(self, row: int) -> str:
        return self.step(self.step_of_row(row))

    def span_of_row(self, row: int) -> Span:
        return self.span(self.step_of_row(row))

    def base(self, base: int) -> str:
        arguments = self._tables.arguments
        return f"argument {base}" if base < arguments else f"local tensor {base - arguments}"

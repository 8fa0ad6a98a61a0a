"""How errors name a step: by its note where the schedule gave one, else by row, core and position.

In:  the decoded tables, and optionally a note for each step. Out: text and spans for messages.
Not here: what is wrong with the step; steps of unrolled loops (`occurrences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mpmd.errors import NO_SPAN, MalformedTableError, Span
from mpmd.schedule.proof.decode import Tables

_KINDS = (
    "row",
    "signal of event",
    "wait for event",
    "barrier",
    "loop",
    "end of loop",
    "drain",
    "prefetch of row",
)


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

    def position(self, step: int) -> str:
        core = int(self._core[step])
        return f"core {core}, step {step - int(self._tables.core_ptr[core])}"

    def step(self, step: int) -> str:
        """`'gelu#3' (core 2, step 5)`, or `row 12 (core 2, step 5)` without a note."""
        return f"{self.name(step)} ({self.position(step)})"

    def name(self, step: int) -> str:
        """`'gelu#3'`, or `row 12`."""
        return f"'{self._notes[step].text}'" if self._notes is not None else self.kind(step)

    def kind(self, step: int) -> str:
        """`row 12`, `wait for event 4`, …"""
        return f"{_KINDS[int(self._tables.op[step])]} {int(self._tables.a[step])}"

    def span(self, step: int) -> Span:
        return NO_SPAN if self._notes is None else self._notes[step].span

    def base(self, base: int) -> str:
        arguments = self._tables.arguments
        return f"argument {base}" if base < arguments else f"local tensor {base - arguments}"

"""Diagnostics: every error a user can meet is one of these, and is rendered here.

In:  a message, the `Span` of the user's code it is about, related spans, hints.
Out: an exception whose text shows the user's line with a caret under the place.
Not here: deciding what is wrong; each stage raises for the laws it owns.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in the user's source. Lines count from 1, columns from 0 (as in `ast`)."""

    file: str
    line: int
    col: int = 0
    end_line: int = 0
    end_col: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col + 1}"


NO_SPAN = Span("<unknown>", 0)
"""The span of a value that no user line made (a specification given by shape alone)."""


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that explains the first: 'mlp.py:12 writes h'."""

    span: Span
    text: str


class Diagnostic(Exception):
    """An error in the user's program or call: what, where, and how to mend it.

    `code` is the stable short name of the law that was broken. `label` stands beside the caret.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        span: Span,
        label: str = "",
        related: tuple[Note, ...] = (),
        hints: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.label = label
        self.related = related
        self.hints = hints

    def __str__(self) -> str:
        return render(self)


class LanguageError(Diagnostic):
    """Python that a task or a kernel cannot contain."""

    code = "language"


class TypeMismatch(Diagnostic):
    """Ranks, dtypes or extents that do not fit together."""

    code = "type"


class DirectionError(Diagnostic):
    """A body that contradicts its signature: a write to an `In`, an unwritten `Out`, …"""

    code = "direction"


class BoundsError(Diagnostic):
    """A slice, index or gather that leaves its tensor."""

    code = "bounds"


class AliasError(Diagnostic):
    """Arguments that overlap where one of them is written."""

    code = "alias"


class ArgumentError(Diagnostic):
    """An array or scalar at a launch that does not fit the kernel's signature."""

    code = "argument"


class CapacityError(Diagnostic):
    """More memory, counters or cores than the machine has."""

    code = "capacity"


class PlacementError(Diagnostic):
    """A call that asks for a core, or a kind of core, where it cannot run."""

    code = "placement"


class UnsupportedOp(Diagnostic):
    """An operation that a target cannot do."""

    code = "unsupported"


class ScheduleError(Diagnostic):
    """A schedule that breaks one of the checker's laws; one subclass per law."""

    code = "schedule"


class RaceError(ScheduleError):
    """Two conflicting accesses with no order between them."""

    code = "race"


class ProgramOrderError(ScheduleError):
    """Two conflicting accesses that are ordered, but not as the program calls them."""

    code = "program-order"


class ReuseError(ScheduleError):
    """Two local tensors with common bytes, neither of which is done with before the other begins."""

    code = "reuse"


class DeadlockError(ScheduleError):
    """Steps that can never run because each waits for another."""

    code = "deadlock"


class PhaseError(ScheduleError):
    """A loop that a core can be in while another core is in what comes before it or after it."""

    code = "phase"


class ChannelError(ScheduleError):
    """A channel whose ends do not fit together, or that shares its memory."""

    code = "channel"


class UnmatchedWaitError(ScheduleError):
    """A wait for more signals than the whole launch gives."""

    code = "unmatched-wait"


class OrphanSignalError(ScheduleError):
    """A signal that no wait consumes."""

    code = "orphan-signal"


class ScheduleCapacityError(ScheduleError):
    """Tables that need more memory, counters or flags than the machine has, or more of one than it holds."""

    code = "schedule-capacity"


class CoResidencyError(ScheduleError):
    """Cores that have to be there at once and cannot be: more than the machine has, or two that are one."""

    code = "co-residency"


class ScopeError(ScheduleError):
    """A signal that does not reach the core that waits for it."""

    code = "scope"


class WordSignallerError(ScheduleError):
    """A word, which one core writes, signalled by several."""

    code = "word-signaller"


class FlagWaiterError(ScheduleError):
    """A flag, from which one core takes, waited for by several."""

    code = "flag-waiter"


class FlagBalanceError(ScheduleError):
    """A flag of which more or less is taken away than is signalled."""

    code = "flag-balance"


class FlagReuseError(ScheduleError):
    """A flag that stands for two events, neither of which is over before the other begins."""

    code = "flag-reuse"


class PrefetchError(ScheduleError):
    """A prefetch of what may yet be written, or of what its core does not read later."""

    code = "prefetch"


class MalformedTableError(ScheduleError):
    """Table bytes that do not decode: wrong magic, an index out of range, a row too short."""

    code = "malformed-table"


class ToolchainError(Diagnostic):
    """No compiler, or a compiler that failed."""

    code = "toolchain"


class DeviceError(Diagnostic):
    """No accelerator to run on, no driver for it, or one that cannot hold the kernel."""

    code = "device"


class ArtifactError(Diagnostic):
    """A saved kernel that is none, is damaged, is for another machine, or cannot be written."""

    code = "artifact"


class LaunchError(Diagnostic):
    """A launch that ended early: a hang, a runtime index out of range, an abort."""

    code = "launch"


def render(error: Diagnostic) -> str:
    """The diagnostic as text, in the manner of rustc: header, place, source line, caret, notes."""
    lines = [f"error[{error.code}]: {error.message}"]
    if error.span.line:
        lines += _excerpt(error.span, error.label)
    elif error.label:
        lines.append(f"  note: {error.label}")
    for note in error.related:
        where = f"{note.span.file}:{note.span.line} " if note.span.line else ""
        lines.append(f"  related: {where}{note.text}")
    lines += [f"  hint: {hint}" for hint in error.hints]
    return "\n".join(lines)


def _excerpt(span: Span, label: str) -> list[str]:
    lines = [f"  --> {span}"]
    source = linecache.getline(span.file, span.line).rstrip("\n")
    if not source:
        return lines
    gutter = f"{span.line} | "
    end = span.end_col if span.end_line == span.line else len(source)
    caret = "^" * max(1, end - span.col)
    lines.append(gutter + source)
    lines.append(" " * (len(gutter) + span.col) + caret + (f" {label}" if label else ""))
    return lines

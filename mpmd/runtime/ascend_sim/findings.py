"""What a run found: reports and sync sites as data, and a report as an error for the user.

In:  the simulator's JSON. Out: `Findings`; `violation`: a `Diagnostic` with the user's line and the seed.
Not here: the laws (`laws.py`).
"""

from __future__ import annotations

import json
import linecache
from dataclasses import dataclass

from mpmd.errors import NO_SPAN, Diagnostic, Span
from mpmd.runtime.ascend_sim.laws import LAWS


@dataclass(frozen=True, slots=True)
class Report:
    """One broken law. `file` and `line` are of the emitted text, or the user's where `#line` says so."""

    kind: str
    message: str
    core: str
    pipe: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Site:
    """A sync statement that ran, `count` times on all cores together."""

    number: int
    file: str
    line: int
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a run says besides the arrays. `pairs` are SetFlag sites with the WaitFlag sites they met."""

    seed: int
    reports: tuple[Report, ...]
    sites: tuple[Site, ...]
    pairs: tuple[tuple[int, int], ...]

    def check(self) -> None:
        """Raises the first report, if there is one."""
        if self.reports:
            raise violation(self.reports[0], self.seed)


class Violation(Diagnostic):
    """A kernel's text that breaks a law of the hardware. `code` is the law's name."""

    def __init__(self, report: Report, span: Span, hints: tuple[str, ...]) -> None:
        super().__init__(report.message, span=span, label=_where(report), hints=hints)
        self.code = report.kind


def decode(text: bytes, seed: int) -> Findings:
    """The findings in the simulator's answer."""
    found = json.loads(text)
    return Findings(
        seed,
        tuple(Report(**report) for report in found["reports"]),
        tuple(Site(**site) for site in found["sites"]),
        tuple((first, second) for first, second in found["pairs"]),
    )


def violation(report: Report, seed: int) -> Diagnostic:
    """The report as an error."""
    span = _statement(report.file, report.line) if report.file else NO_SPAN
    return Violation(report, span, (LAWS[report.kind], f"seed {seed} shows it again"))


def _statement(file: str, line: int) -> Span:
    """The whole line: the simulator knows no columns."""
    source = linecache.getline(file, line)
    return Span(file, line, len(source) - len(source.lstrip()))


def _where(report: Report) -> str:
    return (
        f"on {report.core}, pipe {report.pipe}" if report.pipe else f"on {report.core}" if report.core else ""
    )

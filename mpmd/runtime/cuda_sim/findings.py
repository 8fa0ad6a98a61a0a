"""What a simulated launch found, with lines of the text, or of the user's file where the text names it.

In:  the simulator's JSON. Out: `Findings`; `violation`: the first report as an error with the seed.
Not here: how a launch failed by its own checks (`runtime/report.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from mpmd.errors import NO_SPAN, Diagnostic, Span

LAWS: Mapping[str, str] = MappingProxyType(
    {
        "race": "order the two: a barrier in a block, a signal and a wait between blocks",
        "deadlock": "look for the signal that is missing, or that comes after a wait for its answer",
        "no-progress": "look for who writes the counter",
        "divergence": "all threads of a block, and all lanes of a warp, must come to the same place",
        "bounds": "compare the offset and the extent with the tensor's shape",
        "constant": "only tensors that the kernel declares Out, InOut or Accum may be written",
        "poison": "write it first, or wait for who writes it",
    }
)
"""The laws that the judge knows, by the name that reports carry, and how each is mended."""

_ADDRESS = re.compile(r"@:(\d+)")


class Places(Protocol):
    """Who knows the lines of a text."""

    def place(self, offset: int) -> tuple[str, int]: ...


@dataclass(frozen=True, slots=True)
class Report:
    """One broken law."""

    kind: str
    message: str
    block: str
    thread: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Site:
    """A statement that orders accesses and that ran, so many times on all threads together."""

    number: int
    file: str
    line: int
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a launch says besides the arrays."""

    seed: int
    reports: tuple[Report, ...]
    sites: tuple[Site, ...]

    def joined(self, later: Findings) -> Findings:
        """With those of what ran after it; sites are counted together."""
        counts = {site.number: site.count for site in self.sites}
        sites = {site.number: site for site in (*self.sites, *later.sites)}
        for site in later.sites:
            counts[site.number] = counts.get(site.number, 0) + (site.count if self.sites else 0)
        return Findings(self.seed, (*self.reports, *later.reports), tuple(sites.values()))


def found_nothing(seed: int) -> Findings:
    return Findings(seed, (), ())


def decode(text: bytes, seed: int, places: Places) -> Findings:
    """The findings in the simulator's answer."""
    found = json.loads(text)
    reports = tuple(_report(report, places) for report in found["reports"])
    return Findings(seed, reports, tuple(Site(**site) for site in found["sites"]))


def _report(found: Mapping[str, str | int], places: Places) -> Report:
    file, line = str(found["file"]), int(found["line"])
    if file == "@":
        file, line = places.place(line)
    message = _ADDRESS.sub(lambda match: _text(places.place(int(match[1]))), str(found["message"]))
    return Report(str(found["kind"]), message, str(found["core"]), str(found["pipe"]), file, line)


def _text(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}" if place[0] else "a place without a line"


class Violation(Diagnostic):
    """A kernel's text or tables that break a law. `code` is the law's name."""

    def __init__(self, report: Report, span: Span, hints: tuple[str, ...]) -> None:
        where = f"on {report.block}, {report.thread}" if report.thread else ""
        super().__init__(report.message, span=span, label=where, hints=hints)
        self.code = report.kind


def violation(findings: Findings) -> Violation:
    """The first report, as an error."""
    report = findings.reports[0]
    span = Span(report.file, report.line) if report.file else NO_SPAN
    return Violation(report, span, (LAWS[report.kind], f"seed {findings.seed} shows it again"))

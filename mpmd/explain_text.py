"""An explanation in words: sentences, and a table of all variants.

In:  an `Explanation`. Out: text.
Not here: the figures (`explain.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mpmd.errors import Span
from mpmd.machine.text import amount
from mpmd.schedule.report import Waited

if TYPE_CHECKING:
    from mpmd.explain import Explanation, Outcome

WORTH_SAYING = 0.01
"""Share of the time below which a variant is as good as the kernel."""

ROUNDING = 1e-12
"""Seconds that are no difference."""


def text(found: Explanation) -> str:
    """All that there is to say."""
    parts = ["\n".join(sentences(found)), "\n".join(_table(found))]
    if found.waits:
        parts.append("\n".join(["worst waits", *(f"  {_waited(waited)}" for waited in found.waits)]))
    return "\n\n".join([*parts, str(found.sync), str(found.memory)])


def sentences(found: Explanation) -> Iterator[str]:
    """What holds the kernel up, whether fusing it pays, and what would be faster."""
    own = found.own
    measured = "" if own.measured is None else f", {_seconds(own.measured)} measured"
    yield (
        f"Kernel {found.kernel!r} ({_where(found.place)}), {_count(found.tasks, 'task')} on "
        f"{_count(found.cores, 'core')} of {found.machine}: {_seconds(own.predicted)} predicted{measured}."
    )
    yield _held_up(found)
    for other in found.about("fusion"):
        yield _fusion(own, other)
    for about in dict.fromkeys(other.about for other in found.others if other.about != "fusion"):
        best = min(found.about(about), key=lambda other: other.predicted)
        gain = own.predicted - best.predicted
        if gain > WORTH_SAYING * own.predicted:
            won = f"{_seconds(gain)} ({_percent(gain, own.predicted)})"
            yield f"With {about}: {best.name}, it is predicted to win {won}."


def _held_up(found: Explanation) -> str:
    name, bound = found.bound
    share = found.shares[found.bottleneck]
    least = f"No schedule takes less than {_seconds(bound)}, for its {name}"
    if found.bottleneck == name:
        return f"{least}: that is {_percent(bound, found.own.predicted)} of the prediction, and holds it up."
    part = f"{_seconds(share)}, {_percent(share, found.own.predicted)}"
    return f"{least}. What holds it up is {found.bottleneck}: {part}."


def _fusion(own: Outcome, other: Outcome) -> str:
    """Whether one launch for all is better than one for each call, and why."""
    gain = other.predicted - own.predicted
    if abs(gain) < ROUNDING:
        return "Fusing makes no difference."
    parts = {
        "launches": own.launch - other.launch,
        "sync": own.sync - other.sync,
        "tasks on the critical path (imbalance, caches)": own.run - other.run,
    }
    why = "; ".join(f"{what} {_cost(seconds)}" for what, seconds in parts.items())
    part = f"{_seconds(abs(gain))} ({_percent(abs(gain), other.predicted)})"
    return f"Fusing wins {part}: {why}." if gain > 0 else f"Fusing does not pay, it loses {part}: {why}."


def _cost(seconds: float) -> str:
    if abs(seconds) < ROUNDING:
        return "cost the same"
    return f"cost {_seconds(abs(seconds))} {'more' if seconds > 0 else 'less'}"


def _table(found: Explanation) -> Iterator[str]:
    measured = found.own.measured is not None
    columns = f"{'predicted':>12s}{'against own':>20s}"
    columns += f"{'measured':>12s}{'against own':>20s}" if measured else ""
    yield f"{'':34s}{columns}{'waits':>8s}{'arena':>10s}"
    for outcome in (found.own, *found.others):
        cells = _against(outcome.predicted, found.own.predicted)
        if outcome.measured is not None and found.own.measured is not None:
            cells += _against(outcome.measured, found.own.measured)
        yield f"{_name(outcome.about, outcome.name)}{cells}{outcome.waits:8d}{_size(outcome.arena_bytes)}"
    for refusal in found.refused:
        yield f"{_name(refusal.about, refusal.name)}  {refusal.why}"


def _name(about: str, name: str) -> str:
    return f"{f'{about:12s}{name}' if about else name:34s}"


def _against(seconds: float, own: float) -> str:
    more = seconds - own
    sign = "+" if more > 0 else "−"
    share = f"{sign}{_percent(abs(more), own)}"
    against = f"{sign}{_seconds(abs(more))} {share:>8s}" if abs(more) >= ROUNDING else ""
    return f"{_seconds(seconds):>12s}{against:>20s}"


def _waited(waited: Waited) -> str:
    return (
        f"{waited.waits} ({_where(waited.place)}) for {waited.awaited} ({_where(waited.awaited_place)}): "
        f"{_count(waited.count, 'wait')}, {_seconds(waited.seconds)}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _where(place: Span) -> str:
    return f"{Path(place.file).name}:{place.line}"


def _seconds(seconds: float) -> str:
    return amount(seconds, "s")


def _size(size: int) -> str:
    return f"{amount(size, 'B'):>10s}"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole > 0 else "0.0%"

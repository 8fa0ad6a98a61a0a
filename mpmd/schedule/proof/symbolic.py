"""Proofs that two accesses are apart in every launch, by comparing their places as linear forms.

In:  places whose offset and extents are forms in the launch scalars, and the bounds of these.
Out: `apart`. False proves nothing.
Not here: fixed boxes (`boxes` decides those exactly).

`x[12 : pos + 13]` and `x[pos + 15 : pos + 18]` overlap as intervals, but the difference of their ends is
a constant. Axes are taken one pitch at a time: where everything within a pitch is nearer than one
pitch, two places meet only if they meet along the pitch and within it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.schedule.proof.scalars import Bounds, Form

Axes = tuple[tuple[int, Form], ...]
"""(stride in bytes, extent), strides > 0; stride 1 is the run of bytes of an item."""

_ONE = Form(1)
_STRIDES = 8
"""Places with more strides between them are not looked into: each may double the work."""


@dataclass(frozen=True, slots=True)
class Place:
    """The bytes `offset + Σ stride × i`, 0 ≤ i < extent."""

    offset: Form
    axes: Axes


def apart(a: Place, b: Place, bounds: Bounds) -> bool:
    """Whether no launch gives the two a common byte."""
    if len({stride for stride, _ in (*a.axes, *b.axes)}) > _STRIDES:
        return False
    return _apart(b.offset.plus(a.offset, -1), a.axes, b.axes, bounds)


def _apart(gap: Form, a: Axes, b: Axes, bounds: Bounds) -> bool:
    """Whether `gap + (a byte of b) − (a byte of a)` is never zero."""
    if _misses(gap, _span(a), _span(b), bounds):
        return True
    strides = sorted({stride for stride, _ in (*a, *b) if stride > 1}, reverse=True)
    for at, pitch in enumerate(strides):
        if any(stride % pitch for stride in strides[:at]):
            break
        if _apart_at(pitch, gap, a, b, bounds):
            return True
    return False


def _apart_at(pitch: int, gap: Form, a: Axes, b: Axes, bounds: Bounds) -> bool:
    """The same, seen one pitch at a time."""
    along_a, within_a = _split(a, pitch)
    along_b, within_b = _split(b, pitch)
    for nearest in (gap.const % pitch, gap.const % pitch - pitch):
        rows = tuple((s, c // pitch) for s, c in gap.terms if c % pitch == 0)
        rest = Form(nearest, tuple((s, c) for s, c in gap.terms if c % pitch))
        least = bounds.of(rest.plus(_span(within_a), -1))[0]
        most = bounds.of(rest.plus(_span(within_b)))[1]
        if -pitch < least and most < pitch:
            along = Form((gap.const - nearest) // pitch, rows)
            if _misses(along, along_a, along_b, bounds) or _apart(rest, within_a, within_b, bounds):
                return True
    return False


def _misses(gap: Form, span_a: Form, span_b: Form, bounds: Bounds) -> bool:
    """Whether b, `gap` further on, begins after a's end or ends before a's beginning."""
    return bounds.of(gap.plus(span_a, -1))[0] > 0 or bounds.of(gap.plus(span_b))[1] < 0


def _span(axes: Axes) -> Form:
    """The last byte's distance from the first."""
    total = Form(0)
    for stride, extent in axes:
        total = total.plus(extent.plus(_ONE, -1), stride)
    return total


def _split(axes: Axes, pitch: int) -> tuple[Form, Axes]:
    """The last index along axes with this stride or multiples of it, and the other axes.

    An axis of fixed extent that goes beyond the pitch in steps that divide it is cut into whole pitches.
    """
    along, within = Form(0), []
    for stride, extent in axes:
        if stride % pitch == 0:
            along = along.plus(extent.plus(_ONE, -1), stride // pitch)
        elif not extent.terms and pitch % stride == 0 and stride * extent.const > pitch:
            along = along.plus(Form(-(-stride * extent.const // pitch) - 1))
            within.append((stride, Form(pitch // stride)))
        else:
            within.append((stride, extent))
    return along, tuple(within)

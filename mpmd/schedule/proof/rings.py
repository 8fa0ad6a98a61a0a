"""The laws of channels: both ends of a ring fit together, and its memory is its own.

In:  the decoded tables, the loop of each row; later the straight steps and what their instances hold.
Out: `gangs`: RUNs that have to meet. Raises `ChannelError`, or
`CoResidencyError` where those that have to meet are on one core.
Not here: whether they can meet (`execute`); whether tasks that have met wait for each other for ever in
the middle of their tokens, which only their bodies can tell.

Everything that a ring's producer sends in one run its consumer receives in one run. The k-th run of the
one goes with the k-th of the other, in the same iteration of the same loop. Between two cores both run at
the same time; on one core the producer's run comes first and the ring has room for all that was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mpmd.errors import NO_SPAN, ChannelError, CoResidencyError, Note
from mpmd.schedule.proof.decode import RUN, Column, Tables
from mpmd.schedule.proof.execute import Gang
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.scalars import Form
from mpmd.schedule.proof.straight import Straight
from mpmd.schedule.proof.witness import Places

SENDS, RECEIVES = range(2)
_DEPTH = 3

Use = tuple[int, int, int]
"""Step of the tables, row, tokens."""


def match(tables: Tables, row_loop: Column, places: Places) -> None:
    """Raise unless the runs at the ends of every ring go with each other."""
    if len(tables.uses):
        _on_its_cores(tables, places)
    for ring, (sends, receives) in enumerate(_ends(tables)):
        for send, receive in zip(sends, receives, strict=False):
            _pair(tables, ring, send, receive, row_loop, places)
        if len(sends) != len(receives):
            odd = max(sends, receives, key=len)[min(len(sends), len(receives))]
            what = "sends to" if len(sends) > len(receives) else "receives from"
            raise ChannelError(
                f"{places.step(odd[0])} {what} ring {ring}, of which nobody is at the other end",
                span=places.span(odd[0]),
                label=f"{odd[2]} tokens",
            )
        if tables.rings[ring, 0] == tables.rings[ring, 1]:
            _in_turn(tables, ring, sends, receives, places)
    _apart(tables, places)


def _ends(tables: Tables) -> Iterator[tuple[list[Use], list[Use]]]:
    """Per ring the runs that send and those that receive, in the order of their cores' steps."""
    runs = np.flatnonzero(tables.op == RUN)
    step_of = np.zeros(tables.rows, np.int64)
    step_of[tables.a[runs]] = runs
    found: list[tuple[list[Use], list[Use]]] = [([], []) for _ in range(len(tables.rings))]
    for row, ring, side, tokens in tables.uses.tolist():
        found[ring][side].append((int(step_of[row]), row, tokens))
    for sends, receives in found:
        yield sorted(sends), sorted(receives)


def _on_its_cores(tables: Tables, places: Places) -> None:
    """Raise unless each use is on the core of its end of the ring, and not an item of a drain."""
    row, ring, side, _ = tables.uses.T
    for bad in np.flatnonzero(np.isin(row, tables.drain_rows))[:1].tolist():
        raise ChannelError(f"row {int(row[bad])} uses ring {int(ring[bad])} and is in a drain", span=NO_SPAN)
    runs = np.flatnonzero(tables.op == RUN)
    step_of = np.zeros(tables.rows, np.int64)
    step_of[tables.a[runs]] = runs
    step = step_of[row]
    core = tables.rings[ring, side]
    for bad in np.flatnonzero(tables.step_core[step] != core)[:1].tolist():
        verb = "sends to" if side[bad] == SENDS else "receives from"
        raise ChannelError(
            f"{places.step(int(step[bad]))} {verb} ring {int(ring[bad])}, whose end is on core "
            f"{int(core[bad])}",
            span=places.span(int(step[bad])),
        )


def _pair(tables: Tables, ring: int, send: Use, receive: Use, row_loop: Column, places: Places) -> None:
    related = (Note(places.span(receive[0]), f"{places.step(receive[0])} receives {receive[2]} tokens"),)
    if send[2] != receive[2]:
        raise ChannelError(
            f"{places.step(send[0])} sends {send[2]} tokens to ring {ring}, {receive[2]} are received",
            span=places.span(send[0]),
            label=f"sends {send[2]} tokens",
            related=related,
        )
    if row_loop[send[1]] != row_loop[receive[1]]:
        raise ChannelError(
            f"{places.step(send[0])} sends to ring {ring} {_where(int(row_loop[send[1]]))}, and its tokens "
            f"are received {_where(int(row_loop[receive[1]]))}",
            span=places.span(send[0]),
            related=related,
        )


def _where(loop: int) -> str:
    return "in straight code" if loop < 0 else f"in loop {loop}"


def _in_turn(tables: Tables, ring: int, sends: list[Use], receives: list[Use], places: Places) -> None:
    """Raise unless a ring of one core is never empty when it is read, nor overfull."""
    depth = int(tables.rings[ring, _DEPTH])
    tokens = 0
    changes = [(step, count) for step, _, count in sends] + [(step, -count) for step, _, count in receives]
    for step, change in sorted(changes):
        tokens += change
        if tokens < 0:
            raise ChannelError(
                f"{places.step(step)} receives {-change} tokens from ring {ring} of its own core before they "
                "are sent",
                span=places.span(step),
            )
        if tokens > depth:
            raise ChannelError(
                f"{places.step(step)} leaves {tokens} tokens in ring {ring} of its own core, which has room "
                f"for {depth}",
                span=places.span(step),
            )


def _apart(tables: Tables, places: Places) -> None:
    """Raise if a ring shares bytes with a local tensor or with another ring."""
    if not len(tables.rings):
        return
    local = np.flatnonzero((tables.bases[:, 0] == 1) & (tables.bases[:, 1] > 0))
    rings = [
        (offset, offset + slot * depth, f"ring {ring}")
        for ring, (_, _, slot, depth, offset, _) in enumerate(tables.rings.tolist())
    ]
    tensors = [
        (start, start + size, places.base(base))
        for base, (_, size, start) in zip(local.tolist(), tables.bases[local].tolist(), strict=True)
    ]
    reach, owner = -1, ""
    ring_reach, ring_owner = -1, ""
    for start, end, name in sorted([*rings, *tensors]):
        is_ring = name.startswith("ring")
        limit, other = (reach, owner) if is_ring else (ring_reach, ring_owner)
        if start < limit:
            raise ChannelError(f"{other} and {name} share bytes {start} to {min(limit, end)}", span=NO_SPAN)
        if end > reach:
            reach, owner = end, name
        if is_ring and end > ring_reach:
            ring_reach, ring_owner = end, name


def gangs(steps: Straight, places: Occurrences) -> list[Gang]:
    """The RUNs joined by rings between different cores, in the straight steps; raise if two share a core."""
    tables = steps.tables
    if not len(tables.uses):
        return []
    partner: dict[int, int] = {}  # row to row, towards the one that stands for its gang

    def find(row: int) -> int:
        while partner.setdefault(row, row) != row:
            partner[row] = row = partner[partner[row]]
        return row

    for ring, (sends, receives) in enumerate(_ends(tables)):
        if tables.rings[ring, 0] != tables.rings[ring, 1]:
            for send, receive in zip(sends, receives, strict=True):
                partner[find(send[1])] = find(receive[1])
    members: dict[tuple[int, int], list[int]] = {}
    runs = np.flatnonzero(steps.op == RUN)
    rows, copies = steps.row[steps.a[runs]].tolist(), steps.copy[steps.a[runs]].tolist()
    for step, row, copy in zip(runs.tolist(), rows, copies, strict=True):
        if row in partner:
            members.setdefault((find(row), copy), []).append(step)
    found = [tuple(gang) for _, gang in sorted(members.items())]
    for gang in found:
        _all_there(steps, gang, places)
    return found


def _all_there(steps: Straight, gang: Gang, places: Occurrences) -> None:
    """Raise unless the members of a gang are on different cores."""
    core = steps.step_core[list(gang)]
    for second in np.flatnonzero(np.bincount(core) > 1)[:1].tolist():
        one, other = (int(step) for step in np.array(gang)[core == second][:2])
        raise CoResidencyError(
            f"{places.step(one)} and {places.step(other)} pass tokens on at once, on one core",
            span=places.span(one),
            related=(Note(places.span(other), f"{places.step(other)} cannot run meanwhile"),),
            hints=("the tasks that channels join have cores of their own",),
        )


def together(steps: Straight, conditions: Mapping[int, Sequence[Form]], places: Occurrences) -> None:
    """Raise unless the runs at both ends of a ring are passed over under the same conditions."""
    tables = steps.tables
    if not conditions or not len(tables.uses):
        return
    first = {int(row): int(i) for i, row in reversed(list(enumerate(steps.row.tolist())))}
    for ring, ends in enumerate(_ends(tables)):
        for send, receive in zip(*ends, strict=True):
            one, two = first.get(send[1]), first.get(receive[1])
            if one is None or two is None:
                continue
            if set(conditions.get(one, ())) != set(conditions.get(two, ())):
                raise ChannelError(
                    f"{places.instance(one)} sends to ring {ring}, {places.instance(two)} receives from it, "
                    "and one may be passed over when the other is not",
                    span=places.span_of(one),
                    related=(Note(places.span_of(two), f"{places.instance(two)} receives"),),
                )

"""Loops over the pieces of an axis: tiles of known and runtime extents, even parts, ragged segments.

In:  a `Scope` and the rows that are divided. Out: the heads of `for` loops. Not here: their bodies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from tests.generation.scope import Feature, Scope

Body = Callable[[str], None]
"""Writes the lines for one piece, whose name it is given."""


def over_rows(scope: Scope, rows: int, name: str, body: Body, *, single: bool) -> None:
    """`body` for each piece of some division of `rows`; `single` says that it is one call."""
    kinds: list[Callable[..., None]] = [_tiles, _tiles, _tiles]
    if scope.has(Feature.SPLIT):
        kinds += [_split, _split_and_tiles]
    if scope.has(Feature.SEGMENTS):
        kinds += [_segments, _segments]
    scope.one(kinds)(scope, rows, name, body, single)


def known_tiles(scope: Scope, extent: int) -> str:
    """`mpmd.tiles` of all of a known extent."""
    size = scope.one([None, 3, 8, 16])
    return f"mpmd.tiles({extent})" if size is None else f"mpmd.tiles({extent}, {size})"


def _tiles(scope: Scope, rows: int, name: str, body: Body, single: bool) -> None:
    extent, most = _extent(scope, rows)
    size = scope.one([", 3", ", 5", ", 8", ", 16", ""])
    with scope.text.block(f"for {name} in mpmd.tiles({extent}{size}{most}{_drain(scope, single)}):"):
        body(name)


def _split(scope: Scope, rows: int, name: str, body: Body, single: bool) -> None:
    extent, most = _extent(scope, rows)
    parts = scope.one([4, 3, 2, 7, 1])
    with scope.text.block(f"for {name} in mpmd.split({extent}, {parts}{most}{_drain(scope, single)}):"):
        body(name)


def _split_and_tiles(scope: Scope, rows: int, name: str, body: Body, single: bool) -> None:
    extent, most = _extent(scope, rows)
    with scope.text.block(f"for s in mpmd.split({extent}, {scope.one([3, 2, 1])}{most}):"):
        _tiles_of_piece(scope, name, body, single)


def _segments(scope: Scope, rows: int, name: str, body: Body, single: bool) -> None:
    offsets, capacity = _offsets(scope, rows)
    piece = "s" if (divided := scope.chance(2)) else name
    with scope.text.block(f"for {piece} in mpmd.segments({offsets}, {capacity}):"):
        if divided:
            _tiles_of_piece(scope, name, body, single)
        else:
            body(name)


def _tiles_of_piece(scope: Scope, name: str, body: Body, single: bool) -> None:
    size = scope.one([", 3", ", 8", ""])
    with scope.text.block(f"for {name} in mpmd.tiles(s{size}{_drain(scope, single)}):"):
        body(name)


def _drain(scope: Scope, single: bool) -> str:
    return ", drain=True" if single and scope.has(Feature.DRAIN) and scope.chance(2) else ""


def _extent(scope: Scope, rows: int) -> tuple[str, str]:
    """All rows, or a number of them that is known at launch or in the loop; and its bound, perhaps."""
    fitting = [m for m in scope.moving if m.most <= rows]
    if not (scope.has(Feature.RUNTIME) and fitting and scope.chance(2)):
        return str(rows), ""
    moving = scope.one(fitting)
    room = rows - moving.most
    factor = scope.integer(1, rows // moving.most) if moving.most else 1
    text = scope.one([moving.text, f"{moving.text} + {scope.integer(0, room)}", f"{factor} * {moving.text}"])
    return text, scope.one(["", "", f", most={rows}"])


def _offsets(scope: Scope, rows: int) -> tuple[str, int]:
    """A tensor of rising offsets within `rows`: an argument, or what a task has made of one."""
    values = _rising(scope, rows)
    dtype = scope.one(["i32", "i64"])
    name = scope.text.fresh("offsets")
    data = np.array(values, dtype={"i32": np.int32, "i64": np.int64}[dtype])
    scope.text.extra[name] = f"In[{dtype}, {len(values)}]", data
    sizes = [b - a for a, b in itertools.pairwise(values)]
    capacity = max(1, max(sizes)) + scope.integer(0, 2)
    if scope.chance(2):
        return name, capacity
    copied = scope.text.fresh("made")
    copy = scope.text.task(f"a: In[{dtype}, N], y: Out[{dtype}, N]", ["y[:] = a[:]"])
    scope.text.line(f"{copied} = mpmd.empty(({len(values)},), {dtype})", f"{copy}({name}, {copied})")
    return copied, capacity


def _rising(scope: Scope, rows: int) -> Sequence[int]:
    return sorted(scope.draw(st.lists(st.integers(0, rows), min_size=4, max_size=7)))

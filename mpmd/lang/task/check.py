"""The laws on a parsed task: directions, definite assignment of `Out`, tokens that can be counted, bounds.

In:  a `TaskDef`. Out: nothing, or a Diagnostic at the user's line; and, for emitters, the accesses
     and extents whose bounds are not proved and need a check at run time.
Not here: types (`ops.py` and the parser), how things are proved (`task/facts.py`, `task/coverage.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import cast

from mpmd.errors import BoundsError, DirectionError, LanguageError, Note
from mpmd.lang.index import ZERO, Index
from mpmd.lang.task.coverage import Coverage, Regions, covers, whole
from mpmd.lang.task.facts import Facts, Values, task_facts, values_of, walk_with_facts
from mpmd.lang.task.tokens import first_token
from mpmd.lang.tile import (
    Apply,
    Axis,
    Branch,
    Gather,
    Load,
    Loop,
    Param,
    Receive,
    Send,
    Stmt,
    Store,
    TaskDef,
    walk,
)
from mpmd.lang.types import Direction


def check_task(definition: TaskDef) -> None:
    """Raises DirectionError or BoundsError for the first law that the body breaks."""
    for param in definition.tensors:
        _check_direction(definition, param)
    _check_countable(definition.body)
    _check_bounds(definition)
    for param in definition.tensors:
        if param.direction is Direction.OUT:
            _check_written(definition, param)


# -- directions ---------------------------------------------------------------------------------------


def _check_direction(task: TaskDef, param: Param) -> None:
    for stmt in walk(task.body):
        if isinstance(stmt, Store) and stmt.param == param.name:
            _check_store(param, stmt)
        if (
            isinstance(stmt, (Load, Gather))
            and stmt.param == param.name
            and param.direction is Direction.ACCUM
        ):
            raise DirectionError(
                f"'{param.name}' is Accum and is read",
                span=stmt.span,
                label="other tasks may still be adding to it",
                related=(_declared(param),),
                hints=(f"declare '{param.name}' as InOut to read and write it",),
            )


def _check_store(param: Param, store: Store) -> None:
    if param.direction is not None and not param.direction.writes:
        raise DirectionError(
            f"'{param.name}' is {param.direction.value} and is written",
            span=store.span,
            label=f"writes '{param.name}'",
            related=(_declared(param),),
            hints=(f"declare '{param.name}' as Out, or as InOut where its old contents matter",),
        )
    if param.direction is Direction.ACCUM and not store.accumulate:
        raise DirectionError(
            f"'{param.name}' is Accum: it is only added to",
            span=store.span,
            label="overwrites what others added",
            related=(_declared(param),),
            hints=(f"write {param.name}[…] += value, or declare '{param.name}' as InOut",),
        )


def _declared(param: Param) -> Note:
    return Note(param.span, f"declares '{param.name}'")


# -- channels -------------------------------------------------------------------------------------------


def _check_countable(body: tuple[Stmt, ...]) -> None:
    """The number of tokens is known from dims and scalars: no data decides whether one moves, or how many."""
    for stmt in body:
        if isinstance(stmt, Branch):
            for inner in walk((*stmt.then, *stmt.otherwise)):
                if isinstance(inner, (Send, Receive)):
                    raise _uncountable(inner, "whether", Note(stmt.span, "decides"))
        elif isinstance(stmt, Loop) and (moving := first_token(stmt.body)) is not None:
            if any(name[0] == "%" for name in stmt.start.symbols() | stmt.stop.symbols()):
                raise _uncountable(moving, "how often", Note(stmt.span, "bounds the loop"))
            _check_countable(stmt.body)


def _uncountable(stmt: Send | Receive, what: str, note: Note) -> LanguageError:
    return LanguageError(
        f"data decides {what} a token moves through '{stmt.param}'",
        span=stmt.span,
        label="sends one" if isinstance(stmt, Send) else "receives one",
        related=(note,),
        hints=("move a token in every case, and decide what is in it: mpmd.where, or 'if' around its value",),
    )


# -- definite assignment --------------------------------------------------------------------------------


def _check_written(task: TaskDef, param: Param) -> None:
    facts = task_facts(task, {})

    def on_read(stmt: Load | Gather, written: Regions, known: Facts) -> None:
        region = stmt.region if isinstance(stmt, Load) else whole(param)
        if not covers(written, region, known, param):
            raise DirectionError(
                f"'{param.name}' is Out, and is read before it is written",
                span=stmt.span,
                label="its old contents cannot be read",
                related=(_declared(param),),
                hints=(f"write these elements first, or declare '{param.name}' as InOut",),
            )

    written = Coverage(param, values_of(task), on_read).after(task.body, (), facts)
    if covers(written, whole(param), facts, param):
        return
    stores = [s for s in walk(task.body) if isinstance(s, Store) and s.param == param.name]
    raise DirectionError(
        f"'{param.name}' is Out, but is not written on every path"
        if stores
        else f"'{param.name}' is Out, but is never written",
        span=param.span,
        label="some elements may be left unwritten" if stores else "never written",
        related=tuple(Note(store.span, f"writes a part of '{param.name}'") for store in stores[:3]),
        hints=(f"write all of it, or declare '{param.name}' as InOut: what is not written then survives",),
    )


# -- bounds ---------------------------------------------------------------------------------------------


class Verdict(Enum):
    """Whether an access stays within its axis."""

    PROVED = "proved"
    UNKNOWN = "unknown"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Access:
    """`axis` of axis `number` of something with `limit` elements there."""

    number: int
    axis: Axis
    limit: Index
    what: str


def unproved_accesses(task: TaskDef, *, fixed: Mapping[str, int] = {}) -> tuple[tuple[Stmt, int], ...]:
    """(statement, axis) of every access that needs a check at run time, in program order.

    Statements are loads, stores, gathers, sends, `slice`s of values, and the ops that make a tile of given
    extents (`new_extents`). A receive always compares extents with the sender's. `fixed` gives dims theirs.
    """
    values = values_of(task)
    found: list[tuple[Stmt, int]] = []
    for stmt, facts in walk_with_facts(task.body, task_facts(task, fixed), values):
        if isinstance(stmt, Gather):
            found.append((stmt, 0))
        for access in () if isinstance(stmt, Receive) else _accesses(task, stmt, values):
            if _verdict(access, facts) is not Verdict.PROVED:
                found.append((stmt, access.number))
        extents = enumerate(new_extents(stmt))
        found.extend((stmt, axis) for axis, extent in extents if not facts.proves(extent))
    return tuple(found)


def new_extents(stmt: Stmt) -> tuple[Index, ...]:
    """The extents of a tile that is made by naming them, and not from the extents of others."""
    if isinstance(stmt, Apply) and stmt.op == "iota":
        return (cast(Index, stmt.attr("extent")),)
    if isinstance(stmt, Apply) and stmt.op == "broadcast":
        return cast("tuple[Index, ...]", stmt.attr("shape"))
    return ()


def _check_bounds(task: TaskDef) -> None:
    values = values_of(task)
    for stmt, facts in walk_with_facts(task.body, task_facts(task, {}), values):
        for access in _accesses(task, stmt, values):
            if _verdict(access, facts) is Verdict.BROKEN:
                raise _out_of_bounds(stmt, access)


def _accesses(task: TaskDef, stmt: Stmt, values: Values) -> Iterator[Access]:
    if isinstance(stmt, (Load, Store)):
        shape = task.param(stmt.param).shape
        for number, (axis, limit) in enumerate(zip(stmt.region, shape, strict=True)):
            yield Access(number, axis, limit, f"'{stmt.param}'")
    elif isinstance(stmt, Apply) and stmt.op == "slice":
        number, step = cast(int, stmt.attr("axis")), cast(int, stmt.attr("step"))
        axis = Axis(cast(Index, stmt.attr("start")), cast(Index, stmt.attr("extent")), step)
        type_ = values.types[stmt.args[0]]
        yield Access(number, axis, type_.shape[number], f"a tile {type_}")
    elif isinstance(stmt, (Send, Receive)):
        extents = values.types[stmt.value if isinstance(stmt, Send) else stmt.out].shape
        for number, (extent, limit) in enumerate(zip(extents, task.param(stmt.param).shape, strict=True)):
            yield Access(number, Axis(ZERO, extent), limit, f"a token of '{stmt.param}'")


def _verdict(access: Access, facts: Facts) -> Verdict:
    """Where nothing is accessed (extent 0), a slice still starts within its axis or at its end."""
    axis = access.axis
    room = access.limit - axis.start - 1 - (axis.extent - 1) * axis.step
    if all(facts.proves(goal) for goal in (axis.start, axis.extent, room, access.limit - axis.start)):
        return Verdict.PROVED
    outside = facts.refutes(room) and (axis.step == 1 or facts.proves(axis.extent - 1))
    if outside or facts.refutes(axis.start) or facts.refutes(axis.extent):
        return Verdict.BROKEN
    return Verdict.UNKNOWN


def _out_of_bounds(stmt: Stmt, access: Access) -> BoundsError:
    axis = access.axis
    if isinstance(stmt, (Send, Receive)):
        return BoundsError(
            f"an extent of {axis.extent} along axis {access.number} of {access.what}",
            span=stmt.span,
            label=f"a token has {access.limit} elements there",
            hints=("declare the channel with larger extents, or move smaller pieces",),
        )
    if axis.keep:
        stop = axis.start + (axis.extent - 1) * axis.step + 1
        what = f"the slice {axis.start} : {stop}" + (f" : {axis.step}" if axis.step > 1 else "")
    else:
        what = f"the index {axis.start}"
    return BoundsError(
        f"{what} leaves axis {access.number} of {access.what}",
        span=stmt.span,
        label=f"the axis has {access.limit} elements",
        hints=("slices are not clipped: give a stop that is inside, or leave it out",)
        if axis.keep
        else ("count from 0, or from the end by a negative constant",),
    )

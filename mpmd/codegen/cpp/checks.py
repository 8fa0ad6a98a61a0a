"""Run-time checks: places that could not be proved to lie within their tensor, and extents.

In:  a statement and the axis in question. Out: the call of the header's check, and a note for reports.
Not here: which accesses need one (`lang.check`), what a failure does (`abi.h`).
"""

from __future__ import annotations

from typing import cast

from mpmd.codegen.cpp.elements import Address, Elements, Read
from mpmd.codegen.cpp.lambda_text import address_text
from mpmd.codegen.source import StepNote
from mpmd.lang.index import ONE, ZERO, Index, symbol
from mpmd.lang.task.check import new_extents
from mpmd.lang.tile import Apply, Axis, Gather, Load, Receive, Send, Stmt, Store


def check_text(elements: Elements, stmt: Stmt, axis: int, number: int) -> str:
    """The condition that holds where the access is within bounds."""
    scope = elements.scope
    if isinstance(stmt, Gather):
        return f"mpmd::check_indices(core, {number}, {_indices(elements, stmt)})"
    if extents := new_extents(stmt):
        return f"mpmd::check_extent(core, {number}, {scope.text(extents[axis])})"
    part, limit = _part(elements, stmt, axis)
    start, most = scope.text(part.start), scope.text(limit)
    if not part.keep:
        return f"mpmd::check_index(core, {number}, {start}, {most})"
    extent = scope.text(part.extent)
    if part.step == 1:
        return f"mpmd::check_range(core, {number}, {start}, {extent}, {most})"
    return f"mpmd::check_slice(core, {number}, {start}, {extent}, {part.step}, {most})"


def check_note(stmt: Stmt, axis: int) -> StepNote:
    """What is checked, in words."""
    if isinstance(stmt, Gather):
        what = f"an index into '{stmt.param}'"
    elif isinstance(stmt, (Send, Receive)):
        what = f"the token of '{stmt.param}'"
    elif isinstance(stmt, (Load, Store)):
        what = f"the slice of '{stmt.param}'" if stmt.region[axis].keep else f"the index into '{stmt.param}'"
    else:
        what = "the extent of a tile" if new_extents(stmt) else "the slice of a tile"
    return StepNote(f"{what}, axis {axis}", stmt.span)


def _part(elements: Elements, stmt: Stmt, axis: int) -> tuple[Axis, Index]:
    """The piece of an axis that is accessed, and the axis' extent."""
    if isinstance(stmt, (Load, Store)):
        return stmt.region[axis], elements.scope.function.task.param(stmt.param).shape[axis]
    if isinstance(stmt, Send):
        extent = elements.fusion.values.type[stmt.value].shape[axis]
        return Axis(ZERO, extent), elements.scope.function.task.param(stmt.param).shape[axis]
    assert isinstance(stmt, Apply) and stmt.op == "slice", stmt
    part = Axis(
        cast(Index, stmt.attr("start")), cast(Index, stmt.attr("extent")), cast(int, stmt.attr("step"))
    )
    return part, elements.fusion.values.type[stmt.args[0]].shape[axis]


def _indices(elements: Elements, stmt: Gather) -> str:
    scope = elements.scope
    ids = elements.at(stmt.index, (symbol("$0"),))
    assert isinstance(ids, Read), ids
    terms = tuple((coord.substitute({"$0": 0}), stride) for coord, stride in ids.address.terms)
    first = address_text(scope, Address(ids.address.name, ids.address.dtype, terms))
    (count,) = elements.fusion.values.type[stmt.index].shape
    stride = ids.address.step("$0") if scope.settle(count) != ONE else ONE
    limit = scope.function.task.param(stmt.param).shape[0]
    return f"{scope.text(count)}, {first}, {scope.text(stride)}, {scope.text(limit)}"

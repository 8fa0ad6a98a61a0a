"""Run-time checks of a vector task: accesses that could not be proved to lie within their tensor.

In:  a statement and the axis in question. Out: an instruction of the scalar unit, which may end the task.
Not here: which accesses need one (`lang/task/check.py`), what the host says (`runtime/report.py`).
"""

from __future__ import annotations

from typing import cast

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.instructions import Pipe
from mpmd.codegen.ascend.values import Placed
from mpmd.codegen.cpp.checks import check_note
from mpmd.lang.index import ZERO, Index
from mpmd.lang.task.check import new_extents
from mpmd.lang.tile import Apply, Axis, Gather, Load, Send, Stmt, Store, TileType


def check(build: Build, stmt: Stmt, axis: int, operand: Placed | TileType | None) -> None:
    """`operand`: the rows that a gather asks for, or the type of the tile that is sliced."""
    number = len(build.checks)
    build.checks.append(check_note(stmt, axis))
    reads = (operand.buffer,) if isinstance(operand, Placed) else ()
    text = f"if (!mpmd::{_condition(build, stmt, axis, number, operand)}) return"
    build.issue(Pipe.S, text, reads, (), stmt.span)


def _condition(build: Build, stmt: Stmt, axis: int, number: int, operand: Placed | TileType | None) -> str:
    scope, task = build.scope, build.function.task
    if isinstance(stmt, Gather):
        assert isinstance(operand, Placed), stmt
        count, limit = scope.text(stmt.type.shape[0]), scope.text(task.param(stmt.param).shape[0])
        return f"check_indices(launch, {number}, {operand.buffer.name}, {count}, {limit})"
    if extents := new_extents(stmt):
        return f"check_extent(launch, {number}, {scope.text(extents[axis])})"
    if isinstance(stmt, Send):
        assert isinstance(operand, TileType), stmt
        part = Axis(ZERO, operand.shape[axis])
        limit = scope.text(task.param(stmt.param).shape[axis])
    elif isinstance(stmt, (Load, Store)):
        part, limit = stmt.region[axis], scope.text(task.param(stmt.param).shape[axis])
    else:
        assert isinstance(stmt, Apply) and isinstance(operand, TileType), stmt
        start, extent = cast(Index, stmt.attr("start")), cast(Index, stmt.attr("extent"))
        part = Axis(start, extent, cast(int, stmt.attr("step")))
        limit = scope.text(operand.shape[axis])
    start = scope.text(part.start)
    if not part.keep:
        return f"check_index(launch, {number}, {start}, {limit})"
    extent = scope.text(part.extent)
    if part.step == 1:
        return f"check_range(launch, {number}, {start}, {extent}, {limit})"
    return f"check_slice(launch, {number}, {start}, {extent}, {part.step}, {limit})"

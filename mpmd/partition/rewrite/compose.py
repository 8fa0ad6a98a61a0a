"""Two calls, one right after the other, as one call of one task.

In:  the calls, and the tensors that nobody else reads. Out: a `Call` of a new task whose body is both bodies;
     or why there is none.
Not here: whether the calls may stand side by side (`fuse.py`, `recompute.py`); values that are passed
from one body to the other (`forward.py`).

Where both are given one region they share a parameter; so they do where both read the same. A tensor
that is stored for nobody is stored no more. Every statement keeps the user's line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from mpmd.errors import DirectionError
from mpmd.lang.index import symbol
from mpmd.lang.kernel.overlap import provably_disjoint
from mpmd.lang.program import Call, ChannelArg, Program, View
from mpmd.lang.task.check import check_task
from mpmd.lang.tile import Param, TaskDef
from mpmd.lang.types import Direction
from mpmd.partition.accesses import root_of
from mpmd.partition.rewrite.bodies import Renaming, defined, loop_names, lost_dims
from mpmd.partition.rewrite.dims import Match
from mpmd.partition.rewrite.forward import is_only_stored, passed_on, without_stores
from mpmd.partition.rewrite.places import unused
from mpmd.partition.rewrite.reason import Refused

Shared = Mapping[int, int]
"""By the number of a parameter of the second call, that of the first which is the same."""


def composed(first: Call, second: Call, program: Program, *, private: frozenset[int]) -> Call | Refused:
    """`first`, then `second`, as one call. Nobody else reads what they leave in the tensors `private`."""
    if any(isinstance(arg, ChannelArg) for arg in (*first.args, *second.args)):
        return Refused("tasks that are joined by channels run side by side", second.span)
    if first.placement != second.placement:
        return Refused("the two calls ask for different places", second.span)
    second = _apart(second, first)
    handed_over = _handed_over(first, second, program)
    if isinstance(handed_over, Refused):
        return handed_over
    match = _match(first, second, handed_over)
    if match is None:
        return Refused("the two tasks say the extents of what they share in different ways", second.span)
    return _joined(first, second, _with_common_reads(first, second, handed_over, match), private)


# -- names ------------------------------------------------------------------------------------------


def _apart(second: Call, first: Call) -> Call:
    """The second call with a task in which nothing has a name that the first one's uses."""
    mine, other = second.task, first.task
    taken = {p.name for p in other.params} | set(other.dims) | set(loop_names(other.body))
    offset = 1 + max(defined(other.body), default=-1)
    values = {value: value + offset for value in defined(mine.body)}
    params = {p.name: unused(p.name, taken) for p in mine.params}
    loops = {name: unused(name, taken) for name in loop_names(mine.body)}
    dims = {dim: unused(dim, taken) for dim in mine.dims}
    symbols = {name: symbol(now) for name, now in dims.items()}
    symbols |= {p.name: symbol(params[p.name]) for p in mine.scalars}
    symbols |= {f"%{value}": symbol(f"%{now}") for value, now in values.items()}
    for name, now in loops.items():
        symbols |= {f"{name}{part}": symbol(f"{now}{part}") for part in ("", ".start", ".size", ".index")}
    task = Renaming(symbols, values, params, loops).task(mine)
    return replace(second, task=task, dims=tuple((dims[dim], extent) for dim, extent in second.dims))


# -- what the two have in common --------------------------------------------------------------------


def _handed_over(first: Call, second: Call, program: Program) -> Shared | Refused:
    """The regions that both are given and one of them writes; all others must not overlap."""
    found: dict[int, int] = {}
    for (i, a, x), (j, b, y) in product(_tensors(first), _tensors(second)):
        if not (_writes(a) or _writes(b)) or _root(x, program) != _root(y, program):
            continue
        one = x == y and Direction.ACCUM not in (a.direction, b.direction)
        if one and j not in found and i not in found.values():
            found[j] = i
        elif x.tensor != y.tensor or not provably_disjoint(x.region, y.region, {}):
            name = program.tensors[x.tensor].name
            return Refused(f"the two use regions of '{name}' that are neither one nor apart", second.span)
    return found


def _tensors(call: Call) -> Iterator[tuple[int, Param, View]]:
    pairs = enumerate(zip(call.task.params, call.args, strict=True))
    return ((number, param, arg) for number, (param, arg) in pairs if isinstance(arg, View))


def _writes(param: Param) -> bool:
    return param.direction is not None and param.direction.writes


def _root(view: View, program: Program) -> int:
    return root_of(program.tensors[view.tensor], program).id


def _match(first: Call, second: Call, shared: Shared) -> Match | None:
    match: Match | None = Match()
    for j, i in shared.items():
        shapes = first.task.params[i].shape, second.task.params[j].shape
        match = match.with_shapes(*shapes) if match is not None else None
    return match


@dataclass(frozen=True, slots=True)
class _Common:
    """All parameters that become one, and the dims under which they do."""

    shared: Shared
    match: Match


def _with_common_reads(first: Call, second: Call, handed_over: Shared, match: Match) -> _Common:
    """Arguments that both only read become one as well, where the extents agree."""
    shared = dict(handed_over)
    pairs = product(enumerate(first.task.params), enumerate(second.task.params))
    for (i, a), (j, b) in pairs:
        alike = first.args[i] == second.args[j] and (a.dtype, a.direction) == (b.dtype, b.direction)
        if j in shared or not alike or _writes(a):
            continue
        more = match.with_shapes(a.shape, b.shape)
        if more is not None:
            shared[j], match = i, more
    return _Common(shared, match)


# -- the joint task ---------------------------------------------------------------------------------


def _joined(first: Call, second: Call, common: _Common, private: frozenset[int]) -> Call | Refused:
    a = Renaming(symbols=common.match.known).task(first.task)
    b = _in_terms_of(first.task, second.task, common)
    params = [_both(param, n, b, common.shared) for n, param in enumerate(a.params)]
    args = list(first.args)
    for number, (param, arg) in enumerate(zip(b.params, second.args, strict=True)):
        if number not in common.shared:
            params.append(param)
            args.append(arg)
    body = (*a.body, *passed_on(a.body, b.body, {param.name: param for param in params}))
    dropped = {
        n
        for n, (param, arg) in enumerate(zip(params, args, strict=True))
        if isinstance(arg, View) and arg.tensor in private and is_only_stored(param.name, body)
    }
    body = without_stores(body, frozenset(params[n].name for n in dropped))
    kept = [n for n in range(len(params)) if n not in dropped]
    task = TaskDef(f"{a.name}_{b.name}", tuple(params[n] for n in kept), body, b.span)
    dims = dict((*second.dims, *first.dims))
    if lost := lost_dims(task):
        return Refused(f"no argument is left that says what '{lost[0]}' is", second.span)
    if unproved := _read_unproved(task):
        return Refused(f"it is not proved that '{unproved}' is written where it is read", second.span)
    return Call(
        task,
        tuple(args[n] for n in kept),
        tuple((dim, dims[dim]) for dim in task.dims),
        second.span,
        second.placement,
    )


def _read_unproved(task: TaskDef) -> str | None:
    """A parameter that the second body reads before, for all that is proved, the first one has written it."""
    for param in task.tensors:
        if param.direction is Direction.OUT and not is_only_stored(param.name, task.body):
            try:
                check_task(task)
            except DirectionError:
                return param.name
    return None


def _in_terms_of(first: TaskDef, second: TaskDef, common: _Common) -> TaskDef:
    """The second task with the names that shared parameters have in the first."""
    params = {second.params[j].name: first.params[i].name for j, i in common.shared.items()}
    scalars = {old: symbol(new) for old, new in params.items() if second.param(old).is_scalar}
    return Renaming(symbols={**common.match.known, **scalars}, params=params).task(second)


def _both(param: Param, number: int, second: TaskDef, shared: Shared) -> Param:
    """A parameter of the first task with what the second one does to it as well."""
    others = [second.params[j] for j, i in shared.items() if i == number]
    if not any(_writes(p) for p in (param, *others)):
        return param
    started = param.direction is Direction.OUT
    return replace(param, direction=Direction.OUT if started else Direction.INOUT)

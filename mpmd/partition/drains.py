"""Drains by hand: loops over pieces that cores take by ticket.

In:  the instances of all call sites, the dependences among them. Out: the column `drain` of a graph.
Not here: drains that `schedule` makes by itself, and which cores take part.

Whoever is free takes the next piece, so nothing may order the pieces of one loop among themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mpmd.errors import LanguageError, Note
from mpmd.lang.program import Call, ChannelArg, Node, Program, Split, TileLoop
from mpmd.partition.expand import SiteInstances
from mpmd.partition.graph import DepKind, Deps, IntColumn, column

Tasks = npt.NDArray[np.int32]


def check_drains(program: Program) -> None:
    """That a ticket is one call, of which the program says no more than that it is to be made."""
    for loop in _drained(program.body):
        first = next(iter(loop.body), None)
        if len(loop.body) != 1 or not isinstance(first, Call):
            raise LanguageError(
                f"cores cannot take the pieces of loop '{loop.name}' by ticket",
                span=loop.span,
                label="its body is not one call",
                hints=("leave drain=True out, or make one task of the body",),
            )
        joined = any(isinstance(arg, ChannelArg) for arg in first.args)
        if joined or first.placement is not None:
            problem = "shares a channel with others" if joined else "asks for a place to run"
            raise LanguageError(
                f"cores cannot take the pieces of loop '{loop.name}' by ticket: "
                f"'{first.task.name}' {problem}",
                span=first.span,
                label="called here",
                related=(Note(loop.span, "has drain=True"),),
                hints=("leave drain=True out",),
            )


def drains(program: Program, sites: Sequence[SiteInstances], deps: Deps, tasks: int) -> Tasks:
    """The drain of each instance, −1 for none; a `Diagnostic` where pieces of one depend on each other."""
    drain = np.full(tasks, -1, np.int32)
    count = 0
    loops = {loop.name: loop for loop in _drained(program.body)}
    for name in loops:
        own = [site for site in sites if site.loops and site.loops[-1].name == name]
        if not own:
            continue
        ids = np.concatenate([site.ids for site in own])
        index = np.concatenate([_index(site, name) for site in own])
        order = np.argsort(ids)
        ids, index = ids[order], index[order]
        begins = np.ones(len(ids), np.bool_)  # of the pieces of one run of the loop
        begins[1:] = (ids[1:] != ids[:-1] + 1) | (index[1:] <= index[:-1])
        drain[ids] = count - 1 + np.cumsum(begins)
        count += int(begins.sum())
    if count:
        _check_independent(program, sites, deps, drain)
    return column(drain, np.int32)


def _index(site: SiteInstances, name: str) -> IntColumn:
    return np.broadcast_to(np.asarray(site.columns[f"{name}.index"]), site.ids.shape)


def _check_independent(program: Program, sites: Sequence[SiteInstances], deps: Deps, drain: Tasks) -> None:
    """Pieces of one run follow each other, so what orders two of them is a chain of their own dependences."""
    dep, drained = _members(deps.producer_ptr, deps.producers, drain)
    other_dep, other = _members(deps.consumer_ptr, deps.consumers, drain)
    several = int(drain.max()) + 1
    both = np.intersect1d(dep * several + drained, other_dep * several + other)
    both = both[deps.distance[both // several] == 0]
    if not len(both):
        return
    number, which = divmod(int(both[0]), several)
    producer = next(t for t in deps.producers_of(number).tolist() if drain[t] == which)
    consumer = next(t for t in deps.consumers_of(number).tolist() if drain[t] == which)
    first, second = (_site(sites, task) for task in (producer, consumer))
    loop = first.loops[-1]
    tensor = program.tensors[int(deps.tensor[number])].name
    how = {
        DepKind.RAW: "one writes what another reads",
        DepKind.WAR: "one overwrites what another reads",
        DepKind.WAW: "two write the same elements",
    }[DepKind(int(deps.kind[number]))]
    pieces = [
        int(np.asarray(_index(s, loop.name))[s.ids == t][0])
        for s, t in ((first, producer), (second, consumer))
    ]
    raise LanguageError(
        f"the pieces of loop '{loop.name}' depend on each other: of '{tensor}', {how}",
        span=loop.span,
        label="cores would take the pieces in any order",
        related=(Note(first.call.span, f"pieces {pieces[0]} and {pieces[1]}, for example"),),
        hints=("leave drain=True out, or let each piece write elements of its own",),
    )


def _members(ptr: IntColumn, tasks: Tasks, drain: Tasks) -> tuple[IntColumn, IntColumn]:
    """(dependence, drain) for the tasks of dependences that are in a drain."""
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    inside = drain[tasks] >= 0
    return dep[inside], drain[tasks[inside]].astype(np.int64)


def _site(sites: Sequence[SiteInstances], task: int) -> SiteInstances:
    return next(site for site in sites if task in site.ids)


def _drained(body: tuple[Node, ...]) -> Iterator[TileLoop | Split]:
    for node in body:
        if isinstance(node, (TileLoop, Split)) and node.drain:
            yield node
        if not isinstance(node, Call):
            yield from _drained(node.body)

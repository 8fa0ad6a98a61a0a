"""A task graph as few nodes: the tasks that one line calls are one, until somebody asks for them.

In:  a `TaskGraph`, the groups to expand. Out: `Groups`: nodes, and arrows between them.
Not here: where they lie (`layers.py`), what they look like (`graph.py`, `graph_drawing.py`).

The tasks of one phase that one line calls by one name are a node, whatever the number of tiles, and of times
that Python goes through the line. Where some are expanded, the others are a node for each call, so that the
layers of a model stand one below the other. An arrow stands for all dependences of its kind between two
nodes. Arrows that only keep an order are left out where others already imply it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

import networkx
import numpy as np

from mpmd.errors import ArgumentError, Span
from mpmd.lang.types import Direction
from mpmd.partition.graph import DepKind, IntColumn, TaskGraph


class ArrowKind(Enum):
    """Why one node comes after another."""

    DATA = "reads what was written"
    ORDER = "overwrites what was used"
    NEXT = "in the next turn"  # of a loop, or of a line that Python goes through again
    CHANNEL = "through a channel"


@dataclass(frozen=True, slots=True)
class Node:
    """The tasks of one line, or one of them (`single`); `first` is the lowest of their numbers.

    `shapes` says per tensor parameter its direction, name and full tile.
    """

    name: str
    label: str
    place: Span
    phase: int
    first: int
    count: int
    calls: int
    single: bool
    bytes: float
    flops: float
    drained: bool
    shapes: tuple[tuple[Direction, str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """From node to node. `via` are tensors or channels; `count` dependences, of which `reason` is one."""

    source: int
    target: int
    kind: ArrowKind
    via: tuple[str, ...]
    count: int
    reason: str

    @property
    def back(self) -> bool:
        """Whether it has no place between layers."""
        return self.kind is ArrowKind.NEXT or self.source == self.target


@dataclass(frozen=True, slots=True)
class Groups:
    """Nodes in program order, phase by phase. Arrows go forward, but for those that are NEXT, and for those
    of a node to itself.

    Where several nodes come before several others there is a join between them, a number beyond those of the
    nodes; `joins` says of each what it is for.
    """

    nodes: tuple[Node, ...]
    joins: tuple[str, ...]
    arrows: tuple[Arrow, ...]


def groups(graph: TaskGraph, expand: Collection[str] = ()) -> Groups:
    """The graph in groups. `expand` names those to be drawn task by task: "linear" or "linear:34"."""
    phase = _phases(graph)
    line_of, lines = _lines(graph)
    chosen = _expanded(graph, lines, expand)
    single = chosen[line_of[graph.site]]
    call = graph.site if expand else line_of[graph.site]
    number = np.where(single, np.arange(len(graph)), -1)
    keys = np.stack([phase, call, number], axis=1).reshape(-1, 3)
    _, first, node = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first, kind="stable"))
    node_of = rank[node.reshape(-1)]
    nodes = tuple(_nodes(graph, node_of, phase, single))
    arrows, joins = _dependences(graph, node_of, len(nodes))
    every = _without_implied([*arrows, *_channels(graph, node_of)], len(nodes))
    return Groups(nodes, tuple(joins), tuple(every))


def _phases(graph: TaskGraph) -> IntColumn:
    """Of each task."""
    ends = [phase.end for phase in graph.phases]
    return np.searchsorted(ends, np.arange(len(graph)), side="right")


Line = tuple[str, Span]


def _lines(graph: TaskGraph) -> tuple[IntColumn, list[Line]]:
    """Per call site the number of its line, and what each line calls."""
    lines: dict[tuple[str, str, int], int] = {}
    found: list[Line] = []
    of_site: list[int] = []
    for site in graph.sites:
        name, span = site.call.task.name, site.call.span
        number = lines.setdefault((name, span.file, span.line), len(lines))
        if number == len(found):
            found.append((name, span))
        of_site.append(number)
    return np.array(of_site, np.int64), found


def _expanded(graph: TaskGraph, lines: list[Line], expand: Collection[str]) -> np.ndarray:
    """Per line whether it is asked for."""
    names = [{name, f"{name}:{span.line}"} for name, span in lines]
    known = sorted(set().union(*names))
    for wanted in expand:
        if wanted not in known:
            near = difflib.get_close_matches(wanted, known, 1)
            raise ArgumentError(
                f"kernel {graph.program.name!r} calls no {wanted!r}",
                span=graph.program.span,
                label="no such group",
                hints=(f"did you mean {near[0]!r}?" if near else f"its groups: {', '.join(known)}",),
            )
    return np.array([bool(own & set(expand)) for own in names], np.bool_)


def _nodes(graph: TaskGraph, node_of: IntColumn, phase: IntColumn, single: np.ndarray) -> Iterator[Node]:
    order = np.argsort(node_of, kind="stable")
    flops = graph.flops
    for tasks in np.split(order, np.flatnonzero(np.diff(node_of[order])) + 1) if len(graph) else []:
        first = int(tasks[0])
        site = graph.sites[graph.site[first]]
        alone = bool(single[first])
        yield Node(
            name=site.call.task.name,
            label=graph.task_name(first) if alone else site.call.task.name,
            place=site.call.span,
            phase=int(phase[first]),
            first=first,
            count=len(tasks),
            calls=len(np.unique(graph.site[tasks])),
            single=alone,
            bytes=float(graph.bytes[tasks].sum()),
            flops=float(flops[tasks].sum()),
            drained=bool(graph.drain[first] >= 0),
            shapes=tuple(_shapes(graph, first)),
        )


def _shapes(graph: TaskGraph, task: int) -> Iterator[tuple[Direction, str, tuple[int, ...]]]:
    site = graph.sites[graph.site[task]]
    bounds = {layout.name: layout.bounds for layout in graph.functions[site.function].layouts}
    for param, arg in zip(site.call.task.params, site.call.args, strict=True):
        if param.direction is not None and param.is_channel:
            channel = graph.program.channels[arg.channel]
            yield param.direction, channel.name, channel.shape
        elif param.direction is not None:
            yield param.direction, param.name, bounds[param.name]


def _dependences(graph: TaskGraph, node_of: IntColumn, nodes: int) -> tuple[list[Arrow], list[str]]:
    """Arrows, each pair of nodes once per kind, whatever the number of dependences and of their tasks.

    And what joins of several nodes with several others are for: they are numbered from `nodes` on.
    """
    deps = graph.deps
    made = _nodes_of(deps.producer_ptr, deps.producers, node_of, nodes)
    used = _nodes_of(deps.consumer_ptr, deps.consumers, node_of, nodes)
    joins = _joins(graph, made, used)
    join_of = np.full(len(deps), -1)
    join_of[joins] = nodes + np.arange(len(joins))
    into, out = join_of[made[0]] >= 0, join_of[used[0]] >= 0
    dep, source, target = _pairs(*_once_if_carried(graph, _those(made, ~into), _those(used, ~out)))
    dep = np.concatenate([dep, made[0][into], used[0][out]])
    source = np.concatenate([source, made[1][into], join_of[used[0][out]]])
    target = np.concatenate([target, join_of[made[0][into]], used[1][out]])
    reasons = [graph.dep(join).reason for join in joins.tolist()]
    return list(_bundled(graph, dep, source, target, nodes)), reasons


Columns = tuple[IntColumn, IntColumn]
"""Dependences, and a node for each."""


def _nodes_of(ptr: IntColumn, tasks: np.ndarray, node_of: IntColumn, nodes: int) -> Columns:
    """Pairs of a dependence and a node of its tasks, each once, in order."""
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    return np.divmod(np.unique(dep * nodes + node_of[tasks]), max(1, nodes))


def _those(columns: Columns, which: np.ndarray) -> Columns:
    return columns[0][which], columns[1][which]


def _joins(graph: TaskGraph, made: Columns, used: Columns) -> IntColumn:
    """The dependences from several nodes to several others: n + m arrows are fewer than n·m."""
    deps = graph.deps
    many = [np.bincount(dep, minlength=len(deps)) > 1 for dep, _ in (made, used)]
    last, first = _outermost(graph, made, used)
    return np.flatnonzero(many[0] & many[1] & (last < first) & (deps.distance == 0))


def _once_if_carried(graph: TaskGraph, made: Columns, used: Columns) -> tuple[Columns, Columns]:
    """Of what goes to the next iteration only the last producer and the first consumer."""
    last, first = _outermost(graph, made, used)
    within = graph.deps.distance == 0
    return (
        _those(made, within[made[0]] | (made[1] == last[made[0]])),
        _those(used, within[used[0]] | (used[1] == first[used[0]])),
    )


def _outermost(graph: TaskGraph, made: Columns, used: Columns) -> tuple[IntColumn, IntColumn]:
    """Per dependence its last producer, and its first consumer."""
    last, first = np.full(len(graph.deps), -1), np.full(len(graph.deps), len(graph))
    np.maximum.at(last, *made)
    np.minimum.at(first, *used)
    return last, first


def _pairs(made: Columns, used: Columns) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Dependence, producing and consuming node."""
    lo, hi = (np.searchsorted(used[0], made[0], side=side) for side in ("left", "right"))
    row = np.repeat(np.arange(len(lo)), hi - lo)
    at = lo[row] + np.arange(len(row)) - np.repeat(np.cumsum(hi - lo) - (hi - lo), hi - lo)
    return made[0][row], made[1][row], used[1][at]


def _bundled(
    graph: TaskGraph, dep: IntColumn, source: IntColumn, target: IntColumn, nodes: int
) -> Iterator[Arrow]:
    """One arrow for all dependences of a kind between two nodes."""
    deps = graph.deps
    plain = (source < nodes) & (target < nodes)
    again = (deps.distance[dep] > 0) | (plain & (source > target))
    data = deps.kind[dep] == DepKind.RAW
    kept = data | (~again & (source != target))
    kind = np.where(again, 2, np.where(data, 0, 1))
    keys = np.stack([source, target, kind], axis=1)[kept]
    distinct, group = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    cuts = np.flatnonzero(np.diff(group.reshape(-1)[order])) + 1
    kinds = (ArrowKind.DATA, ArrowKind.ORDER, ArrowKind.NEXT)
    for (u, v, k), own in zip(distinct.tolist(), np.split(dep[kept][order], cuts), strict=False):
        tensors = (graph.program.tensors[t].name for t in np.unique(deps.tensor[own]).tolist())
        reason = graph.dep(int(own[0])).reason
        yield Arrow(u, v, kinds[k], tuple(dict.fromkeys(tensors)), len(own), reason)


def _channels(graph: TaskGraph, node_of: IntColumn) -> Iterator[Arrow]:
    """From the task that sends to the one that receives."""
    ends: dict[tuple[int, int], dict[bool, int]] = {}
    for task in np.flatnonzero(graph.gang >= 0).tolist():
        call = graph.sites[graph.site[task]].call
        for param, arg in zip(call.task.params, call.args, strict=True):
            if param.is_channel:
                channel = int(graph.gang[task]), arg.channel
                ends.setdefault(channel, {})[param.direction is Direction.SEND] = task
    pairs: dict[tuple[int, int, str], int] = {}
    for (_, channel), own in ends.items():
        name = graph.program.channels[channel].name
        key = int(node_of[own[True]]), int(node_of[own[False]]), name
        pairs[key] = pairs.get(key, 0) + 1
    for (source, target, name), count in pairs.items():
        kind = ArrowKind.CHANNEL if source <= target else ArrowKind.NEXT
        yield Arrow(source, target, kind, (name,), count, f"channel {name}")


def _without_implied(arrows: list[Arrow], nodes: int) -> list[Arrow]:
    """Without those that only keep an order which the others, that go forward, keep as well; nor those to the
    next turn beside one within this."""
    ahead: networkx.DiGraph[int] = networkx.DiGraph()
    forward = [a for a in arrows if a.kind is not ArrowKind.NEXT and a.source != a.target]
    ahead.add_edges_from((a.source, a.target) for a in forward)
    needed = set(networkx.transitive_reduction(ahead).edges)
    needed -= {(a.source, a.target) for a in forward if a.kind is not ArrowKind.ORDER}
    joined = [a for a in arrows if max(a.source, a.target) >= nodes]
    kept = [
        a
        for a in arrows
        if (a.source, a.target) in needed
        or a.kind not in (ArrowKind.ORDER, ArrowKind.NEXT)
        or (a.kind is ArrowKind.NEXT and not ahead.has_edge(a.source, a.target))
    ]
    return sorted(dict.fromkeys([*kept, *joined]), key=lambda a: (a.source, a.target, a.kind.name))

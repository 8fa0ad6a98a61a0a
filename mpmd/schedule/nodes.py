"""The graph of what is placed at once: single tasks, gangs, and drains.

In:  the `TaskGraph` of one phase, the groups that are drained, the number of cores.
Out: `Nodes` in an order that respects all dependences, and the core that each task must run on.
Not here: choosing cores and times (`joint.py`).

Members of a gang start together, so nothing may lead from one of them to another. Where something
does, by a tensor or by another task, the gang can only run on one core, in program order: it is then
no node, its tasks are, one after the other on core 0 with all others of their kind, so that the tokens
of one channel come in the same order at both ends. A drain with such a way is no drain.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from mpmd.errors import PlacementError
from mpmd.partition.graph import DepKind, Deps, IntColumn, TaskGraph, column
from mpmd.schedule.links import Links, link


@dataclass(frozen=True, slots=True)
class Node:
    """Tasks in program order. A drain is any number, a gang the tasks of one `gang`."""

    tasks: tuple[int, ...]
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Nodes:
    """In `links` a dependence has its number in the graph; those after them only keep the order of
    gangs that run on one core. `pin` is per task: −1 for any core."""

    nodes: tuple[Node, ...]
    links: Links
    pin: tuple[int, ...]


def contract(graph: TaskGraph, drains: list[list[int]], cores: int) -> Nodes:
    """Nodes in topological order, the first in program order before others."""
    gangs = [g for g in _gangs(graph) if len(g) > 1]
    drains = list(drains)
    single: list[list[int]] = []  # gangs on one core
    while True:
        nodes = _nodes(len(graph), gangs, drains)
        links = _links(graph.deps, nodes, len(graph), single)
        order = _topological(nodes, links)
        if len(order) == len(nodes):
            nodes = [nodes[i] for i in order]
            links = _links(graph.deps, nodes, len(graph), single)
            return Nodes(tuple(nodes), links, _pins(graph, gangs, single, cores))
        cyclic = _cyclic(nodes, links)
        single += [g for g in gangs if tuple(g) in cyclic]
        gangs = [g for g in gangs if tuple(g) not in cyclic]
        drains = [d for d in drains if tuple(d) not in cyclic]


def _gangs(graph: TaskGraph) -> list[list[int]]:
    members: dict[int, list[int]] = {}
    for task in np.flatnonzero(graph.gang >= 0).tolist():
        members.setdefault(int(graph.gang[task]), []).append(task)
    return list(members.values())


def _nodes(tasks: int, gangs: list[list[int]], drains: list[list[int]]) -> list[Node]:
    """All nodes by their first task."""
    joined = [*(Node(tuple(g)) for g in gangs), *(Node(tuple(d), drain=True) for d in drains)]
    inside = {task for node in joined for task in node.tasks}
    joined += [Node((task,)) for task in range(tasks) if task not in inside]
    return sorted(joined, key=lambda node: node.tasks)


def _links(deps: Deps, nodes: list[Node], tasks: int, single: list[list[int]]) -> Links:
    node_of = np.empty(tasks, np.int64)
    for i, node in enumerate(nodes):
        node_of[list(node.tasks)] = i
    chain = sorted(task for gang in single for task in gang)
    both = Deps.concatenate(deps, _chain(chain))
    producer_ptr, producers = _renamed(both.producer_ptr, both.producers, node_of)
    consumer_ptr, consumers = _renamed(both.consumer_ptr, both.consumers, node_of)
    return link(
        Deps(both.kind, both.distance, both.tensor, producer_ptr, producers, consumer_ptr, consumers),
        len(nodes),
    )


def _chain(tasks: list[int]) -> Deps:
    """Each of the tasks after the one before it."""
    count = max(0, len(tasks) - 1)
    ptr = column(np.arange(count + 1))
    return Deps(
        kind=column(np.full(count, DepKind.RAW), np.uint8),
        distance=column(np.zeros(count), np.uint8),
        tensor=column(np.zeros(count), np.int32),
        producer_ptr=ptr,
        producers=column(tasks[:-1], np.int32),
        consumer_ptr=ptr,
        consumers=column(tasks[1:], np.int32),
    )


def _renamed(
    ptr: IntColumn, members: npt.NDArray[np.int32], name: IntColumn
) -> tuple[IntColumn, npt.NDArray[np.int32]]:
    """A CSR pair with every member renamed, each once per row."""
    row = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    width = int(name.max(initial=0)) + 1
    row, renamed = np.divmod(np.unique(row * width + name[members]), width)
    counts = np.bincount(row, minlength=len(ptr) - 1)
    return column(np.concatenate([[0], np.cumsum(counts)])), column(renamed, np.int32)


def _topological(nodes: list[Node], links: Links) -> list[int]:
    """The nodes that can be reached, always the lowest that nothing is in the way of."""
    left = [sum(1 for d in row if links.producers[d]) for row in links.consumed]
    of_dep = links.producers[:]
    ready = [i for i, n in enumerate(left) if n == 0]
    heapify(ready)
    order: list[int] = []
    while ready:
        node = heappop(ready)
        order.append(node)
        for dep in links.produced[node]:
            of_dep[dep] -= 1
            if of_dep[dep] == 0:
                for consumer in links.consumers[dep]:
                    left[consumer] -= 1
                    if left[consumer] == 0:
                        heappush(ready, consumer)
    return order


def _cyclic(nodes: list[Node], links: Links) -> set[tuple[int, ...]]:
    """The tasks of every gang and drain that lies on a way back to itself."""
    import networkx  # takes longer to load than all of this package, and hardly any program comes here

    ways: networkx.DiGraph[int | str] = networkx.DiGraph()
    for node, deps in enumerate(links.produced):
        ways.add_edges_from((node, f"dep {dep}") for dep in deps)
    for dep, consumers in enumerate(links.consumers):
        ways.add_edges_from((f"dep {dep}", node) for node in consumers)
    found: set[tuple[int, ...]] = set()
    for component in networkx.strongly_connected_components(ways):
        members = [nodes[i] for i in component if isinstance(i, int)]
        if len(component) > 1:
            found |= {node.tasks for node in members if len(node.tasks) > 1}
    return found


def _pins(graph: TaskGraph, gangs: list[list[int]], single: list[list[int]], cores: int) -> tuple[int, ...]:
    """The core of each task as the user and gangs on one core will have it, if they can."""
    pin = graph.pin.copy()
    for gang in single:
        if (pin[gang] > 0).any():
            why = "leave 'core' out: one of them needs what another one makes, so they run on core 0"
            raise _no_gang(graph, gang, why)
        pin[gang] = 0
    for gang in gangs:
        asked = pin[gang][pin[gang] >= 0].tolist()
        own = len(gang) <= cores and len(set(asked)) == len(asked)
        same = len(set(asked)) <= 1 and (len(gang) > cores or len(asked) in (0, len(gang)))
        if not (own or same):
            why = "give all of them cores of their own, or all of them the same core"
            raise _no_gang(graph, gang, why)
    return tuple(pin.tolist())


def _no_gang(graph: TaskGraph, gang: list[int], hint: str) -> PlacementError:
    pinned = [task for task in gang if graph.pin[task] >= 0]
    asked = [str(graph.pin[task]) for task in pinned]
    cores = f"cores {', '.join(asked[:-1])} and {asked[-1]} are" if len(asked) > 1 else f"core {asked[0]} is"
    return PlacementError(
        f"{', '.join(graph.task_name(t) for t in gang)} are joined by channels; {cores} asked for",
        span=graph.sites[graph.site[pinned[-1]]].call.span,
        label=f"core={asked[-1]}",
        hints=(hint,),
    )

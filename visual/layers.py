"""Where the nodes of a directed graph lie: in layers from top to bottom, with few crossings.

In:  sizes of nodes, edges without a cycle. Out: a `Layout`: centres of nodes, points along edges.
Not here: what is drawn there (`graph_drawing.py`).

After Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures", IEEE
Transactions on Systems, Man, and Cybernetics, 1981: nodes lie below all that they come after, long edges pass
through the layers between by points of their own, and sweeps down and up put each node at the mean of its
neighbours, first in order and then in place. A layer that is wider than `WIDEST` is broken into rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDEST = 1600.0
ROW_GAP, NODE_GAP, POINT_GAP = 46.0, 26.0, 14.0
SWEEPS = 8
MOST_POINTS = 4000
"""Of long edges; where there were more, edges go straight."""

Point = tuple[float, float]
Size = tuple[float, float]
Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """`centres` of the nodes; per edge its points, from the lower side of one to the upper of the other."""

    width: float
    height: float
    centres: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]


def layout(sizes: Sequence[Size], edges: Sequence[Edge]) -> Layout:
    """The same for the same graph. Edges go from lower numbers of layers to higher ones, never back."""
    layer = _layers(len(sizes), edges)
    widths = [width for width, _ in sizes]
    chains: list[list[int]] = []
    spanned = sum(layer[v] - layer[u] - 1 for u, v in edges)
    for u, v in edges:
        between = range(layer[u] + 1, layer[v]) if spanned <= MOST_POINTS else range(0)
        chains.append([u, *range(len(layer), len(layer) + len(between)), v])
        layer += list(between)
    widths += [POINT_GAP] * (len(layer) - len(widths))
    links = [link for chain in chains for link in pairwise(chain)]
    rows = _broken(_ordered(layer, links), widths)
    xs = _placed(rows, widths, links)
    heights = [height for _, height in sizes]
    ys, bottom = _stacked(rows, heights)
    centres = list(zip(xs, ys, strict=True))
    routes = _routes(chains, centres, sizes)
    right = max((x + width / 2 for x, width in zip(xs, widths, strict=True)), default=0.0)
    return Layout(right, bottom, tuple(centres[: len(sizes)]), tuple(routes))


def _layers(nodes: int, edges: Sequence[Edge]) -> list[int]:
    """Each node one below the lowest that it comes after."""
    after: list[list[int]] = [[] for _ in range(nodes)]
    missing = [0] * nodes
    for u, v in edges:
        after[u].append(v)
        missing[v] += 1
    layer = [0] * nodes
    ready = [node for node in range(nodes) if not missing[node]]
    for node in ready:
        for v in after[node]:
            layer[v] = max(layer[v], layer[node] + 1)
            missing[v] -= 1
            if not missing[v]:
                ready.append(v)
    return layer


def _ordered(layer: Sequence[int], links: Sequence[Edge]) -> list[list[int]]:
    """The layers, each in an order with few crossings."""
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for node, number in enumerate(layer):
        rows[number].append(node)
    above, below = _neighbours(len(layer), links)
    place = {node: at for row in rows for at, node in enumerate(row)}
    for sweep in range(SWEEPS):
        sides, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            row.sort(key=lambda node: (_mean([place[n] for n in sides[node]], place[node]), place[node]))
            place.update((node, at) for at, node in enumerate(row))
    return rows


def _neighbours(nodes: int, links: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(nodes)]
    below: list[list[int]] = [[] for _ in range(nodes)]
    for u, v in links:
        below[u].append(v)
        above[v].append(u)
    return above, below


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _broken(rows: Sequence[Sequence[int]], widths: Sequence[float]) -> list[list[int]]:
    """Rows that are no wider than `WIDEST`, where nodes are not."""
    found: list[list[int]] = []
    for row in rows:
        found.append([])
        filled = 0.0
        for node in row:
            filled += widths[node] + NODE_GAP
            if filled > WIDEST and found[-1]:
                found.append([])
                filled = widths[node] + NODE_GAP
            found[-1].append(node)
    return found


def _placed(rows: Sequence[Sequence[int]], widths: Sequence[float], links: Sequence[Edge]) -> list[float]:
    """The x of each node's centre: near the mean of its neighbours'."""
    above, below = _neighbours(len(widths), links)
    xs = [0.0] * len(widths)
    for row in rows:
        _set(xs, row, _apart(row, [0.0] * len(row), widths))
    for sweep in range(SWEEPS):
        sides, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            wanted = [_mean([xs[n] for n in sides[node]], xs[node]) for node in row]
            _set(xs, row, _apart(row, wanted, widths))
    left = min((xs[node] - widths[node] / 2 for row in rows for node in row), default=0.0)
    return [x - left for x in xs]


def _set(xs: list[float], row: Sequence[int], places: Sequence[float]) -> None:
    for node, x in zip(row, places, strict=True):
        xs[node] = x


def _apart(row: Sequence[int], wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Places near those wanted, far enough apart: between what is pushed to the right and to the left."""
    gaps = [(widths[a] + widths[b]) / 2 + NODE_GAP for a, b in pairwise(row)]
    right, left = list(wanted), list(wanted)
    for at, gap in enumerate(gaps, start=1):
        right[at] = max(right[at], right[at - 1] + gap)
    for at in range(len(gaps) - 1, -1, -1):
        left[at] = min(left[at], left[at + 1] - gaps[at])
    return [(a + b) / 2 for a, b in zip(right, left, strict=True)]


def _stacked(rows: Sequence[Sequence[int]], heights: Sequence[float]) -> tuple[list[float], float]:
    """The y of each node's centre, and where the last row ends."""
    ys: dict[int, float] = {}
    top = 0.0
    for row in rows:
        tall = max((heights[node] for node in row if node < len(heights)), default=0.0)
        ys.update((node, top + tall / 2) for node in row)
        top += tall + ROW_GAP
    return [ys[node] for node in sorted(ys)], max(0.0, top - ROW_GAP)


def _routes(
    chains: Sequence[Sequence[int]], centres: Sequence[Point], sizes: Sequence[Size]
) -> list[tuple[Point, ...]]:
    """From side to side; edges of one side lie apart, in the order of where they lead."""
    leaving: dict[int, list[int]] = {}
    coming: dict[int, list[int]] = {}
    for number, chain in enumerate(chains):
        leaving.setdefault(chain[0], []).append(number)
        coming.setdefault(chain[-1], []).append(number)
    begin: dict[int, Point] = {}
    end: dict[int, Point] = {}
    for node, own in leaving.items():
        own.sort(key=lambda number: centres[chains[number][1]][0])
        begin.update(_ports(own, centres[node], sizes[node], 0.5))
    for node, own in coming.items():
        own.sort(key=lambda number: centres[chains[number][-2]][0])
        end.update(_ports(own, centres[node], sizes[node], -0.5))
    return [
        (begin[number], *(centres[point] for point in chain[1:-1]), end[number])
        for number, chain in enumerate(chains)
    ]


def _ports(own: Sequence[int], centre: Point, size: Size, side: float) -> dict[int, Point]:
    """Even places in the middle half of a node's side."""
    (x, y), (width, height) = centre, size
    return {
        number: (x + width / 2 * ((at + 1) / (len(own) + 1) - 0.5), y + side * height)
        for at, number in enumerate(own)
    }

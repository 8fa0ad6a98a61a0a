"""The picture of a task graph, drawn without any other program.

In:  a `TaskGraph` in `Groups`. Out: SVG text, the same for the same graph; it opens in any browser.
Not here: which nodes there are (`groups.py`), where they lie (`layers.py`), what they say (`graph_words.py`).

Phases stand below each other, each with its own layers; a loop has a frame. What goes to the next turn is at
the right side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from mpmd.partition.graph import TaskGraph

from .colours import colours_of
from .graph_words import MEANING, about, badge, hover, lines, link, phase_label, title
from .groups import Arrow, ArrowKind, Groups, Node
from .layers import Layout, Point, Size, layout

MARGIN, PHASE_GAP, LEGEND = 28.0, 60.0, 68.0
LINE, HEAD, SMALL, BADGE = 15.0, 24.0, 22.0, 6.0
DOT = 5.0
SIDE, SIDE_STEP = 26.0, 9.0
"""How far to the right of all nodes arrows to the next turn pass, and the next one beside it."""
MOST_NAMED = 60
"""Arrows; where there are more, only hovering tells what they are for."""
INK, GREY, PALE, LOOP = "#1f2933", "#66727f", "#c4ccd4", "#8b5cf6"

_STROKES = {
    ArrowKind.DATA: f"stroke='{INK}' stroke-width='1.1'",
    ArrowKind.ORDER: f"stroke='{GREY}' stroke-width='1' stroke-dasharray='2 3'",
    ArrowKind.NEXT: f"stroke='{LOOP}' stroke-width='1.1' stroke-dasharray='6 3'",
    ArrowKind.CHANNEL: f"stroke='{INK}' stroke-width='3'",
}
# A notebook puts several pictures into one page, so that rules and marks are named after this one.
_STYLE = (
    ".mpmd-g text{font-family:Helvetica,Arial,'Segoe UI',sans-serif;font-size:11px;"
    f"fill:{GREY}}}.mpmd-g .h{{font-weight:600;font-size:13px;fill:{INK}}}.mpmd-g path{{fill:none}}"
    ".mpmd-g g:hover>.b{stroke-width:2.2}.mpmd-g path.a:hover{stroke-width:2.6}"
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A phase of the picture: its nodes and joins by number, and where they lie below `top`."""

    phase: int
    members: tuple[int, ...]
    arrows: tuple[Arrow, ...]
    found: Layout
    top: float
    left: float


def draw(graph: TaskGraph, groups: Groups) -> str:
    """The whole picture."""
    parts, inner, bottom = _parts(groups)
    sides = sum(arrow.back for arrow in groups.arrows)
    kinds = [kind for kind in ArrowKind if any(arrow.kind is kind for arrow in groups.arrows)]
    head = title(graph, groups)
    width = 2 * MARGIN + max(
        inner + (SIDE + sides * SIDE_STEP if sides else 0.0),
        7.4 * len(head),
        sum(map(_legend_width, kinds)),
    )
    height = bottom + LEGEND
    body = [
        f"<svg xmlns='http://www.w3.org/2000/svg' class='mpmd-g' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}'>",
        f"<style>{_STYLE}</style>",
        *_markers(),
        f"<rect width='{width:.0f}' height='{height:.0f}' fill='white'/>",
        f"<text class='h' x='{MARGIN:.0f}' y='26'>{escape(head)}</text>",
    ]
    places = _places(parts)
    for part in parts:
        body += _frame(graph, part, width)
    colours = colours_of(graph)
    for number, node in enumerate(groups.nodes):
        body += _node(node, places[number], colours[node.name])
    for part in parts:
        ahead = [arrow for arrow in part.arrows if not arrow.back]
        routes = [[(x + part.left, y + part.top) for x, y in route] for route in part.found.routes]
        body += [_arrow(arrow, _curve(route)) for arrow, route in zip(ahead, routes, strict=True)]
        if len(groups.arrows) <= MOST_NAMED:
            body += [_named(arrow, route) for arrow, route in zip(ahead, routes, strict=True)]
    body += _side_arrows([a for a in groups.arrows if a.back], groups, places, MARGIN + inner + SIDE)
    for number, reason in enumerate(groups.joins, start=len(groups.nodes)):
        body.append(_join(places[number], reason))
    return "\n".join([*body, *_legend(groups, kinds, height), "</svg>", ""])


# -- where ----------------------------------------------------------------------------------------


def _parts(groups: Groups) -> tuple[list[_Part], float, float]:
    """The phases with their places, their common width, and where the last one ends."""
    sizes = [_size(node) for node in groups.nodes] + [(DOT, DOT)] * len(groups.joins)
    phase = [node.phase for node in groups.nodes]
    into = {arrow.target: arrow.source for arrow in groups.arrows if arrow.target >= len(groups.nodes)}
    phase += [phase[into[join]] for join in range(len(phase), len(sizes))]
    found: list[tuple[int, list[int], list[Arrow], Layout]] = []
    for number in sorted(set(phase)):
        members = [node for node, own in enumerate(phase) if own == number]
        local = {node: at for at, node in enumerate(members)}
        arrows = [arrow for arrow in groups.arrows if arrow.source in local]
        edges = [(local[a.source], local[a.target]) for a in arrows if not a.back]
        found.append((number, members, arrows, layout([sizes[node] for node in members], edges)))
    width = max((placed.width for *_, placed in found), default=0.0)
    parts: list[_Part] = []
    top = 60.0
    for number, members, arrows, placed in found:
        left = MARGIN + (width - placed.width) / 2
        parts.append(_Part(number, tuple(members), tuple(arrows), placed, top, left))
        top += placed.height + PHASE_GAP
    return parts, width, top - (PHASE_GAP if found else 0.0)


def _size(node: Node) -> Size:
    """By the text in it, which is measured in the average width of a letter."""
    text = lines(node)
    head = 7.4 * len(node.label) + 7.6 * len(badge(node)) + 34
    if not text:
        return head, SMALL
    return max(head, *(6.3 * len(line) + 28 for line in text)), HEAD + LINE * len(text) + 8


def _places(parts: Sequence[_Part]) -> dict[int, Point]:
    return {
        node: (x + part.left, y + part.top)
        for part in parts
        for node, (x, y) in zip(part.members, part.found.centres, strict=True)
    }


# -- what -----------------------------------------------------------------------------------------


def _markers() -> Iterator[str]:
    for kind, colour in (("data", INK), ("order", GREY), ("next", LOOP)):
        yield (
            f"<defs><marker id='mpmd-{kind}' viewBox='0 0 8 8' refX='7.5' refY='4' markerWidth='7' "
            f"markerHeight='7' markerUnits='userSpaceOnUse' orient='auto'>"
            f"<path d='M0 .8 8 4 0 7.2z' style='fill:{colour}'/></marker></defs>"
        )


_HEADS = {
    ArrowKind.DATA: "mpmd-data",
    ArrowKind.ORDER: "mpmd-order",
    ArrowKind.NEXT: "mpmd-next",
    ArrowKind.CHANNEL: "mpmd-data",
}


def _arrow(arrow: Arrow, path: str) -> str:
    return (
        f"<path class='a' d='{path}' {_STROKES[arrow.kind]} marker-end='url(#{_HEADS[arrow.kind]})'>"
        f"<title>{escape(about(arrow))}</title></path>"
    )


def _curve(points: Sequence[Point]) -> str:
    """Upright where it begins, at each point and where it ends."""
    (x, y), *rest = points
    path = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        path.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(path)


def _side_arrows(
    arrows: Sequence[Arrow], groups: Groups, places: dict[int, Point], right: float
) -> Iterator[str]:
    """From the right side of a node, past all others, to the right side of another one, or of itself."""
    sizes = [_size(node) for node in groups.nodes]
    for number, arrow in enumerate(sorted(arrows, key=lambda a: abs(a.source - a.target))):
        (x, y), (to_x, to_y) = places[arrow.source], places[arrow.target]
        x, to_x = x + sizes[arrow.source][0] / 2, to_x + sizes[arrow.target][0] / 2
        y, to_y = y + 7, to_y - 7
        if arrow.source == arrow.target:
            path = (
                f"M{x:.1f} {y:.1f}C{x + 24:.1f} {y + 8:.1f} {x + 24:.1f} {to_y - 8:.1f} {to_x:.1f} {to_y:.1f}"
            )
        else:
            far = right + SIDE_STEP * number
            bend = 12.0 if y > to_y else -12.0
            path = (
                f"M{x:.1f} {y:.1f}H{far - 12:.1f}Q{far:.1f} {y:.1f} {far:.1f} {y - bend:.1f}"
                f"V{to_y + bend:.1f}Q{far:.1f} {to_y:.1f} {far - 12:.1f} {to_y:.1f}H{to_x:.1f}"
            )
        yield _arrow(arrow, path)


def _node(node: Node, centre: Point, colour: str) -> Iterator[str]:
    width, height = _size(node)
    x, y = centre[0] - width / 2, centre[1] - height / 2
    target = link(node)
    yield f"<a href='{escape(target)}'>" if target else "<a>"
    yield f"<g><title>{escape(hover(node))}</title>"
    if node.count > 1:
        for shift in (6, 3):
            card = x + shift, y - shift, width, height
            yield _box(card, f"rx='5' fill='white' stroke='{PALE}'")
    dashes = " stroke-dasharray='5 3'" if node.drained else ""
    yield _box((x, y, width, height), f"class='b' rx='5' fill='white' stroke='{colour}'{dashes}")
    yield (
        f"<path d='M{x + 5:.1f} {y:.1f}h4v{height:.1f}h-4a5 5 0 0 1-5-5V{y + 5:.1f}a5 5 0 0 1 5-5z' "
        f"style='fill:{colour}'/>"
    )
    yield f"<text class='h' x='{x + 17:.1f}' y='{y + 16:.1f}'>{escape(node.label)}</text>"
    if badge(node):
        yield (
            f"<text class='h' x='{x + width - BADGE:.1f}' y='{y + 16:.1f}' text-anchor='end' "
            f"style='fill:{colour}'>{badge(node)}</text>"
        )
    for number, line in enumerate(lines(node)):
        yield f"<text x='{x + 17:.1f}' y='{y + 33 + LINE * number:.1f}'>{escape(line)}</text>"
    yield "</g></a>"


def _box(box: tuple[float, float, float, float], looks: str) -> str:
    """A rectangle at x and y, so wide and so high."""
    x, y, width, height = box
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' {looks}/>"


def _join(centre: Point, reason: str) -> str:
    x, y = centre
    return (
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{DOT / 2 + 1:.1f}' fill='{INK}'>"
        f"<title>{escape(reason)}</title></circle>"
    )


def _frame(graph: TaskGraph, part: _Part, width: float) -> Iterator[str]:
    """Around a loop; and the line at which all cores meet, above each phase but the first."""
    if part.phase > 0:
        y = part.top - PHASE_GAP / 2
        yield f"<path d='M{MARGIN:.1f} {y:.1f}H{width - MARGIN:.1f}' stroke='{PALE}' stroke-width='1'/>"
        yield (
            f"<text x='{width - MARGIN:.1f}' y='{y - 4:.1f}' text-anchor='end' style='font-size:10px'>"
            "all cores meet</text>"
        )
    label = phase_label(graph.phases[part.phase])
    if label:
        x, y = MARGIN / 2, part.top - 24
        frame = x, y, width - 2 * x, part.found.height + 38
        yield _box(frame, f"rx='8' fill='#faf8ff' stroke='{LOOP}' stroke-dasharray='6 3'")
        yield (f"<text x='{x + 8:.1f}' y='{y + 13:.1f}' style='fill:{LOOP}'>{escape(label)}</text>")


def _named(arrow: Arrow, route: Sequence[Point]) -> str:
    """What goes along an arrow, on the outer side of the last stretch of its way."""
    (from_x, from_y), (x, y) = route[-2:]
    outwards, anchor = (-6, "end") if from_x < x else (6, "start")
    first, *others = arrow.via
    return (
        f"<text x='{(from_x + x) / 2 + outwards:.1f}' y='{(from_y + y) / 2 + 9:.1f}' text-anchor='{anchor}' "
        f"style='font-size:10px'>{escape(first)}{'…' if others else ''}</text>"
    )


def _legend_width(kind: ArrowKind) -> float:
    return 60 + 5.8 * len(MEANING[kind])


def _legend(groups: Groups, kinds: Sequence[ArrowKind], height: float) -> Iterator[str]:
    """The kinds of arrows that there are, and what boxes mean."""
    x, y = MARGIN, height - 16
    for kind in kinds:
        yield (
            f"<path d='M{x:.1f} {y - 4:.1f}h30' {_STROKES[kind]} marker-end='url(#{_HEADS[kind]})'/>"
            f"<text x='{x + 37:.1f}' y='{y:.1f}'>{MEANING[kind]}</text>"
        )
        x += _legend_width(kind)
    ticket = "; a dashed box: taken by ticket" if any(node.drained for node in groups.nodes) else ""
    yield f"<text x='{MARGIN:.1f}' y='{y - 20:.1f}'>×n: so many tasks of one line{ticket}</text>"

"""A task graph as a picture, in groups: Graphviz's DOT text, and SVG.

In:  a `TaskGraph`, the groups that are to be drawn task by task. Out: text, the same for the same graph.
Not here: groups (`groups.py`), the picture without Graphviz (`graph_drawing.py`).

SVG is laid out by Graphviz's `dot` where that program is installed and the graph is not large, else here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import graphviz

from mpmd.partition.graph import TaskGraph

from .colours import colours_of
from .graph_drawing import draw
from .graph_words import MEANING, about, badge, hover, lines, link, phase_label, title
from .groups import Arrow, ArrowKind, Groups, Node, groups

MOST_FOR_DOT = 300
"""Nodes; with more `dot` takes seconds, and then minutes."""

_STYLES = {
    ArrowKind.DATA: "",
    ArrowKind.ORDER: "style=dotted color=gray40",
    ArrowKind.NEXT: 'style=dashed color="#8b5cf6" constraint=false',
    ArrowKind.CHANNEL: "penwidth=3",
}
_CALLED = {
    ArrowKind.DATA: "solid",
    ArrowKind.ORDER: "dotted",
    ArrowKind.NEXT: "dashed",
    ArrowKind.CHANNEL: "bold",
}


def graph_dot(graph: TaskGraph, expand: Collection[str] = ()) -> str:
    """The graph in DOT. `expand` names groups that are drawn task by task: "linear", or "linear:34"."""
    return _dot(graph, groups(graph, expand))


def graph_svg(graph: TaskGraph, expand: Collection[str] = ()) -> str:
    """The graph as SVG, with or without Graphviz."""
    found = groups(graph, expand)
    if len(found.nodes) > MOST_FOR_DOT:
        return draw(graph, found)
    try:
        return graphviz.Source(_dot(graph, found)).pipe(format="svg", encoding="utf-8")
    except graphviz.ExecutableNotFound:
        return draw(graph, found)


def _dot(graph: TaskGraph, found: Groups) -> str:
    head = f"{title(graph, found)}\n{_legend(found)}"
    text = [
        f"digraph {_quoted(graph.program.name)} {{",
        f'  graph [label={_quoted(head)} labelloc=t fontname="Helvetica" ranksep=0.5]',
        '  node [shape=box style="rounded,filled" fillcolor=white fontname="Helvetica" fontsize=11]',
        '  edge [fontname="Helvetica" fontsize=9 arrowsize=0.7]',
        *_phases(graph, found),
        *(f"  n{number} [shape=point tooltip={_quoted(reason)}]" for number, reason in _joins(found)),
        *(_edge(arrow) for arrow in found.arrows),
        "}",
    ]
    return "\n".join([*text, ""])


def _joins(found: Groups) -> Iterator[tuple[int, str]]:
    return enumerate(found.joins, start=len(found.nodes))


def _phases(graph: TaskGraph, found: Groups) -> Iterator[str]:
    """A cluster for each phase, where there are several."""
    colours = colours_of(graph)
    last = None
    for phase in dict.fromkeys(node.phase for node in found.nodes):
        own = [number for number, node in enumerate(found.nodes) if node.phase == phase]
        label = phase_label(graph.phases[phase])
        frame = "dashed" if label else "invis"
        yield f"  subgraph cluster_{phase} {{ label={_quoted(label)} style={frame}"
        yield from (f"    n{at} [{_node(found.nodes[at], colours[found.nodes[at].name])}]" for at in own)
        yield "  }"
        if last is not None:
            yield f"  n{last} -> n{own[0]} [style=invis]"
        last = own[-1]


def _node(node: Node, colour: str) -> str:
    text = "\\n".join(_escaped(line) for line in (f"{node.label} {badge(node)}".rstrip(), *lines(node)))
    target = f" URL={_quoted(link(node))}" if link(node) else ""
    lines_around = " peripheries=2" if node.count > 1 else ""
    drained = ' style="rounded,filled,dashed"' if node.drained else ""
    return f'label="{text}" color="{colour}" tooltip={_quoted(hover(node))}{target}{lines_around}{drained}'


def _edge(arrow: Arrow) -> str:
    return f"  n{arrow.source} -> n{arrow.target} [tooltip={_quoted(about(arrow))} {_STYLES[arrow.kind]}]"


def _legend(found: Groups) -> str:
    """The kinds of arrows that there are."""
    kinds = [kind for kind in ArrowKind if any(arrow.kind is kind for arrow in found.arrows)]
    return "; ".join(f"{_CALLED[kind]}: {MEANING[kind]}" for kind in kinds)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """As DOT reads it within quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

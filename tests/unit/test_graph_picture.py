"""The laws: every task is in one node, every dependence along arrows; layers keep nodes apart."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree

import graphviz
import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, loop, phases
from test_schedule import locals_of, programs
from test_schedule_together import mixed
from test_simulate import piped

import mpmd
from examples import mlp
from mpmd.errors import ArgumentError
from mpmd.lang.kernel.trace import trace
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.partition.graph import DepKind, TaskGraph
from mpmd.pipeline import arguments, specs_of
from mpmd.visual import graph as graph_module
from mpmd.visual import graph_dot, graph_svg
from mpmd.visual.graph_drawing import draw
from mpmd.visual.groups import ArrowKind, groups
from mpmd.visual.layers import WIDEST, layout

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def fused() -> TaskGraph:
    x, w, d = (mpmd.spec(mpmd.f32, shape) for shape in ((16, 1024), (2816, 1024), (1024, 2816)))
    specs = specs_of(mlp.mlp, arguments(mlp.mlp, (x, w, w, d, x), {}))
    return partition(trace(mlp.mlp.function, specs), this_cpu(8))


def turns() -> TaskGraph:
    """A loop with a drain, and straight code behind it."""
    tasks: list[Spec] = [("f", [("x", 0, 64)], [("h", 0, 64)])]
    tasks += [("g", [("h", 0, 64)], [("u", i, i + 1)]) for i in range(3)]
    tasks += [("k", [("u", 0, 64)], [("x", 0, 64)]), ("last", [("x", 0, 64)], [("y", 0, 1)])]
    parts = phases((5, loop(5, name="turn")), (1, None))
    return graph(tasks, {"h": 64, "u": 64}, phases=parts, drain=dict.fromkeys(range(1, 4), 0))


# -- groups ---------------------------------------------------------------------------------------


def assert_groups(g: TaskGraph, expand: tuple[str, ...]) -> None:
    found = groups(g, expand)
    assert sum(node.count for node in found.nodes) == len(g)
    assert [node.first for node in found.nodes] == sorted(node.first for node in found.nodes)
    ahead: networkx.DiGraph[int] = networkx.DiGraph()
    ahead.add_nodes_from(range(len(found.nodes)))
    ahead.add_edges_from((a.source, a.target) for a in found.arrows if not a.back)
    assert networkx.is_directed_acyclic_graph(ahead)
    own = {int(task): at for at, node in enumerate(found.nodes) if node.single for task in [node.first]}
    for dep in range(len(g.deps)):
        if g.deps.distance[dep] == 0:
            for u in g.deps.producers_of(dep).tolist():
                for v in g.deps.consumers_of(dep).tolist():
                    assert u not in own or v not in own or networkx.has_path(ahead, own[u], own[v])


@settings(max_examples=25, deadline=None)
@given(programs(), st.booleans())
def test_groups_hold_every_task_and_keep_every_order(tasks: list[Spec], expanded: bool) -> None:
    names = tuple(sorted({name for name, _, _ in tasks})) if expanded else ()
    assert_groups(graph(tasks, locals_of(tasks)), names)


@settings(max_examples=25, deadline=None)
@given(mixed(), st.booleans())
def test_also_with_gangs_drains_and_loops(case: tuple[TaskGraph, int], expanded: bool) -> None:
    g, _ = case
    names = tuple(sorted({site.call.task.name for site in g.sites})) if expanded else ()
    assert_groups(g, names)
    ElementTree.fromstring(draw(g, groups(g, names)))


def test_tasks_of_one_line_are_one_node(fused: TaskGraph) -> None:
    found = groups(fused)
    assert [(node.label, node.count) for node in found.nodes] == [("swiglu", 8), ("linear", 8)]
    (arrow,) = found.arrows
    assert (arrow.source, arrow.target, arrow.kind, arrow.via) == (0, 1, ArrowKind.DATA, ("h",))
    assert arrow.reason == "swiglu#0 (+7) → linear#0 (+7) via h (RAW)"


def test_where_some_are_expanded_many_to_many_goes_through_a_join(fused: TaskGraph) -> None:
    some, every = groups(fused, ["linear"]), groups(fused, ["swiglu", "linear:34"])
    assert [node.label for node in some.nodes] == ["swiglu", *(f"linear#{i}" for i in range(8))]
    assert len(some.arrows) == 8 and not some.joins
    assert len(every.nodes) == 16 and len(every.arrows) == 16
    assert every.joins == ("swiglu#0 (+7) → linear#0 (+7) via h (RAW)",)


def test_lines_that_python_goes_through_again_are_one_node_until_one_is_expanded() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 1)], [("h", 0, 1)]), ("g", [("h", 0, 1)], [("x", 0, 1)])] * 3
    g = graph(tasks, {"h": 1})
    found = groups(g)
    assert [node.count for node in found.nodes] == [3, 3]
    assert [(a.source, a.target, a.kind) for a in found.arrows] == [
        (0, 1, ArrowKind.DATA),
        (1, 0, ArrowKind.NEXT),
    ]
    unrolled = groups(g, ["f", "g"])
    assert {(i, i + 1) for i in range(5)} <= {(a.source, a.target) for a in unrolled.arrows}
    assert len(unrolled.nodes) == 6 and not any(a.back for a in unrolled.arrows)


def test_order_that_others_keep_is_not_drawn() -> None:
    tasks: list[Spec] = [
        ("f", [], [("h", 0, 1)]),
        ("g", [("h", 0, 1)], [("u", 0, 1)]),
        ("k", [("u", 0, 1)], [("h", 0, 1)]),
    ]
    g = graph(tasks, {"h": 1, "u": 1})
    assert DepKind.WAW in g.deps.kind
    assert [(a.source, a.target, a.kind.name) for a in groups(g).arrows] == [(0, 1, "DATA"), (1, 2, "DATA")]


def test_an_unknown_group_is_refused_with_what_may_be_meant(fused: TaskGraph) -> None:
    with pytest.raises(ArgumentError) as refused:
        graph_svg(fused, expand=["linaer"])
    assert str(refused.value).splitlines()[0] == "error[argument]: kernel 'mlp' calls no 'linaer'"
    assert "  hint: did you mean 'linear'?" in str(refused.value)
    with pytest.raises(ArgumentError, match="its groups: linear, linear:34, swiglu, swiglu:32"):
        graph_dot(fused, expand=["zzz"])


# -- layers ---------------------------------------------------------------------------------------

EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda e: e[0] < e[1]), unique=True)


@settings(max_examples=40, deadline=None)
@given(EDGES, st.lists(st.tuples(st.floats(20, 300), st.floats(20, 80)), min_size=15, max_size=15))
def test_nodes_lie_below_what_they_come_after_and_apart(
    edges: list[tuple[int, int]], sizes: list[tuple[float, float]]
) -> None:
    found = layout(sizes, edges)
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (x, y), (w, h) in zip(found.centres, sizes, strict=True)
    ]
    for u, v in edges:
        assert boxes[u][3] < boxes[v][1]
    for a in range(15):
        for b in range(a):
            (al, at, ar, ab), (bl, bt, br, bb) = boxes[a], boxes[b]
            assert ar <= bl + 1e-6 or br <= al + 1e-6 or ab <= bt + 1e-6 or bb <= at + 1e-6
    assert min(box[0] for box in boxes) >= -1e-6 and max(box[3] for box in boxes) <= found.height + 1e-6
    for (u, v), route in zip(edges, found.routes, strict=True):
        assert route[0][1] == pytest.approx(boxes[u][3]) and route[-1][1] == pytest.approx(boxes[v][1])


def test_a_wide_layer_is_broken_into_rows() -> None:
    found = layout([(100.0, 20.0)] * 60, [])
    assert found.width <= WIDEST and len({y for _, y in found.centres}) > 1


# -- pictures -------------------------------------------------------------------------------------


def test_the_drawing_shows_nodes_arrows_and_where_they_are_written(fused: TaskGraph) -> None:
    picture = draw(fused, groups(fused))
    root = ElementTree.fromstring(picture)
    hovers = [title.text or "" for title in root.iterfind(f"{SVG}a/{SVG}g/{SVG}title")]
    assert hovers[0].splitlines()[:3] == ["swiglu, 8 tasks, mlp.py:32", "x: In 16×1024", "wg: In 352×1024"]
    assert [a.get("href", "").rpartition("/")[2] for a in root.iterfind(f"{SVG}a")] == [
        "mlp.py#L32",
        "mlp.py#L34",
    ]
    arrows = [title.text or "" for title in root.iterfind(f"{SVG}path[@class='a']/{SVG}title")]
    assert arrows == ["reads what the other wrote: h\nswiglu#0 (+7) → linear#0 (+7) via h (RAW)"]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"×8", "16×1024, 352×1024 → 16×352", "reads what the other wrote"} <= set(texts)
    assert picture == draw(fused, groups(fused))


def test_loops_have_frames_drains_dashes_and_channels_thick_arrows() -> None:
    picture = draw(turns(), groups(turns()))
    assert "loop turn ×5" in picture and "all cores meet" in picture and "taken by ticket" in picture
    pipe = piped(2).graph
    assert "tiles through a channel: c" in draw(pipe, groups(pipe))


def test_thousands_of_tasks_are_few_boxes() -> None:
    tasks: list[Spec] = [(name, [("x", i, i + 1)], [(name, i, i + 1)]) for name in "fgk" for i in range(1000)]
    g = graph(tasks, {})
    assert len(graph_svg(g)) < 10_000
    assert graph_svg(g, expand=["f"]).count("f#") == 2000  # in the box, and on hovering


def test_dot_has_a_node_for_each_group_and_quotes_what_it_says(fused: TaskGraph) -> None:
    text = graph_dot(fused)
    assert 'label="swiglu ×8\\nmlp.py:32\\n16×1024, 352×1024 → 16×352' in text
    assert 'n0 -> n1 [tooltip="reads what the other wrote: h\\nswiglu#0 (+7)' in text
    assert graph_module._quoted('a "b"\n\\') == '"a \\"b\\"\\n\\\\"'
    assert text.count("{") == text.count("}")


def test_svg_is_drawn_where_the_program_dot_is_missing(
    fused: TaskGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert graph_svg(fused) == draw(fused, groups(fused))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's program dot is not installed")
@pytest.mark.parametrize("expand", [(), ("swiglu", "linear")])
def test_graphviz_reads_the_dot_text(fused: TaskGraph, expand: tuple[str, ...]) -> None:
    for g, names in ((fused, expand), (turns(), ()), (piped(2).graph, ())):
        picture = graphviz.Source(graph_dot(g, names)).pipe(format="svg", encoding="utf-8", quiet=False)
        nodes = ElementTree.fromstring(picture).findall(f".//{SVG}g[@class='node']")
        found = groups(g, names)
        assert len(nodes) == len(found.nodes) + len(found.joins)

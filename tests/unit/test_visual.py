"""The law: the picture of a schedule shows every task once, in its lane, and every wait as an arrow."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from schedule_graphs import Spec, graph, loop, machine, phases

import mpmd
from examples import mlp
from mpmd.lang.kernel.trace import trace
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.visual import schedule_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def planned() -> Schedule:
    x, w, d = (mpmd.spec(mpmd.f32, shape) for shape in ((16, 1024), (2816, 1024), (1024, 2816)))
    machine = this_cpu(3)
    specs = specs_of(mlp.mlp, arguments(mlp.mlp, (x, w, w, d, x), {}))
    return schedule(partition(trace(mlp.mlp.function, specs), machine), machine)


def test_every_task_is_a_box_with_its_name_and_times(planned: Schedule) -> None:
    root = ElementTree.fromstring(schedule_svg(planned))
    hovers = [title.text or "" for title in root.iterfind(f"{SVG}g/{SVG}title")]
    assert sorted(hover.split(":")[0] for hover in hovers) == sorted(
        planned.graph.task_name(task) for task in range(len(planned.graph))
    )


def test_every_wait_is_an_arrow_with_its_reason(planned: Schedule) -> None:
    root = ElementTree.fromstring(schedule_svg(planned))
    reasons = [title.text for title in root.iterfind(f"{SVG}path/{SVG}title")]
    assert len(reasons) == int((planned.op == StepOp.WAIT).sum())
    assert all(reason and "via h (RAW)" in reason for reason in reasons)


def test_the_same_schedule_gives_the_same_picture_and_titles_are_escaped(planned: Schedule) -> None:
    assert schedule_svg(planned) == schedule_svg(planned)
    assert "a &lt; b" in schedule_svg(planned, title="a < b")


def test_a_loop_is_a_frame_and_a_drain_a_box_on_each_of_its_cores() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 64)], [("h", 0, 64)])]
    tasks += [("g", [("h", 0, 64)], [("u", i, i + 1)]) for i in range(3)]
    tasks += [("k", [("u", 0, 64)], [("x", i * 32, i * 32 + 32)]) for i in range(2)]
    drain = dict.fromkeys(range(1, 4), 0)
    g = graph(tasks, {"h": 64, "u": 64}, phases=phases((6, loop(5, name="turn"))), drain=drain)
    planned = schedule(g, machine(2))
    picture = schedule_svg(planned)
    root = ElementTree.fromstring(picture)
    hovers = [title.text or "" for title in root.iterfind(f"{SVG}g/{SVG}title")]
    assert hovers[0] == "loop turn × 5: its first iteration"
    assert [h.split(":")[0] for h in hovers[1:]] == ["f#0", "k#0", "k#1", *["3 × g, by ticket"] * 2]
    reasons = [title.text or "" for title in root.iterfind(f"{SVG}path/{SVG}title")]
    waits = [s for core in range(2) for s in planned.steps(core) if s.op == StepOp.WAIT]
    within = [s for s in waits if s.b > 0]
    assert len(reasons) == len(within) < len(waits)

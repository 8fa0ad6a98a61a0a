"""The law: the picture of a schedule shows every task once, in its lane, and every wait as an arrow."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

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

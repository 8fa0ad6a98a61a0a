"""The laws of what the timeline page carries: columns come back, forms are the graph's, it is one file."""

from __future__ import annotations

import base64
import fnmatch
import json
import re
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, machine

import mpmd
from bench.models import decodes
from examples.moe_layer import moe
from mpmd.errors import ArgumentError, Span
from mpmd.lang.kernel.trace import trace as trace_of
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule
from mpmd.timeline import SpanKind
from mpmd.visual import timeline_page
from mpmd.visual.page_memory import occupancy
from mpmd.visual.page_pack import Blob
from mpmd.visual.page_tasks import Calls, forms
from tests.traces import trace

MOE = tuple(mpmd.spec(mpmd.f32, s) for s in ((40, 16), (4, 16), (4, 24, 16), (4, 16, 24), (40, 16)))
ROOT = Path(__file__).parents[2]
RUN = SpanKind.RUN


@pytest.fixture(scope="module")
def planned() -> Schedule:
    """One layer of a decode step."""
    cores = this_cpu(2)
    _, program = next(decodes(cores, layers=1))
    return schedule(partition(program, cores), cores)


def unpacked(text: str) -> tuple[dict[str, Any], bytes]:
    blob = zlib.decompress(base64.b64decode(text))
    length = int.from_bytes(blob[:4], "little")
    return json.loads(blob[4 : 4 + length]), blob[4 + length :]


def column(planes: bytes, at: dict[str, int]) -> list[int]:
    """A column as a reader finds it: bytes of one weight stand together, signs in the lowest bit."""
    part = np.frombuffer(planes, np.uint8, at["count"] * at["planes"], at["at"])
    folded = [sum(int(b) << 8 * i for i, b in enumerate(row)) for row in part.reshape(at["planes"], -1).T]
    values = [-(value + 1) // 2 if value % 2 else value // 2 for value in folded]
    return np.cumsum(values, dtype=np.int64).tolist() if at["rising"] else values


# -- columns ----------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(-(1 << 52), 1 << 52), max_size=30), max_size=4), st.booleans())
def test_columns_come_back(columns: list[list[int]], rising: bool) -> None:
    blob = Blob()
    document = {"columns": [blob.add(np.array(values, np.int64), rising=rising) for values in columns]}
    found, planes = unpacked(blob.text(document))
    assert found == document
    assert [column(planes, at) for at in found["columns"]] == columns


@pytest.mark.parametrize(
    ("values", "rising", "wide"),
    [([1 << 23, 0], False, 1), ([(1 << 23) - 1], False, 0), ([2, (1 << 31) - 1], True, 1),
     (list(range(0, 1 << 22, 1 << 20)), True, 0), (list(range(0, 1 << 32, 1 << 15)), True, 1)],
)  # fmt: skip
def test_what_needs_more_than_32_bits_says_so(values: list[int], rising: bool, wide: int) -> None:
    assert Blob().add(values, rising=rising)["wide"] == wide


# -- tasks ------------------------------------------------------------------------------------------------


def test_every_task_has_a_form_with_its_figures(planned: Schedule) -> None:
    graph, calls = planned.graph, Calls()
    found = forms(planned, calls)
    told = calls.facts()
    assert len(found.facts) < len(graph) / 2
    for task in range(len(graph)):
        form = found.facts[found.of_task[task]]
        assert (form["flops"], form["bytes"]) == (graph.flops[task], graph.bytes[task])
        site = graph.sites[graph.site[task]]
        assert told[form["call"]]["name"] == site.call.task.name
        assert told[form["call"]]["place"].endswith(f":{site.call.span.line}")
        layouts = graph.functions[site.function].layouts
        assert [line.split(" ")[0] for line in form["shapes"].split("\n")] == [at.name for at in layouts]


def test_work_that_the_launch_decides_is_the_most_it_may_be(planned: Schedule) -> None:
    calls = Calls()
    told = {calls.facts()[form["call"]]["name"]: form["most"] for form in forms(planned, calls).facts}
    assert told["attend"] and not told["swiglu"]


def test_extents_that_the_launch_decides_have_their_bounds() -> None:
    cores = this_cpu(2)
    program = trace_of(moe.function, specs_of(moe, arguments(moe, MOE, {})))
    planned = schedule(partition(program, cores), cores)
    calls = Calls()
    found = {calls.facts()[form["call"]]["name"]: form for form in forms(planned, calls).facts}
    assert found["expert"]["most"]
    lines = found["expert"]["shapes"].split("\n")
    assert "x f32[40, 16]" in lines
    (token,) = (line for line in lines if line.startswith("token "))
    assert re.fullmatch(r"token i32\[≤[1-9][0-9]*\]", token)


def test_the_least_time_is_that_of_the_rates(planned: Schedule) -> None:
    found = forms(planned, Calls())
    for task in range(len(planned.graph)):
        (seconds,) = found.facts[found.of_task[task]]["compute"]
        rates = planned.machine.leading.rates
        work = planned.graph.work[task]
        assert seconds == pytest.approx(sum(w / r for w, r in zip(work, rates, strict=False)))


def test_a_core_that_cannot_do_a_task_has_no_time_for_it(planned: Schedule) -> None:
    kind = planned.machine.leading
    unable = replace(kind, rates=(0.0, *kind.rates[1:]))
    other = replace(planned, machine=replace(planned.machine, kinds=(kind, unable)))
    seconds = [form["compute"] for form in forms(other, Calls()).facts]
    assert any(second is None for _, second in seconds) and all(first is not None for first, _ in seconds)


# -- memory -----------------------------------------------------------------------------------------------


def test_tensors_are_alive_from_their_first_task_to_their_last() -> None:
    tasks: list[Spec] = [
        ("f", [("x", 0, 64)], [("h", 0, 64)]),
        ("g", [("h", 0, 64)], [("u", 0, 128)]),
        ("g", [("u", 0, 128)], [("y", 0, 64)]),
    ]
    planned = schedule(graph(tasks, {"h": 64, "u": 128}), machine(1))
    rows = [(0, RUN, task, 0, 2.0 * task, 2.0 * task + 1) for task in range(3)]
    moments, alive = occupancy(planned, trace(rows, labels=("f",), makespan=6.0, cores=1))
    assert np.rint(moments * 1e6).tolist() == [0, 2, 3, 5]
    assert alive.tolist() == [64, 64 + 128, 128, 0]


# -- the file ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(planned: Schedule) -> str:
    predicted = simulate(planned)
    return timeline_page([(planned, predicted, replace(simulate(planned, seed=1), source="measured"))])


def test_it_is_one_file_that_asks_for_nothing(page: str) -> None:
    assert not re.search(r"<(link|img|iframe)|\bsrc=|@import|url\(", page.split("<script")[0])
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts)\b\s*\(", page)
    assert "default-src 'none'" in page
    assert page.count("</script>") == 2, "nothing ends a script too early"


def test_the_same_launches_give_the_same_bytes(planned: Schedule, page: str) -> None:
    measured = replace(simulate(planned, seed=1), source="measured")
    assert timeline_page([(planned, simulate(planned), measured)]) == page


def test_names_are_text_and_no_markup(planned: Schedule) -> None:
    program = replace(planned.graph.program, name="</title><script>")
    odd = replace(planned, graph=replace(planned.graph, program=program))
    assert "</title><script>" not in timeline_page([(odd, simulate(planned), None)])


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        timeline_page([])
    assert str(caught.value) == "\n".join(
        [
            "error[argument]: a timeline page is of at least 1 launch, not of 0",
            "  hint: `mpmd.schedule.simulate.simulate(schedule)` predicts one",
        ]
    )


def test_the_bundle_is_installed() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "visual" / "web" / "dist").iterdir():
        inside = str(path.relative_to(ROOT / "visual"))
        assert any(fnmatch.fnmatch(inside, pattern) for pattern in patterns["mpmd.visual"])


def test_lines_that_nobody_wrote_have_no_place() -> None:
    calls = Calls()
    calls.number("f", Span("<unknown>", 0))
    assert calls.facts() == [{"name": "f", "place": "", "text": ""}]


def test_pictures_are_loaded_when_they_are_asked_for() -> None:
    import mpmd.visual

    assert mpmd.visual.timeline_page is timeline_page
    with pytest.raises(AttributeError, match=r"module 'mpmd\.visual' has no attribute 'nothing'"):
        mpmd.visual.__getattr__("nothing")

"""The laws of the timeline page, in a browser: it says what the traces say, and does what a reader asks.

A real launch of SmolLM2's decode step, cut to two layers, predicted and measured; a loop, channels and drains
as predicted, twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mpmd
from mpmd.blame import Cause, blame
from mpmd.machine.presets import this_cpu
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule
from mpmd.timeline import SpanKind, Trace
from mpmd.visual import timeline_page
from mpmd.visual.page_memory import occupancy
from tests.host.example_kernels import arrays_for, example, scheduled
from tests.host.headless import tab
from tests.host.shown_page import Shown

RUN = SpanKind.RUN
OTHERS = ("jacobi", "pipeline", "moe_layer")
LEGEND = "Array.from(document.querySelectorAll('.tasks tbody tr'))"
COLUMNS = ("kind", "task", "dep", "iteration", "core")
SPANS = ("step", "label", "number", "start", "finish")  # the other columns of a trace


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    launches = [_measured("smollm2 decode"), *(_predicted(name) for name in OTHERS)]
    page = tmp_path_factory.mktemp("page") / "timeline.html"
    page.write_text(timeline_page(launches))
    with tab(width=1400, height=900) as opened:
        opened.open(page)
        yield Shown(opened, launches)


@pytest.fixture
def shown(opened: Shown) -> Shown:
    """As it was when it was opened."""
    opened.tab.value("document.activeElement.blur(), timeline.open(0)")
    opened.tab.value("timeline.moves.show(0, timeline.launch.makespan, {still: true})")
    opened.tab.move(2, 2)
    opened.tab.settle()
    return opened


def _measured(name: str) -> tuple[Schedule, Trace, Trace | None]:
    kernel, specs = example(name)
    random = np.random.default_rng(0)
    values = arrays_for(specs, lambda s: (random.standard_normal(s.shape) / 8).astype(s.dtype.numpy))
    compiled = mpmd.compile(kernel, *specs, cores=2)
    return compiled.schedule, simulate(compiled.schedule), compiled.profile(*values)


def _predicted(name: str) -> tuple[Schedule, Trace, Trace | None]:
    plan = scheduled(*example(name), this_cpu(3))
    return plan, simulate(plan), replace(simulate(plan, seed=1), source="measured")


def wide_run(trace: Trace, *, least: float = 0.02) -> int:
    """A run that takes such a share of the launch, and is neither first nor last on its core."""
    lengths = (trace.finish - trace.start) * (trace.kind == RUN)
    inner = np.flatnonzero((np.diff(trace.core, prepend=-1) == 0) & (lengths > least * trace.makespan))
    return int(inner[len(inner) // 2])


# -- what it says against the trace -----------------------------------------------------------------------


def test_it_opens_without_errors_and_asks_for_nothing(opened: Shown) -> None:
    assert opened.tab.errors == []
    assert [url.split(":")[0] for url in opened.tab.requests] == ["file"]


def test_every_span_is_there_with_its_times_and_names(opened: Shown) -> None:
    for place, _, trace in opened.traces():
        for name in COLUMNS:
            np.testing.assert_array_equal(opened.column(f"{place}.{name}"), getattr(trace, name))
        np.testing.assert_array_equal(opened.column(f"{place}.start"), np.rint(trace.start * 1e9))
        np.testing.assert_array_equal(opened.column(f"{place}.finish"), np.rint(trace.finish * 1e9))
        names = opened.tab.value(f"Array.from({place}.kind, (_, span) => {place}.nameOf(span))")
        assert names == [trace.name(span) for span in range(len(trace))]


def test_every_dependence_is_there(opened: Shown) -> None:
    for number, (schedule, _, _) in enumerate(opened.launches):
        deps, place = schedule.deps, f"timeline.launches[{number}].deps"
        for side in ("producer", "consumer"):
            np.testing.assert_array_equal(opened.column(f"{place}.{side}s"), getattr(deps, f"{side}s"))
            np.testing.assert_array_equal(opened.column(f"{place}.{side}First"), getattr(deps, f"{side}_ptr"))


def test_the_critical_path_is_that_of_the_blame(opened: Shown) -> None:
    for place, schedule, trace in opened.traces():
        expected = blame(trace, schedule)
        for name in ("core", "cause", "span"):
            np.testing.assert_array_equal(opened.column(f"{place}.path.{name}"), getattr(expected, name))
        sums = np.array(opened.tab.value(f"{place}.path.byCause"))
        np.testing.assert_allclose(
            sums, [1e9 * expected.seconds[cause] for cause in Cause], atol=len(expected)
        )
        assert abs(sums.sum() - 1e9 * trace.makespan) <= 1


def test_memory_in_use_is_that_of_the_live_tensors(opened: Shown) -> None:
    for place, schedule, trace in opened.traces():
        moments, alive = occupancy(schedule, trace)
        np.testing.assert_array_equal(opened.column(f"{place}.memory.moment"), np.rint(moments * 1e9))
        np.testing.assert_array_equal(opened.column(f"{place}.memory.bytes"), alive)
        assert alive.min() >= 0 and alive.max() <= schedule.memory.arena_bytes


def test_the_bar_tells_the_launch(shown: Shown) -> None:
    schedule, trace = shown.decode
    said = shown.text("#title")
    assert f"{trace.makespan * 1e3:.4g}" in said or f"{trace.makespan * 1e6:.4g}" in said
    assert f"{len(schedule.graph)} tasks" in said and f"{schedule.cores} cores" in said
    assert f"{trace.utilisation:.0%}".replace("%", " %") in said


def test_the_legend_counts_tasks_by_name(shown: Shown) -> None:
    schedule, _ = shown.decode
    graph = schedule.graph
    names = [graph.sites[site].call.task.name for site in graph.site.tolist()]
    told = shown.tab.value(f"{LEGEND}.map(row => [1, 2].map(cell => row.cells[cell].innerText))")
    assert {name: int(count.replace(",", "")) for name, count in told} == {n: names.count(n) for n in names}


# -- what it does -----------------------------------------------------------------------------------------


def test_a_wide_run_is_painted_in_the_colour_of_the_legend(shown: Shown) -> None:
    _, trace = shown.decode
    span = wide_run(trace)
    x, y, _, _ = shown.box(span)
    left, top = shown.tab.value(
        "(({left, top}) => [left, top])(timeline.parts.canvas.getBoundingClientRect())"
    )
    painted = shown.pixel(x - left + 2, y - top + 2)
    name = trace.name(span).split("#")[0]
    swatch = f"{LEGEND}.find(row => row.cells[1].innerText === '{name}').querySelector('i')"
    colour = shown.tab.value(f"getComputedStyle({swatch}).backgroundColor")
    assert colour == f"rgb({', '.join(map(str, painted))})"


def test_the_wheel_zooms_around_the_pointer(shown: Shown) -> None:
    from_, to = shown.view()
    x = 500.0
    under = shown.tab.value(f"timeline.view.moment({x})")
    shown.tab.wheel(x, 150, -400)
    shown.still()
    near, far = shown.view()
    assert far - near < 0.7 * (to - from_)
    assert shown.tab.value(f"timeline.view.moment({x})") == pytest.approx(under, abs=(far - near) / 500)
    shown.tab.wheel(x, 150, 4000)
    shown.still()
    assert shown.view() == pytest.approx((from_, to))


def test_dragging_moves_in_time(shown: Shown) -> None:
    shown.tab.value(
        "timeline.moves.show(timeline.launch.makespan / 4, timeline.launch.makespan / 2, {still: true})"
    )
    under = shown.tab.value("timeline.view.moment(600)")
    shown.tab.drag(600, 150, -200)
    shown.still()
    assert shown.tab.value("timeline.view.moment(400)") == pytest.approx(under, rel=1e-3)
    assert shown.tab.value("timeline.chosen") is None, "a drag is no click"


def test_keys_zoom_move_and_show_all(shown: Shown) -> None:
    from_, to = shown.view()
    shown.tab.key("+")
    shown.still()
    near, far = shown.view()
    assert far - near == pytest.approx((to - from_) / 2)
    shown.tab.key("ArrowRight")
    shown.still()
    assert shown.view()[0] == pytest.approx(near + 0.2 * (far - near))
    shown.tab.key("0")
    shown.still()
    assert shown.view() == pytest.approx((from_, to))


def test_pointing_at_a_run_tells_all_of_it(shown: Shown) -> None:
    schedule, trace = shown.decode
    span = wide_run(trace)
    task = schedule.graph.task(int(trace.task[span]))
    shown.tab.move(*shown.middle(span))
    said = shown.text("#tooltip")
    place = trace.places[trace.label[span]]
    assert task.name in said and f"{Path(place.file).name}:{place.line}" in said
    source = Path(place.file).read_text().splitlines()[place.line - 1].strip()
    assert source in said
    function = schedule.graph.functions[task.site.function]
    for layout in function.layouts:
        if None not in layout.extents:
            assert f"{layout.name} f32[{', '.join(map(str, layout.extents))}]" in said
    assert f"core {trace.core[span]}" in said and "moves" in said and "computes" in said
    took = re.search(r"took\s+([\d.]+) (ns|µs|ms)", said)
    assert took is not None
    told = float(took[1]) * {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3}[took[2]]
    seconds = float(trace.finish[span] - trace.start[span])
    assert told == pytest.approx(seconds, rel=5.1e-4, abs=1.1e-9)  # four digits, of whole nanoseconds


def test_the_roofline_is_the_machines(shown: Shown) -> None:
    schedule, trace = shown.decode
    spans = [s for s in np.flatnonzero(trace.kind == RUN).tolist() if trace.name(s).startswith("swiglu")]
    span = max(spans, key=lambda s: trace.finish[s] - trace.start[s])
    task, seconds = int(trace.task[span]), round((trace.finish[span] - trace.start[span]) * 1e9) / 1e9
    kind = schedule.machine.kinds[0]
    bandwidth = min(kind.bandwidth, schedule.machine.bandwidth / schedule.cores)
    compute = sum(w / r for w, r in zip(schedule.graph.work[task], kind.rates, strict=False) if r)
    least = max(float(schedule.graph.bytes[task]) / bandwidth, compute)
    shown.tab.move(*shown.middle(span))
    told = float(shown.text("#tooltip").split("of the roofline")[1].split("%")[0]) / 100
    assert told == pytest.approx(least / seconds, abs=0.0051)


def test_a_click_shows_what_it_waited_for_and_who_waits_for_it(shown: Shown) -> None:
    schedule, trace = shown.decode
    span = wide_run(trace)
    shown.tab.click(*shown.middle(span))
    shown.tab.settle()
    assert shown.tab.value("timeline.parts.tooltip.hidden"), "the panel tells of it"
    task = int(trace.task[span])
    expected: dict[str, set[int]] = {"before": set(), "after": set()}
    for dep in range(len(schedule.deps)):
        producers, consumers = schedule.deps.producers_of(dep), schedule.deps.consumers_of(dep)
        if task in consumers:
            expected["before"] |= set(producers.tolist())
        if task in producers:
            expected["after"] |= set(consumers.tolist())
    assert expected["before"] and expected["after"]
    for side, tasks in expected.items():
        found = shown.tab.value(f"timeline.neighbours.{side}.map(({{task}}) => task)")
        assert sorted(found) == sorted(tasks)
    names = shown.tab.value(
        "Array.from(document.querySelectorAll('.neighbours ul'), list => list.querySelector('b').innerText)"
    )
    runs = {int(t): s for s, t in enumerate(trace.task) if trace.kind[s] == RUN}
    last = max(expected["before"], key=lambda t: round(trace.finish[runs[t]] * 1e9))
    first = min(expected["after"], key=lambda t: round(trace.start[runs[t]] * 1e9))
    assert names == [schedule.graph.task_name(last), schedule.graph.task_name(first)]
    assert shown.text("#panel h2") == schedule.graph.task_name(task)
    shown.tab.value("document.querySelector('.neighbours button').click()")
    assert shown.text("#panel h2") == schedule.graph.task_name(last)
    shown.tab.key("Escape")
    assert shown.tab.value("timeline.chosen") is None


def test_brackets_go_along_a_core(shown: Shown) -> None:
    _, trace = shown.decode
    span = wide_run(trace)
    shown.tab.click(*shown.middle(span))
    shown.tab.key("]")
    assert shown.tab.value("timeline.chosen.span") == span + 1
    shown.tab.key("[")
    assert shown.tab.value("timeline.chosen.span") == span


def test_search_finds_names_numbers_and_lines(shown: Shown) -> None:
    schedule, trace = shown.decode
    graph = schedule.graph
    names = [graph.sites[site].call.task.name for site in graph.site.tolist()]
    line = trace.places[0]
    for word, count in (
        ("attend", names.count("attend")),
        ("SWIGLU#1", 1),
        (f"{Path(line.file).name}:{line.line}", int((graph.site == 0).sum())),
        ("nobody", 0),
    ):
        shown.tab.key("/")
        shown.tab.type(word)
        assert shown.text("#found") == f"{count} {'task' if count == 1 else 'tasks'}"
        shown.tab.key("Escape")
    shown.tab.key("/")
    shown.tab.type("swiglu#1")
    shown.tab.key("Enter")
    assert shown.text("#panel h2") == "swiglu#1" and shown.text("#found") == "1 of 1 task"
    faded = shown.column("timeline.faded[1]")
    assert [trace.name(s) for s in np.flatnonzero(faded == 0).tolist()] == ["swiglu#1"]
    shown.tab.key("Escape")
    assert shown.text("#found") == "" and shown.tab.value("timeline.faded") is None


def test_the_critical_path_is_drawn_below_its_core(shown: Shown) -> None:
    schedule, trace = shown.decode
    path = blame(trace, schedule)
    computes = np.where(path.cause == Cause.COMPUTE, path.finish - path.start, 0.0)
    longest = int(np.argmax(computes))
    x = shown.tab.value(f"timeline.view.x({(path.start[longest] + path.finish[longest]) / 2 * 1e9})")
    strip = f"timeline.view.strip({path.core[longest]}, 1)"
    y = shown.tab.value(f"{strip}.path + {strip}.pathHeight / 2")
    red, green, blue = shown.pixel(x, y)
    assert f"#{red:02x}{green:02x}{blue:02x}" == shown.tab.value("timeline.theme.colour('path')")
    shown.tab.key("c")
    shown.tab.settle()
    assert shown.pixel(x, y) == shown.pixel(3, 3)
    shown.tab.key("c")


def test_pointing_at_the_memory_tells_the_bytes(shown: Shown) -> None:
    schedule, trace = shown.decode
    moments, alive = occupancy(schedule, trace)
    left, top = shown.corner()
    x, y = 500.0, shown.tab.value("timeline.view.end") - 20
    shown.tab.move(left + x, top + y)
    moment = shown.tab.value(f"timeline.view.moment({x})") * 1e-9
    told = float(shown.text("#tooltip").split("measured: ")[1].split(" ")[0])
    expected = alive[np.searchsorted(moments, moment, side="right") - 1]
    assert told == pytest.approx(expected / 1e3, rel=1e-3) or told == expected


def test_waits_say_what_for(shown: Shown) -> None:
    schedule, trace = shown.decode
    waits = np.flatnonzero((trace.kind == SpanKind.WAIT) & (trace.dep >= 0))
    span = int(waits[np.argmax((trace.finish - trace.start)[waits])])
    shown.tab.value(f"timeline.choose(timeline.launch.traces[1], {span})")
    said = shown.text("#panel")
    producers = schedule.deps.producers_of(int(trace.dep[span])).tolist()
    runs = {int(t): s for s, t in enumerate(trace.task) if trace.kind[s] == RUN}
    last = max(producers, key=lambda task: round(trace.finish[runs[task]] * 1e9))
    assert said.startswith(f"waits for {trace.labels[trace.label[span]]}")
    assert schedule.graph.task_name(last) in said
    tensor = schedule.graph.program.tensors[int(schedule.deps.tensor[trace.dep[span]])].name
    assert tensor in said


def test_light_and_dark_are_the_readers(shown: Shown) -> None:
    def ground() -> list[int]:
        shown.tab.settle()
        return shown.pixel(3, 3)

    shown.tab.prefers("dark")
    dark = ground()
    shown.tab.prefers("light")
    light = ground()
    assert sum(dark) < 120 < 700 < sum(light)
    shown.tab.value("timeline.toggleTheme()")
    assert ground() == dark
    shown.tab.value("timeline.toggleTheme()")


def test_all_launches_are_shown(shown: Shown) -> None:
    for number, (schedule, _, _) in enumerate(shown.launches):
        shown.tab.value(f"timeline.open({number})")
        shown.still()
        assert f"{len(schedule.graph)} task" in shown.text("#title")
    assert shown.tab.errors == []


def test_a_launch_whose_spans_are_lost_says_so(opened: Shown, tmp_path: Path) -> None:
    schedule, predicted, _ = opened.launches[1]
    none = {name: getattr(predicted, name)[:0] for name in (*COLUMNS, *SPANS)}
    page = tmp_path / "page.html"
    page.write_text(
        timeline_page([(schedule, predicted, replace(predicted, source="measured", lost=99, **none))])
    )
    opened.tab.open(page)
    assert "99 spans lost" in opened.text("#title") and "0 % busy" in opened.text("#title")
    assert opened.tab.errors == []


def test_an_address_opens_a_part_of_it(opened: Shown, tmp_path: Path) -> None:
    schedule, predicted, measured = opened.launches[0]
    page = tmp_path / "page.html"
    page.write_text(timeline_page([(schedule, predicted, None)]))
    half = predicted.makespan / 2
    opened.tab.open(page, f"#kernel=decode&from=0&to={half}&task=3&theme=dark")
    assert opened.view() == pytest.approx((0, half * 1e9), abs=1)
    assert opened.text("#panel h2") == schedule.graph.task_name(3)
    assert opened.tab.value("document.documentElement.dataset.theme") == "dark"
    assert measured is not None and opened.tab.value("timeline.launch.traces.length") == 1

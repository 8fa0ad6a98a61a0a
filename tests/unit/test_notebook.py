"""The laws: what a notebook shows is whole, small and escaped, and is loaded only when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, loop, machine, phases

import mpmd
from examples import mlp
from mpmd.codegen.tables import pack
from mpmd.lang.kernel.trace import trace as traced
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule
from mpmd.timeline import SpanKind
from mpmd.visual.lanes import busy_shares
from mpmd.visual.notebook import compiled_html
from tests.traces import trace

VOID = {"br", "hr", "rect", "path", "circle"}


class Balanced(HTMLParser):
    """Refuses tags that are not closed, and whatever loads or runs something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe")
        assert all(not name.startswith("on") and name != "src" for name, _ in attrs)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def planned() -> Schedule:
    x, w, d = (mpmd.spec(mpmd.f32, shape) for shape in ((16, 1024), (2816, 1024), (1024, 2816)))
    specs = specs_of(mlp.mlp, arguments(mlp.mlp, (x, w, w, d, x), {}))
    return schedule(partition(traced(mlp.mlp.function, specs), this_cpu(3)), this_cpu(3))


def many() -> Schedule:
    """A loop of more tasks than are drawn one by one."""
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(1000)]
    return schedule(graph(tasks, {}, phases=phases((1000, loop(3)))), machine(40))


def test_a_kernel_shows_its_parameters_as_they_are_written() -> None:
    text = mlp.mlp._repr_html_()
    Balanced(text)
    assert "<b>mlp</b> (mlp.py:" in text
    assert "In[f32, T, H]" in text and "Out[f32, T, H]" in text


def test_a_graph_and_a_schedule_are_pictures(planned: Schedule) -> None:
    for text in (planned.graph._repr_html_(), planned._repr_html_()):
        Balanced(text)
        assert "swiglu" in text and len(text) < 20_000
    assert planned.graph._repr_svg_().startswith("<svg") or "</svg>" in planned.graph._repr_svg_()
    assert planned._repr_svg_().count("<rect") > len(planned.graph)
    assert "predicted, 3 waits" in planned._repr_html_()


def test_a_compiled_kernel_shows_what_was_proved_and_both_pictures(planned: Schedule) -> None:
    text = compiled_html(planned, check(pack(planned), planned.machine))
    Balanced(text)
    assert text.count("<details open>") == text.count("</svg>") == 2
    assert "<td style" in text and "liveness" in text and "3 of cpu-" in text


def test_a_trace_shows_its_lanes_and_labels(planned: Schedule) -> None:
    text = simulate(planned)._repr_html_()
    Balanced(text)
    assert "simulated launch of <b>mlp</b>" in text and "mlp.py:32" in text


def test_long_launches_stay_small_and_tell_what_is_not_shown() -> None:
    plan = many()
    for text in (plan._repr_html_(), simulate(plan, iterations=2)._repr_html_()):
        Balanced(text)
        assert len(text) < 200_000 and "the darker, the larger the share" in text
    assert "1 iterations are not shown" in simulate(plan, iterations=2)._repr_html_()
    assert "4 spans were lost" in replace(simulate(plan), lost=4)._repr_html_()


def test_names_are_escaped() -> None:
    shown = trace([(0, SpanKind.RUN, 0, 0, 0.0, 1.0)], labels=("<b>&'",), makespan=1.0)
    Balanced(shown._repr_html_())
    assert "&lt;b&gt;&amp;" in shown._repr_html_()
    assert "&lt;kernel&gt;" in replace(shown, kernel="<kernel>")._repr_html_()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), max_size=20), st.integers(1, 30))
def test_shares_are_those_of_the_time_within_spans(parts: list[tuple[float, float]], cells: int) -> None:
    lengths = np.array([length for part in parts for length in part])
    moments = np.concatenate([[0.0], np.cumsum(lengths)])
    start, finish = moments[1::2], moments[2::2]
    edges = np.linspace(0.0, max(1.0, float(moments[-1])), cells + 1)
    shares = busy_shares(start[: len(finish)], finish, edges)
    within = [
        sum(max(0.0, min(f, b) - max(s, a)) for s, f in zip(start, finish, strict=False)) / (b - a)
        for a, b in pairwise(edges)
    ]
    assert shares == pytest.approx(within)


def test_nothing_is_drawn_before_a_notebook_asks() -> None:
    code = "import mpmd, sys; print([name for name in sys.modules if name.startswith('mpmd.visual')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The laws: every span is an event on its track, predictions stand above measurements, sync is arrows."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from schedule_graphs import Spec, graph, loop, machine, phases

from mpmd.schedule.build import schedule
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace
from mpmd.visual import chrome, chrome_json
from tests.traces import trace

RUN, WAIT, BARRIER, TICKET, CHANNEL = SpanKind


@pytest.fixture(scope="module")
def planned() -> Schedule:
    """A producer for three readers, in a loop, on two cores."""
    tasks: list[Spec] = [("f", [("x", 0, 64)], [("h", 0, 64)])]
    tasks += [("g", [("h", 0, 64)], [("u", i, i + 1)]) for i in range(3)]
    return schedule(graph(tasks, {"h": 64, "u": 64}, phases=phases((4, loop(3, name="turn")))), machine(2))


def events(*args: Any, phase: str) -> list[dict[str, Any]]:
    return [event for event in json.loads(chrome_json(*args))["traceEvents"] if event["ph"] == phase]


def test_every_span_is_an_event_with_its_times(planned: Schedule) -> None:
    simulated = simulate(planned)
    shown = events([simulated], phase="X")
    assert [(round(e["ts"] * 1e3), round((e["ts"] + e["dur"]) * 1e3)) for e in shown] == [
        (round(start * 1e9), round(finish * 1e9))
        for start, finish in zip(simulated.start, simulated.finish, strict=True)
    ]
    assert {e["name"] for e in shown if e["cat"] == "run"} == {"f#0", "g#0", "g#1", "g#2"}


def test_predictions_stand_above_measurements_of_the_same_kernel() -> None:
    measured = trace([(0, RUN, 0, 0, 0.0, 1.0)], labels=("f",), makespan=1.0)
    other = replace(measured, kernel="other")
    simulated = replace(measured, source="simulated")
    names = [
        e["args"]["name"]
        for e in events([measured, other, simulated], phase="M")
        if e["name"] == "process_name"
    ]
    assert names == ["predicted: toy on a desk", "measured: toy on a desk", "measured: other on a desk"]
    places = [
        e["args"]["sort_index"]
        for e in events([measured, other, simulated], phase="M")
        if e["name"] == "process_sort_index"
    ]
    assert places == sorted(places) and len(set(places)) == 3


def test_tickets_and_channels_have_tracks_below_their_core() -> None:
    rows = [
        (0, TICKET, -1, 0, 0.0, 1.0),
        (0, RUN, 0, 0, 1.0, 2.0),
        (1, RUN, 1, 1, 0.0, 1.0),
        (1, CHANNEL, -1, 2, 1.0, 2.0),
        (1, RUN, 1, 1, 2.0, 3.0),
    ]
    shown = trace(rows, labels=("f", "g", "c"), makespan=3.0)
    tracks = {e["tid"]: e["args"]["name"] for e in events([shown], phase="M") if e["name"] == "thread_name"}
    assert list(tracks.values()) == ["core 0", "core 0 tickets", "core 1", "core 1 channels"]
    assert list(tracks) == sorted(tracks)
    on = [(tracks[e["tid"]], e["name"]) for e in events([shown], phase="X")]
    assert on == [
        ("core 0 tickets", "ticket of f"),
        ("core 0", "f#0"),
        ("core 1", "g#1"),
        ("core 1 channels", "wait in c"),
        ("core 1", "g#1"),
    ]


def test_arrows_lead_from_the_last_producer_to_what_waited(planned: Schedule) -> None:
    simulated = simulate(planned)
    begins = {e["id"]: e for e in events([simulated], [planned], phase="s")}
    ends = {e["id"]: e for e in events([simulated], [planned], phase="f")}
    assert begins.keys() == ends.keys() and begins
    waits = int((planned.op == StepOp.WAIT).sum())
    assert len(begins) <= 3 * waits
    for number, begin in begins.items():
        assert begin["ts"] <= ends[number]["ts"] and begin["tid"] != ends[number]["tid"]
        assert begin["name"] == ends[number]["name"] and " → " in begin["name"]


def test_arrows_are_bounded_and_the_rest_is_counted(
    planned: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = simulate(planned)
    every = len(events([simulated], [planned], phase="s"))
    monkeypatch.setattr(chrome, "MOST_ARROWS", 1)
    document = json.loads(chrome_json([simulated], [planned]))
    title = f"predicted: {simulated.kernel} on {simulated.machine}"
    assert document["otherData"] == {"arrows left out": {title: every - 1}}
    assert len(events([simulated], [planned], phase="s")) == 1


def test_the_same_traces_give_the_same_bytes(planned: Schedule) -> None:
    assert chrome_json([simulate(planned)], [planned]) == chrome_json([simulate(planned)], [planned])


def repeated(once: Trace, times: int) -> Trace:
    """The launch so many times, as the iterations of a loop."""
    turn = np.repeat(np.arange(times), len(once))
    columns = {
        name: np.tile(getattr(once, name), times)
        for name in ("core", "kind", "task", "step", "dep", "label", "number", "start", "finish")
    }
    columns["start"], columns["finish"] = (
        columns[name] + turn * once.makespan for name in ("start", "finish")
    )
    order = np.lexsort((columns["start"], columns["core"]))
    sorted_columns = {name: column[order] for name, column in columns.items()}
    return replace(once, **sorted_columns, iteration=turn[order].astype(np.int32))


def test_560_thousand_spans_are_written_within_fifteen_seconds(planned: Schedule) -> None:
    once = simulate(planned, iterations=2)
    long = repeated(once, 560_000 // len(once) + 1)
    assert len(long) >= 560_000
    began = time.process_time()
    text = chrome_json([long], [planned])
    assert time.process_time() - began < 15
    assert text.count('"ph":"X"') == len(long) and text.count('"ph":"s"') == chrome.MOST_ARROWS


def test_no_trace_is_an_empty_document() -> None:
    assert chrome_json([]) == '{"displayTimeUnit":"ns","traceEvents":[]}\n'

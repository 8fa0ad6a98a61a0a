"""Laws of the tables' form on a device: each step is the table's, resolved; nothing else is in it."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from mpmd.codegen.cuda.device_tables import (
    FAILURE,
    LATE,
    LAUNCH,
    LOOP,
    POINTERS,
    PROGRESS,
    RING,
    ROWS_AT,
    SIGNAL_WORD,
    STEP,
    DeviceTables,
    device_tables,
)
from mpmd.codegen.cuda.emit import headers
from mpmd.codegen.launch_values import Refusal, launch_values
from mpmd.codegen.sections import sections
from mpmd.errors import MalformedTableError
from mpmd.runtime.cuda.sequence import fixed, stretches
from mpmd.schedule.steps import LAUNCH_ENDS, StepOp
from tests.host.cuda_kernels import source, unfused_source

NAMES = ("hello", "cholesky", "jacobi", "moe_layer", "pipeline", "smollm2 generate")


def fields(struct: str) -> list[str]:
    """The names of a struct's fields in the headers, in order."""
    text = dict(headers())["mpmd/launch.h"]
    body = re.search(rf"struct (?:alignas\(\d+\) )?{struct} \{{(.*?)\n\}};", text, re.DOTALL)
    assert body is not None
    lines = [line.split("//")[0].strip() for line in body[1].splitlines()]
    return [re.split(r"[\s*()]+", re.sub(r"\)\[\d+\]", "", line.rstrip(";")))[-1] for line in lines if line]


@pytest.mark.parametrize(
    ("struct", "layout"),
    [
        ("Step", STEP),
        ("Loop", LOOP),
        ("Ring", RING),
        ("Progress", PROGRESS),
        ("Failure", FAILURE),
        ("Launch", LAUNCH),
    ],
)
def test_layouts_name_the_fields_of_the_headers(struct: str, layout: np.dtype) -> None:
    """Their sizes are asserted in launch.h."""
    assert fields(struct) == list(layout.names or ())


def test_sizes_are_those_that_the_headers_assert() -> None:
    text = dict(headers())["mpmd/launch.h"]
    for name, layout in {
        "Step": STEP,
        "Loop": LOOP,
        "Ring": RING,
        "Progress": PROGRESS,
        "Failure": FAILURE,
    }.items():
        assert f"sizeof({name}) == {layout.itemsize}" in text
    assert f"sizeof(Launch) == {LAUNCH.itemsize} && rows_at == {ROWS_AT}" in text
    assert len(POINTERS) == 20


@pytest.fixture(params=NAMES)
def decoded(request: pytest.FixtureRequest) -> DeviceTables:
    return device_tables(source(request.param, cores=6).tables)


def test_every_task_is_there_once_with_its_words(decoded: DeviceTables) -> None:
    t = decoded.sections
    tasks = np.concatenate([decoded.steps[np.isin(decoded.steps["op"], (StepOp.RUN, LATE))], decoded.items])
    assert sorted(tasks["row"].tolist()) == sorted(t.row_ptr[:-1].tolist())
    row = {int(first): number for number, first in enumerate(t.row_ptr[:-1])}
    for task in tasks:
        number = row[int(task["row"])]
        assert task["index"] == t.row_function[number]
        assert task["program"] == t.row_program[number]
        assert task["words"] == t.row_ptr[number + 1] - t.row_ptr[number]
        assert (task["op"] == LATE) == (task["program"] >= 0)


def test_signals_add_up_to_what_one_turn_adds(decoded: DeviceTables) -> None:
    """A word's last signal says the same as the sum of its amounts."""
    t, steps = decoded.sections, decoded.steps
    for event in range(t.events):
        adds = steps[(steps["op"] == StepOp.SIGNAL) & (steps["index"] == event)]["amount"]
        words = steps[(steps["op"] == SIGNAL_WORD) & (steps["index"] == event)]["amount"]
        assert not (len(adds) and len(words))
        assert int(adds.sum()) + int(words.max(initial=0)) == t.event_total[event]
        assert sorted(set(words.tolist())) == words.tolist()


def test_counters_are_apart(decoded: DeviceTables) -> None:
    t, steps = decoded.sections, decoded.steps
    used = [steps["index"][np.isin(steps["op"], (StepOp.SIGNAL, SIGNAL_WORD, StepOp.WAIT))]]
    used += [np.unique(steps["index"][steps["op"] == op]) for op in (StepOp.BARRIER, StepOp.DRAIN)]
    used += [decoded.loops["meeting"]]
    kinds = Counter(number for part in used for number in set(part.tolist()))
    assert set(kinds.values()) <= {1}
    assert max(kinds, default=0) < decoded.counters
    assert t.events <= decoded.counters


def test_a_loop_and_its_end_know_each_other(decoded: DeviceTables) -> None:
    steps = decoded.steps
    for end in np.flatnonzero(steps["op"] == StepOp.END).tolist():
        loop = end - int(steps["amount"][end]) - 1
        assert steps["op"][loop] == StepOp.LOOP
        assert steps["index"][loop] == steps["index"][end]
        assert steps["amount"][loop] == steps["amount"][end]


def test_stretches_hold_all_steps_but_those_of_the_host() -> None:
    tables = device_tables(unfused_source("jacobi").tables)
    t = tables.sections
    held = np.zeros(len(t.steps), bool)
    for first, end in zip(tables.begins.ravel().tolist(), tables.ends.ravel().tolist(), strict=True):
        assert not held[first:end].any()
        held[first:end] = True
    op, b = t.steps[~held, 0], t.steps[~held, 2]
    assert set(op.tolist()) <= {StepOp.BARRIER, StepOp.LOOP, StepOp.END}
    assert (b[op == StepOp.BARRIER] == LAUNCH_ENDS).all()


def test_the_host_runs_loops_as_often_as_they_say_or_until_their_flag() -> None:
    tables = device_tables(unfused_source("jacobi").tables)
    body = [at for at in range(len(tables.stretches)) if tables.stretch_loop[at] == 0]
    assert not fixed(tables)
    three = [pair for pair in stretches(tables, [3], lambda loop: False) if pair[0] in body]
    assert three == [(at, iteration) for iteration in range(3) for at in body]
    assert [pair for pair in stretches(tables, [3], lambda loop: True) if pair[0] in body] == [
        (at, 0) for at in body
    ]
    assert not [at for at, _ in stretches(tables, [0], lambda loop: False) if at in body]


def test_words_follow_the_scalars_of_a_launch() -> None:
    tables = device_tables(source("smollm2 decode", cores=6).tables)
    t = tables.sections
    at = launch_values(tables.sections, tables.most, [5])
    assert at.scalars[0] == 5
    change = at.words - t.words
    expected = np.zeros_like(change)
    np.add.at(expected, t.patches[:, 0], t.patches[:, 2] * at.scalars[t.patches[:, 1]])
    assert (change == expected).all()
    assert change.any()


def test_scalars_that_leave_a_tensor_are_refused_by_their_guard() -> None:
    tables = device_tables(source("smollm2 decode", cores=6).tables)
    with pytest.raises(Refusal) as refusal:
        launch_values(tables.sections, tables.most, [10**6])
    assert refusal.value.guard is not None


def test_broken_bytes_are_refused() -> None:
    tables = source("hello", cores=2).tables
    with pytest.raises(MalformedTableError, match="no header"):
        sections(tables[:8])
    with pytest.raises(MalformedTableError, match="not of version 4, or not whole"):
        sections(tables + b"\0" * 8)

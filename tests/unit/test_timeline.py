"""The laws: a trace adds up, its table says so, and its file gives it back or refuses."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from mpmd.errors import ArtifactError, Span
from mpmd.timeline import SpanKind, Trace
from tests.traces import trace

RUN, WAIT, BARRIER, TICKET, CHANNEL = SpanKind


@pytest.fixture
def small() -> Trace:
    """Two cores, 10 µs: `load` twice, `store` in two pieces around a wait in a channel."""
    return trace(
        [
            (0, RUN, 0, 0, 0.0, 2.0),
            (0, WAIT, -1, 1, 2.0, 3.0),
            (0, RUN, 1, 0, 3.0, 7.0),
            (1, RUN, 2, 1, 1.0, 2.0),
            (1, CHANNEL, -1, 1, 2.0, 4.0),
            (1, RUN, 2, 1, 4.0, 9.0),
        ],
        labels=("load", "store"),
        makespan=10.0,
    )


def test_seconds_per_core_add_up(small: Trace) -> None:
    np.testing.assert_allclose(small.busy, [6e-6, 6e-6])
    np.testing.assert_allclose(small.waiting, [1e-6, 2e-6])
    assert small.utilisation == pytest.approx(0.6)


def test_a_task_in_pieces_is_one_task(small: Trace) -> None:
    first, second = small.totals
    assert (first.label, first.count, first.mean) == ("load", 2, pytest.approx(3e-6))
    assert (second.label, second.count, second.seconds) == ("store", 1, pytest.approx(6e-6))


def test_the_table(small: Trace) -> None:
    assert str(small).splitlines() == [
        "kernel 'toy', measured on a desk: 10 µs ± 40 ns on 2 cores, 60.0% busy; "
        "runs: 4, waits: 1, barriers: 0",
        "",
        "  core                busy             waiting               other",
        "     0         6 µs  60.0%         1 µs  10.0%         3 µs  30.0%",
        "     1         6 µs  60.0%         2 µs  20.0%         2 µs  20.0%",
        "",
        "task                             count        total         mean  share",
        "load                                 2         6 µs         3 µs  50.0%  toy.py:1",
        "store                                1         6 µs         6 µs  50.0%  toy.py:2",
    ]


def test_what_is_missing_is_said() -> None:
    text = str(trace([(0, RUN, 0, 0, 0.0, 1.0)], labels=("f",), makespan=1.0, lost=7, unseen=3))
    assert text.splitlines()[0].endswith("; 7 spans were lost; 3 iterations are not shown")


def test_an_empty_trace_has_a_table() -> None:
    assert "0.0% busy" in str(trace([], labels=("f",), makespan=0.0))


# -- files ------------------------------------------------------------------------------------------------


def test_a_file_gives_the_same_trace_and_the_same_bytes(small: Trace, tmp_path: Path) -> None:
    small.save(tmp_path / "a")
    again = Trace.load(tmp_path / "a")
    for field in fields(Trace):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(small, field.name))
    assert again.places == small.places and isinstance(again.places[0], Span)
    again.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def refusal(path: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        Trace.load(path)
    return str(caught.value)


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t"
    expected = f"error[artifact]: '{path}' is not a trace, or it is damaged\n  hint: save a trace again"
    path.write_text("hello")
    assert refusal(path) == expected
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps({"format": "something", "version": 1}))
    assert refusal(path) == expected


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_a_file_that_is_cut_short_is_refused(small: Trace, tmp_path: Path, keep: float) -> None:
    path = tmp_path / "t"
    small.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert "is not a trace, or it is damaged" in refusal(path)


def changed(small: Trace, path: Path, member: str, data: str | bytes | None) -> None:
    small.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            given = data if name == member else content
            if given is not None:
                archive.writestr(name, given)


def test_a_file_of_another_version_is_refused(small: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t"
    changed(small, path, "header.json", json.dumps({"format": "mpmd-trace", "version": 99}))
    assert refusal(path) == "\n".join(
        [
            f"error[artifact]: '{path}' is a trace of version 99, and this version of mpmd reads version 1",
            "  hint: save a trace again with this version",
        ]
    )


@pytest.mark.parametrize("member", ["start.npy", "header.json"])
def test_a_file_without_one_of_its_parts_is_refused(small: Trace, tmp_path: Path, member: str) -> None:
    path = tmp_path / "t"
    changed(small, path, member, None)
    assert "is not a trace, or it is damaged" in refusal(path)


def test_a_file_cannot_run_code(small: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t"
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    changed(small, path, "start.npy", pickled.read_bytes())
    assert "is not a trace, or it is damaged" in refusal(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "nothing" / "t"
    assert refusal(path) == f"error[artifact]: '{path}' cannot be read: No such file or directory"
    with pytest.raises(ArtifactError, match="cannot be written: No such file or directory"):
        trace([], labels=("f",), makespan=0.0).save(path)

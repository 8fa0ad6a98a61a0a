"""The end of a process: after a launch, during one on another thread, in any way; no hang, no crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host import scripts

SETTING = """
import atexit
import os
import sys
import threading
import time

import numpy as np

import mpmd
from mpmd import InOut, i32, i64

(N,) = mpmd.dims("N")


@mpmd.task
def spin(rounds: i32, y: InOut[i64, N]):
    for i in range(rounds):
        y[:] = (y[:] * 3 + i) ^ (y[:] >> 2)


@mpmd.kernel
def busy(rounds: i32, y: InOut[i64, N]):
    for _ in mpmd.loop(100):
        for t in mpmd.tiles(N, 64):
            spin(rounds, y[t])


LONG = 10_000_000  # rounds: some 100 ms a task
y = np.ones(128, np.int64)
compiled = mpmd.compile(busy, 1, y, cores=2)
compiled(1, y)


def launch_on_a_thread():
    thread = threading.Thread(target=lambda: compiled(LONG, np.ones(128, np.int64)), daemon=True)
    thread.start()
    time.sleep(0.1)


"""


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        pytest.param("compiled(1, y)", 0, id="after a launch"),
        pytest.param("launch_on_a_thread()", 0, id="during a launch"),
        pytest.param("launch_on_a_thread()\nsys.exit(7)", 7, id="sys.exit during a launch"),
        pytest.param("sys.exit(7)", 7, id="sys.exit"),
        pytest.param("launch_on_a_thread()\nos._exit(7)", 7, id="os._exit during a launch"),
        pytest.param("os._exit(7)", 7, id="os._exit"),
        pytest.param("raise SystemExit(7)", 7, id="SystemExit"),
        pytest.param("launch_on_a_thread()\ndel compiled\ndel y", 0, id="collected during a launch"),
        pytest.param("atexit.register(compiled, 1, y)", 0, id="a launch at exit"),
        pytest.param("sys.kept = compiled, y", 0, id="kept beyond all modules"),
        pytest.param("cycle = [compiled]\ncycle.append(cycle)\ndel compiled", 0, id="in a cycle"),
        pytest.param("compiled.executable.bind()(1, y)", 0, id="a bound kernel"),
    ],
)
def test_a_process_ends_with_its_own_status(ending: str, status: int, tmp_path: Path) -> None:
    """Whatever runs or lies about; and nothing is said of it."""
    assert scripts.run(tmp_path, SETTING + ending + "\n") == (status, "", "")


def test_a_thread_that_launches_again_and_again_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The end comes at any moment of a call: between launches, within one, within its checks."""
    ending = """
def again():
    while True:
        compiled(1, mine)

mine = np.ones(128, np.int64)
for _ in range(3):
    threading.Thread(target=again, daemon=True).start()
time.sleep(0.05)
sys.exit(7)
"""
    for _ in range(5):
        assert scripts.run(tmp_path, SETTING + ending) == (7, "", "")


def test_a_crowd_of_forked_children_ends(tmp_path: Path) -> None:
    """Children forked while other threads launch: each launches on workers of its own, and ends."""
    ending = """
def again():
    mine = np.ones(128, np.int64)
    while True:
        compiled(1, mine)

threading.Thread(target=again, daemon=True).start()
children = []
for _ in range(4):
    time.sleep(0.01)
    child = os.fork()
    if not child:
        first, second = np.ones(128, np.int64), np.ones(128, np.int64)
        compiled(1, first)
        compiled(1, second)
        os._exit(3 if (first == second).all() and first[0] != 1 else 4)
    children.append(child)
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [3] * 4
"""
    assert scripts.run(tmp_path, SETTING + ending) == (0, "", "")

"""The printed schedule: pinned for one small kernel."""

from __future__ import annotations

from schedule_graphs import Spec, graph, machine

from mpmd.schedule.build import schedule
from mpmd.schedule.text import print_schedule

TASKS: list[Spec] = [
    ("matmul", [("x", 0, 64)], [("h", 0, 32)]),
    ("matmul", [("x", 0, 64)], [("h", 32, 64)]),
    ("gelu", [("h", 0, 64)], [("y", 0, 32)]),
    ("gelu", [("h", 0, 64)], [("y", 32, 64)]),
]


EXPECTED = """\
schedule of k: 4 tasks on 2 cores of toy, 2.60 µs predicted
sync: 1 events, 2 signals, 2 waits (2 before pruning), 0 barriers
memory: 64 bytes (64 without reuse, at least 64)
  h: 0 .. 64
core 0: 2 tasks, 2.20 µs busy
  run matmul#0  [0.00 µs .. 1.10 µs]
  signal e0  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)
  wait e0 ≥ 2  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)
  run gelu#0  [1.50 µs .. 2.60 µs]
core 1: 2 tasks, 2.20 µs busy
  run matmul#1  [0.00 µs .. 1.10 µs]
  signal e0  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)
  wait e0 ≥ 2  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)
  run gelu#1  [1.50 µs .. 2.60 µs]
"""


def test_a_schedule_is_printed_core_by_core_with_reasons() -> None:
    text = print_schedule(schedule(graph(TASKS, {"h": 64}), machine(2)))
    assert text == EXPECTED


def test_barriers_are_printed_with_the_dependence_that_they_keep() -> None:
    text = print_schedule(schedule(graph(TASKS, {"h": 64}), machine(2), policy="wave"))
    assert "  barrier 0  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)\n" in text

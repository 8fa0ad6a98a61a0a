"""The printed schedule: pinned for one small kernel."""

from __future__ import annotations

from dataclasses import replace

from schedule_graphs import Spec, graph, loop, machine, phases
from test_schedule_together import pairs

from mpmd.partition.graph import Element, Linear
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
  run gelu#1  [1.50 µs .. 2.60 µs]
core 1: 2 tasks, 2.20 µs busy
  run matmul#1  [0.00 µs .. 1.10 µs]
  signal e0  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)
  wait e0 ≥ 2  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)
  run gelu#0  [1.50 µs .. 2.60 µs]
"""


def test_a_schedule_is_printed_core_by_core_with_reasons() -> None:
    text = print_schedule(schedule(graph(TASKS, {"h": 64}), machine(2)))
    assert text == EXPECTED


def test_barriers_are_printed_with_the_dependence_that_they_keep() -> None:
    text = print_schedule(schedule(graph(TASKS, {"h": 64}), machine(2), policy="wave"))
    assert "  barrier 0  // matmul#0 (+1) → gelu#0 (+1) via h (RAW)\n" in text


LOOPED = """\
schedule of k: 5 tasks on 2 cores of toy, 20.55 µs predicted
sync: 2 events, 2 signals, 2 waits (12 before pruning), 1 barriers
phase 0: straight
phase 1: loop turn, 5
memory: 128 bytes (128 without reuse, at least 128)
  h: 0 .. 64
  u: 64 .. 128
core 0: 2 tasks, 2.20 µs busy
  run f#0  [0.00 µs .. 1.10 µs]
  barrier 0  // all cores meet
  loop turn
    drain d0  // g#0 … g#2, 3 tasks
    wait e1 ≥ 1·i + 1  // g#0 (+2) → k#0 via u (RAW)
    run k#0  [4.25 µs .. 5.35 µs]
    signal e0  // k#0 → g#0 (+2) via h (RAW)
  end turn, 4 steps
core 1: 0 tasks, 0.00 µs busy
  barrier 0  // all cores meet
  loop turn
    wait e0 ≥ 1·i  // k#0 → g#0 (+2) via h (RAW)
    drain d0  // g#0 … g#2, 3 tasks
    signal e1  // g#0 (+2) → k#0 via u (RAW)
  end turn, 3 steps
"""


def test_loops_drains_and_counts_that_go_on_growing_are_printed() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 64)], [("h", 0, 64)])]
    tasks += [("g", [("h", 0, 64)], [("u", i, i + 1)]) for i in range(3)]
    tasks += [("k", [("u", 0, 64)], [("h", 0, 64)])]
    drain = dict.fromkeys(range(1, 4), 0)
    g = graph(tasks, {"h": 64, "u": 64}, phases=phases((1, None), (4, loop(5, name="turn"))), drain=drain)
    assert print_schedule(schedule(g, machine(2))) == LOOPED


def test_rings_are_printed_with_the_memory() -> None:
    text = print_schedule(schedule(pairs(2), machine(4)))
    assert "  c, core 0 → 1: 0 .. 384, 2 × 192 bytes\n  c, core 2 → 3: 384 .. 768, 2 × 192 bytes\n" in text


def test_loops_that_end_otherwise_say_so() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 1)], [("y", 0, 1)])]
    flag = Element(0, Linear(0), 1)
    for info, expected in (
        (loop(3, until=flag), "loop i, 3, or until its flag is set"),
        (replace(loop(), count=Linear(0, ((0, 1),))), "loop i, a count of the launch"),
    ):
        text = print_schedule(schedule(graph(tasks, {}, phases=phases((1, info))), machine(2)))
        assert f"phase 0: {expected}\n" in text

"""Machines by name: their figures add up to what the data sheets publish, and each has a source."""

from __future__ import annotations

import math

import pytest

from mpmd.errors import ArgumentError, Span
from mpmd.machine import OPERATIONS, Machine, WorkClass
from mpmd.machine.presets import MACHINES, by_name, preset
from mpmd.machine.sources import sourced
from mpmd.machine.text import amount, figures

GPUS, NPUS = ("h100", "h200"), ("a2", "a3", "a5")


def total(machine: Machine, kind: str, which: WorkClass) -> float:
    """Operations a second of all cores of a kind."""
    (found,) = (k for k in machine.kinds if k.name == kind)
    return found.cores * found.rates[which]


@pytest.mark.parametrize(
    ("name", "kind", "which", "published"),
    [
        ("h100", "sm", WorkClass.DOT32, 67e12),
        ("h100", "sm", WorkClass.DOT16, 989e12),
        ("h100", "sm", WorkClass.DOT8, 1979e12),
        ("h200", "sm", WorkClass.DOT16, 989e12),
        ("a2", "cube", WorkClass.DOT16, 364e12),
        ("a3", "cube", WorkClass.DOT16, 364e12),
    ],
)
def test_cores_times_rate_is_the_published_peak(
    name: str, kind: str, which: WorkClass, published: float
) -> None:
    assert total(by_name(name), kind, which) == pytest.approx(published, rel=0.005)


def test_cores_and_memories_are_those_of_the_data_sheets() -> None:
    h100, h200, a2, a5 = (by_name(name) for name in ("h100", "h200", "a2", "a5"))
    assert (h100.cores, h100.bandwidth, h100.memory_bytes) == (132, 3.35e12, 80 * 10**9)
    assert (h200.cores, h200.bandwidth, h200.memory_bytes) == (132, 4.8e12, 141 * 10**9)
    assert [kind.cores for kind in a2.kinds] == [24, 48]
    assert [kind.cores for kind in a5.kinds] == [32, 64]


@pytest.mark.parametrize("name", MACHINES)
def test_every_figure_has_a_source_and_its_own_value(name: str) -> None:
    machine = preset() if name == "cpu" else by_name(name)
    assert {source.field: source.value for source in machine.sources} == figures(machine)
    assert all(source.source for source in machine.sources)


@pytest.mark.parametrize("name", MACHINES)
def test_figures_are_plausible(name: str) -> None:
    """Caches are faster than memory, all cores draw at least what memory gives, and times are positive."""
    machine = by_name(name)
    assert sum(kind.cores * kind.bandwidth for kind in machine.kinds) >= machine.bandwidth
    assert machine.shared_cache_bytes == 0 or machine.shared_cache_bandwidth > machine.bandwidth
    for kind in machine.kinds:
        assert kind.cache_bandwidth > kind.bandwidth > machine.bandwidth / machine.cores / 2
        assert 0 < kind.task_seconds < machine.launch_seconds
        assert any(kind.rates) and all(math.isfinite(rate) for rate in kind.rates)
    for primitive in machine.primitives:
        assert primitive.signal_seconds > 0 and primitive.wait_seconds > 0 and primitive.maximum > 0


def test_what_one_kind_cannot_do_another_can() -> None:
    for name in MACHINES:
        for which in list(WorkClass)[:OPERATIONS]:
            assert any(kind.rates[which] > 0 for kind in by_name(name).kinds)


def test_ascend_flags_are_of_a_group_and_its_words_of_the_machine() -> None:
    for name in NPUS:
        machine = by_name(name)
        word, flag = machine.primitives
        assert (word.kind, word.scope) == ("word", "machine")
        assert (flag.kind, flag.scope, flag.limit, flag.maximum) == ("flag", "group", 12, 15)
        assert machine.kinds[1].cores == 2 * machine.kinds[0].cores and machine.group == 3


def test_gpus_have_counters_first() -> None:
    for name in GPUS:
        assert [p.kind for p in by_name(name).primitives] == ["counter", "word"]


def test_an_unknown_machine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ArgumentError) as caught:
        by_name("h10", span=Span("run.py", 3))
    assert "there is no machine 'h10'" in str(caught.value)
    assert caught.value.hints == ("did you mean 'h100'?",)
    with pytest.raises(ArgumentError) as caught:
        by_name("quantum")
    assert caught.value.hints == ("machines: cpu, h100, h200, a2, a3, a5",)
    assert by_name("H100") is by_name("h100")


def test_the_table_has_a_line_for_each_figure() -> None:
    lines = by_name("h100").table().splitlines()
    assert lines[0] == "h100: 132 cores"
    assert len(lines) == 1 + len(figures(by_name("h100")))
    (bandwidth,) = (line for line in lines if line.startswith("bandwidth"))
    assert "3.35 TB/s" in bandwidth and "data sheet" in bandwidth


def test_a_machine_without_a_source_for_a_figure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no source for .*'bandwidth'.* and no figure for \['colour'\]"):
        sourced(by_name("h100"), {"sm": "a", "colour": "b"})


def test_amounts_have_three_digits_and_a_prefix() -> None:
    assert [amount(x, "s") for x in (0.0, 1.2e-12, 52e-9, 999.9e-9, 2.5e-3, 12.0)] == [
        "0 s", "1.2 ps", "52 ns", "1 µs", "2.5 ms", "12 s",
    ]  # fmt: skip

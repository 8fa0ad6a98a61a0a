"""The engine of the simulators by itself: order, races, deadlock, seeds, dropped sites."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import pytest

from mpmd.runtime import simulator, toolchain

SOURCE = Path(__file__).with_name("simulated_pair.cpp")
SEEDS = range(16)
UNORDERED = "nothing orders them"


def compiled(compiler: toolchain.Toolchain, directory: Path) -> ctypes.CDLL:
    extra = (*simulator.options(compiler), *toolchain.STRICT)
    files = (("pair.cpp", SOURCE.read_text()),)
    data = toolchain.compile_shared(compiler, files, (simulator.HEADERS,), extra=extra)
    (directory / "pair.so").write_bytes(data)
    library = ctypes.CDLL(str(directory / "pair.so"))
    library.run.restype = ctypes.c_char_p
    return library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compiled(toolchain.find(), tmp_path_factory.mktemp("pair"))


def run(library: ctypes.CDLL, program: str, seed: int = 0, dropped: int = -1) -> dict[str, Any]:
    return json.loads(library.run(program.encode(), ctypes.c_uint64(seed), dropped))


def messages(found: dict[str, Any]) -> list[str]:
    return [f"{each['kind']}: {each['message']}" for each in found["reports"]]


@pytest.mark.parametrize("name", ["g++", "clang++"])
def test_every_compiler_takes_the_engine_without_a_warning(name: str, tmp_path: Path) -> None:
    found = [each for each in toolchain.candidates("", "/usr/bin:/usr/local/bin") if each.name == name]
    compiler = toolchain.probe(found[0])
    if compiler is None:
        pytest.skip(f"{name} is not installed")
    assert messages(run(compiled(compiler, tmp_path), "ordered")) == []


def test_a_signal_orders_what_is_before_it_with_what_is_after_the_wait(library: ctypes.CDLL) -> None:
    for seed in SEEDS:
        found = run(library, "ordered", seed)
        assert messages(found) == []
        assert [(site["number"], site["line"], site["text"], site["count"]) for site in found["sites"]] == [
            (0, 11, "signal", 1),
            (1, 19, "wait", 1),
        ]


def test_a_dropped_wait_is_a_race_whatever_the_seed(library: ctypes.CDLL) -> None:
    """Reads and writes conflict in whichever order they come."""
    read = "race: load of B.pipe reads memory at byte 32, which store of A writes at user.py:10; " + UNORDERED
    wrote = (
        "race: store of A writes memory at byte 32, which load of B.pipe reads at user.py:20; " + UNORDERED
    )
    seen = {tuple(messages(run(library, "ordered", seed, dropped=1))) for seed in SEEDS}
    assert seen == {(read,), (wrote,)}


def test_a_dropped_signal_is_a_deadlock(library: ctypes.CDLL) -> None:
    assert messages(run(library, "ordered", dropped=0)) == ["deadlock: no runnable core; B waits for A"]


def test_polling_for_what_nobody_says_ends(library: ctypes.CDLL) -> None:
    assert messages(run(library, "silent")) == [
        "no-progress: nothing has happened any more; B polls the word"
    ]


def test_neighbours_in_a_granule_do_not_conflict(library: ctypes.CDLL) -> None:
    for seed in SEEDS:
        assert messages(run(library, "neighbours", seed)) == []


def test_overlapping_work_of_one_actor_conflicts_without_a_fence(library: ctypes.CDLL) -> None:
    assert messages(run(library, "overlapping")) == [
        "race: store of B.pipe writes memory at byte 0, which load of B.pipe reads at user.py:20; "
        + UNORDERED
    ]


def test_the_same_seed_is_the_same_run(library: ctypes.CDLL) -> None:
    for seed in SEEDS:
        assert run(library, "ordered", seed, dropped=1) == run(library, "ordered", seed, dropped=1)


def test_thousands_of_fibers(library: ctypes.CDLL) -> None:
    assert library.many(5000) == 5000

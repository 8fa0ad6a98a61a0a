"""The primitives under a schedule, explored exhaustively under a weak memory model.

The programs of `tests/litmus` run the real text of the headers and of the pool; `tests/litmus/litmus.h` tells
how. Here they are built and run, the model is held to outcomes that are known, and the text is spoilt in one
place at a time: a program must see each of these mutants.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mpmd.runtime import toolchain
from mpmd.runtime.pool import INCLUDE, NATIVE

LITMUS = Path(__file__).resolve().parents[1] / "litmus"
UNINSTRUMENTED = ("-c", "-O2")
INSTRUMENTED = ("-c", "-O0", "-fsanitize=thread", "-fno-sanitize=undefined", "-w")
"""Built fast; the warnings would tell of the instrumentation itself."""
HEADERS = INCLUDE / "mpmd"
TEXTS = {
    "sync.h": HEADERS, "driver.h": HEADERS, "abi.h": HEADERS, "channel.h": HEADERS, "drain.h": HEADERS,
    "pool.cpp": NATIVE, "kernel.h": NATIVE,
}  # fmt: skip

Run = Callable[..., dict[str, dict[str, Any]]]


def compile_object(directory: Path, name: str, options: tuple[str, ...], include: tuple[Path, ...]) -> Path:
    output = directory / f"{name}.o"
    text = f'#include "{LITMUS / name}.cpp"\n'
    toolchain.compile_to(
        toolchain.find(), ((f"{name}.unit.cpp", text),), include, directory, output, extra=options
    )
    return output


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    directory = tmp_path_factory.mktemp("engine")
    return tuple(
        compile_object(directory, name, (*UNINSTRUMENTED, *toolchain.STRICT), (LITMUS,))
        for name in ("explore", "hooks")
    )


def build(directory: Path, engine: tuple[Path, ...], unit: str, *, first: tuple[Path, ...] = ()) -> Path:
    """The executable of one file of programs; texts in the folders `first` hide the package's own."""
    programs = compile_object(directory, unit, INSTRUMENTED, (*first, LITMUS, INCLUDE, NATIVE))
    output = directory / unit
    objects = tuple(str(path) for path in (*engine, programs))
    toolchain.compile_to(toolchain.find(), (), (), directory, output, extra=objects)
    return output


def run(executable: Path, *programs: str) -> dict[str, dict[str, Any]]:
    answer = subprocess.run([executable, *programs], capture_output=True, text=True, check=True)
    return {line["program"]: line for line in map(json.loads, answer.stdout.splitlines())}


# -- the model ----------------------------------------------------------------------------------

RACE = "a race: plain read"
BLOCKED = "a thread waits for ever"


def pairs(a: str, b: str, *values: tuple[int, int]) -> set[str]:
    return {f"{a}={first} {b}={second}" for first, second in values}


def four(*, without: tuple[int, int, int, int] | None = None) -> set[str]:
    bits = [tuple(number >> shift & 1 for shift in range(4)) for number in range(16)]
    return {"a={} b={} c={} d={}".format(*each) for each in bits if each != without}


ANY = pairs("a", "b", (0, 0), (0, 1), (1, 0), (1, 1))
NOT_BOTH_OLD = ANY - {"a=0 b=0"}
NOT_DATA_BEHIND_FLAG = ANY - {"a=1 b=0"}

KNOWN: dict[str, set[str] | str] = {
    "store_buffering_relaxed": ANY,
    "store_buffering_release_acquire": ANY,
    "store_buffering_sequential": NOT_BOTH_OLD,
    "store_buffering_release_acquire_fences": ANY,
    "store_buffering_sequential_fences": NOT_BOTH_OLD,
    "message_passing_relaxed": ANY,
    "message_passing_release_only": ANY,
    "message_passing_acquire_only": ANY,
    "message_passing": NOT_DATA_BEHIND_FLAG,
    "message_passing_fenced": NOT_DATA_BEHIND_FLAG,
    "published": {"data=7"},
    "published_relaxed_store": RACE,
    "published_relaxed_load": RACE,
    "published_behind_the_fence": RACE,
    "independent_reads_release_acquire": four(),
    "independent_reads_sequential": four(without=(1, 0, 1, 0)),
    "coherent_reads": pairs("a", "b", (0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)),
    "stores_overtaken": pairs("x", "y", (1, 1), (1, 2), (2, 1), (2, 2)),
    "atomic_counts": {"x=4"},
    "lost_updates": {"x=1", "x=2"},
    "one_winner": {"winners=1"},
    "release_sequence_of_updates": {"", "data=7"},
    "release_sequence_ends_at_a_store": RACE,
    "transitive": {"data=7"},
    "waits_for_nobody": BLOCKED,
    "sleep_and_wake": {""},
    "sleep_and_wake_release_acquire": BLOCKED,
}
"""Exactly these outcomes, or how the search fails. Flags and data have their order from release and acquire
alone; two threads agree on the order of two writers only if all is sequentially consistent."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, engine: tuple[Path, ...]) -> dict[str, dict[str, Any]]:
    return run(build(tmp_path_factory.mktemp("known"), engine, "known"))


def test_every_known_program_has_its_outcomes(known: dict[str, dict[str, Any]]) -> None:
    assert set(known) == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_the_model_allows_what_the_language_allows(known: dict[str, dict[str, Any]], name: str) -> None:
    expected, found = KNOWN[name], known[name]
    if isinstance(expected, str):
        assert (found["failure"] or "").startswith(expected), found
    else:
        assert found["failure"] is None and set(found["outcomes"]) == expected


# -- the primitives -----------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["sync", "launches", "rings", "loops"])
def test_the_primitives_keep_their_laws(
    tmp_path: Path, engine: tuple[Path, ...], unit: str, record_property: Callable[[str, object], None]
) -> None:
    """No race, no broken law, nobody waits for ever, in any execution of any program."""
    found = run(build(tmp_path, engine, unit))
    for name, line in found.items():
        record_property(name, f"{line['executions']} executions, {line['steps']} steps")
        print(f"{name}: {line['executions']} executions, {line['steps']} steps")
    assert {name: line["failure"] for name, line in found.items()} == dict.fromkeys(found)
    alone = {"one_core"}
    assert found and all(line["executions"] >= 3 for name, line in found.items() if name not in alone)


# -- mutants ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` becomes `new` in the text `file`; each of the programs of `unit` must see it."""

    name: str
    file: str
    old: str
    new: str
    unit: str
    programs: tuple[str, ...]


def mutant(name: str, file: str, old: str, new: str, unit: str, *programs: str) -> Mutant:
    return Mutant(name, file, old, new, unit, programs)


def weaker(name: str, file: str, old: str, order: str, unit: str, *programs: str) -> Mutant:
    """`old` with its memory order made relaxed."""
    assert old.count(order) == 1
    return Mutant(name, file, old, old.replace(order, "__ATOMIC_RELAXED"), unit, programs)


ACQUIRE, RELEASE, SEQUENTIAL = "__ATOMIC_ACQUIRE", "__ATOMIC_RELEASE", "__ATOMIC_SEQ_CST"

COUNTER = "&launch.counters[step.index].value, "
WAIT_PLACE = "&progress.place, place, __ATOMIC_RELEASE"
NUMBER = "&progress.number, launch.number, __ATOMIC_RELEASE"
DONE_PLACE = "&progress.place, DONE, __ATOMIC_RELEASE"
READ_NUMBER = "progress[c].number, __ATOMIC_ACQUIRE"
READ_PLACE = "progress[c].place, __ATOMIC_ACQUIRE"
SPUN_TICKET = "&worker.ticket, __ATOMIC_ACQUIRE"
SLEEPING = "&worker.sleeping, 1, __ATOMIC_SEQ_CST"
LAST_LOOK = "&worker.ticket, __ATOMIC_SEQ_CST"
POST = "&worker.ticket, worker.ticket + 1, __ATOMIC_SEQ_CST"
SLEEPER = "&worker.sleeping, __ATOMIC_SEQ_CST"
GIVE_BACK = "&worker.done, seen, __ATOMIC_RELEASE"
AWAIT = "&worker.done, __ATOMIC_ACQUIRE"
FULL_BARRIER = "static_cast<int>((ordinal + 1) * t.cores)"
EPOCH = " - turn * step.total"
ENOUGH = "[&] { return have(launch, step, turn) >= step.amount; }"
MEETS = "signal(*core.launch, step, 1);"
ROOM, TOKEN = "&ring.received, ", "&ring.sent, "
TICKET = "__atomic_compare_exchange_n(taken, &now, now + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)"
WHICH_SLOT = "token % static_cast<unsigned long long>(ring.depth)"
SENT = "&ring.sent, __atomic_load_n(&ring.sent, __ATOMIC_RELAXED) + 1, "
RECEIVED = "&ring.received, __atomic_load_n(&ring.received, __ATOMIC_RELAXED) + 1, "
AFTER_RUN = "return !stopped(launch) && "
FORGET = "kernel.status = OK;\n  reset_counters(kernel);\n  return status;"
ORDERED = ("message_passing", "reads_before_writes", "counts", "fan_out", "chain",
           "barrier_before_reads", "barrier_before_writes", "next_launch", "counters_wrap")  # fmt: skip

MUTANTS = (
    weaker("wait", "sync.h", COUNTER + ACQUIRE, ACQUIRE, "sync", *ORDERED),
    weaker("signal", "sync.h", COUNTER + "amount, " + RELEASE, RELEASE, "sync", *ORDERED),
    weaker("place of a wait", "sync.h", WAIT_PLACE, RELEASE, "sync", "no_hang_in_a_live_launch"),
    weaker("number of a launch", "driver.h", NUMBER, RELEASE, "sync", "no_hang_in_a_live_launch"),
    weaker("place at the end", "driver.h", DONE_PLACE, RELEASE, "sync", "no_hang_behind_a_finished_core"),
    weaker("hang: number", "pool.cpp", READ_NUMBER, ACQUIRE, "sync", "no_hang_in_a_live_launch"),
    weaker("hang: place", "pool.cpp", READ_PLACE, ACQUIRE, "sync", "no_hang_in_a_live_launch"),
    weaker("spun ticket", "pool.cpp", SPUN_TICKET, ACQUIRE, "launches", "arguments_and_results"),
    weaker("sleeping flag", "pool.cpp", SLEEPING, SEQUENTIAL, "launches", "launch_after_launch"),
    weaker("last look at the ticket", "pool.cpp", LAST_LOOK, SEQUENTIAL, "launches", "launch_after_launch"),
    weaker("post", "pool.cpp", POST, SEQUENTIAL, "launches", "arguments_and_results"),
    weaker("look for a sleeper", "pool.cpp", SLEEPER, SEQUENTIAL, "launches", "launch_after_launch"),
    weaker("end of a job", "pool.cpp", GIVE_BACK, RELEASE, "launches", "arguments_and_results"),
    weaker("await a worker", "pool.cpp", AWAIT, ACQUIRE, "launches", "arguments_and_results"),
    weaker("room in a ring", "channel.h", ROOM + ACQUIRE, ACQUIRE, "rings", "one_slot", "two_slots"),
    weaker("token in a ring", "channel.h", TOKEN + ACQUIRE, ACQUIRE, "rings", "one_slot", "two_slots"),
    mutant("token handed over", "channel.h", SENT + RELEASE, SENT + "__ATOMIC_RELAXED",
           "rings", "one_slot", "two_slots"),
    mutant("slot given back", "channel.h", RECEIVED + RELEASE, RECEIVED + "__ATOMIC_RELAXED",
           "rings", "one_slot", "two_slots"),
    mutant("a slot too many", "channel.h", "< static_cast<unsigned long long>(ring.depth)",
           "<= static_cast<unsigned long long>(ring.depth)", "rings", "one_slot", "two_slots"),
    mutant("a token too early", "channel.h", "!= received;", "+ 1 != received;", "rings", "one_slot"),
    mutant("every token in the first slot", "channel.h", WHICH_SLOT, "token - token",
           "rings", "two_slots", "one_core"),
    mutant("a wait in a ring is a step", "channel.h", "IN_RING - static_cast<int>(2 * ring + side)",
           "static_cast<int>(ring)", "rings", "missing_token", "full_ring"),
    mutant("every iteration is the first", "driver.h", "++progress.turn;", "",
           "loops", "carried_wait", "barriers"),
    mutant("a loop begins at the launch", "driver.h", "progress.turn = loop.before;",
           "progress.turn = core.launch->epoch;", "loops", "next_launch"),
    mutant("straight code goes on in the loop's turn", "driver.h",
           "progress.turn = launch.epoch;\n  return", "return", "loops", "straight_on"),
    mutant("the flag is read at once", "driver.h",
           "if (!meet<Stamping>(core, launch.steps[loop.meeting])) return nullptr;", "",
           "loops", "until_flag"),
    mutant("the flag is written at once", "driver.h",
           "if (!meet<Stamping>(core, launch.steps[loop.meeting + 1])) return nullptr;", "",
           "loops", "until_flag"),
    mutant("an iteration too many", "driver.h", "progress.iteration + 1 == loop.count",
           "progress.iteration == loop.count", "loops", "next_launch"),
    mutant("a loop without iterations runs", "driver.h",
           "if (loop.count == 0) return step + step->amount + 1;", "", "loops", "no_iteration"),
    mutant("an item is taken without a ticket", "drain.h", TICKET,
           "(__atomic_store_n(taken, now + 1, __ATOMIC_RELAXED), true)",
           "loops", "drain_ahead", "drain_wraps"),
    mutant("the next turn's items", "drain.h", "turn * drain.total", "0u", "loops", "drain_ahead"),
    mutant("threshold one short", "sync.h", ENOUGH, ENOUGH.replace(">= ", "+ 1 >= "), "sync", "counts"),
    mutant("threshold one over", "sync.h", ENOUGH, ENOUGH.replace(">=", ">"), "sync", "chain"),
    mutant("no epoch", "sync.h", EPOCH, "", "sync", "next_launch"),
    mutant("barrier without a signal", "sync.h", MEETS, "", "sync", "barrier_before_reads"),
    mutant("barrier without a wait", "sync.h", MEETS + "\n  return wait<Stamping>(core, step);",
           MEETS + "\n  return true;", "sync", "barrier_before_writes"),
    mutant("barrier one core short", "kernel.h", FULL_BARRIER,
           "static_cast<int>((ordinal + 1) * t.cores - 1)", "sync", "barrier_before_reads"),
    mutant("all barriers are the first", "kernel.h", FULL_BARRIER,
           "static_cast<int>(t.cores)", "sync", "two_barriers"),
    mutant("a signal is a store", "sync.h", "__atomic_fetch_add(" + COUNTER + "amount, __ATOMIC_RELEASE)",
           "__atomic_store_n(" + COUNTER + "__atomic_load_n(" + COUNTER + "__ATOMIC_RELAXED) + amount, "
           "__ATOMIC_RELEASE)",
           "sync", "counts"),
    mutant("a stop is not looked for", "pool.cpp", "if (stopped(kernel)) return false;\n  sched_yield();",
           "sched_yield();\n  if (core.core) return true;", "sync", "stops_waiting_cores"),
    mutant("on behind a failed task", "driver.h", AFTER_RUN, "return ", "sync", "stops_waiting_cores"),
    mutant("every failure is written", "abi.h", "if (stop(*core.launch, FAILED_CHECK)) ",
           "stop(*core.launch, FAILED_CHECK); ", "sync", "first_failure_decides"),
    mutant("one look for a hang", "pool.cpp", "round < 2", "round < 1", "sync", "no_hang_in_a_live_launch"),
    mutant("no wake", "pool.cpp",
           "if (__atomic_load_n(&worker.sleeping, __ATOMIC_SEQ_CST)) futex_wake(&worker.ticket);", "",
           "launches", "launch_after_launch"),
    mutant("counters kept behind a failure", "pool.cpp", FORGET, "kernel.status = OK;\n  return status;",
           "launches", "failure_leaves_nothing"),
)  # fmt: skip

NOT_LOAD_BEARING = {
    "&progress.place, RUNNING, __ATOMIC_RELEASE": "who reads RUNNING asks nothing more of that core",
    "false, __ATOMIC_ACQ_REL": "what a stop leaves behind is read when the launch is over",
}
"""Orders that could be relaxed, and why."""


@pytest.mark.parametrize("change", MUTANTS, ids=lambda change: change.name)
def test_a_mutant_is_seen(tmp_path: Path, engine: tuple[Path, ...], change: Mutant) -> None:
    for header in NATIVE.glob("*.h"):
        shutil.copy(header, tmp_path)
    for file, folder in TEXTS.items():
        text = (folder / file).read_text()
        if file == change.file:
            assert text.count(change.old) == 1, "the text has changed: mend the mutant"
            text = text.replace(change.old, change.new)
        place = tmp_path / ("mpmd" if folder == HEADERS else "") / file
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    found = run(build(tmp_path, engine, change.unit, first=(tmp_path,)), *change.programs)
    assert tuple(found) and set(found) == set(change.programs)
    for name, line in found.items():
        failure = line["failure"]
        assert failure is not None, f"{name} does not see it in {line['executions']} executions"
        assert not failure.startswith("the model"), failure


@pytest.mark.parametrize("file", TEXTS)
def test_every_memory_order_has_its_mutant(file: str) -> None:
    """A new atomic access comes with the program that needs its order, or with a reason why none does."""
    text = (TEXTS[file] / file).read_text()
    for old in [change.old for change in MUTANTS if change.file == file] + list(NOT_LOAD_BEARING):
        text = text.replace(old, "")
    assert re.findall(r".*__ATOMIC_(?:ACQUIRE|RELEASE|ACQ_REL|SEQ_CST).*", text) == []

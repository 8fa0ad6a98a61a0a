"""Bytes that are not tables are refused as malformed, whatever they are: nothing else is raised."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from table_builder import Sum, barrier, local, reads, run, sections, signal, wait, writes

from mpmd.errors import MalformedTableError, ScheduleError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from mpmd.schedule.proof.decode import decode
from tests.machines import toy
from tests.tables import Sections

COUNTER = Primitive("counter", 8, 100, 1e-7, 1e-7)
MACHINE = toy(4, memory_bytes=2**20, counter=COUNTER)


def whole() -> Sections:
    """Tables with something in every section."""
    return sections(
        cores=[[run(0), signal(0), barrier(0)], [wait(0), run(1), barrier(0)]],
        rows=[
            [reads(0, Sum(0, {0: 8}), Sum(0, {1: 1}), 2, tile=(4, 2)), writes(local(0), 0, 8)],
            [reads(local(0), 0, 8), writes(1, 0, 8)],
        ],
        arguments=[64, 8],
        tensors=[(0, 8)],
        scalars=1,
        derived=[(2, Sum(0, {0: 1}), Sum(4))],
        guards=[(Sum(0, {0: 1}), 0, 7)],
    )


def patched(tables: bytes, word: int, value: int) -> bytes:
    """The tables with one 64-bit word replaced."""
    return tables[: word * 8] + struct.pack("<q", value) + tables[word * 8 + 8 :]


def test_the_tables_of_these_tests_are_right() -> None:
    check(whole().store(), MACHINE)


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        (b"", "the tables end after 0 bytes, within their header"),
        (patched(whole().store(), 0, 7), "not tables of version 4: magic 0x7, version 4"),
        (patched(whole().store(), 1, 1), "not tables of version 4: magic 0x4d504d44, version 1"),
        (patched(whole().store(), 31, 1), "the reserved words of the header are not zero"),
        (patched(whole().store(), 2, -1), "the header counts -1 cores, in 1048 bytes"),
        (patched(whole().store(), 2, 0), "the tables are for no core"),
        (patched(whole().store(), 3, 99), "section 'steps' needs 1856 bytes of tables, there are 1048"),
        (patched(whole().store(), 5, 2), "core 0 has 1 barriers, the header says 2"),
        (patched(whole().store(), 12, 2**40), "the header has 1099511627776 scalars and an arena of 8 bytes"),
        (patched(whole().store(), 17, 7), "base 2 ends 8 bytes into the arena of 7"),
        (whole().store() + b"\0" * 8, "the sections take 1048 bytes, the header says 1048, there are 1056"),
    ],
)
def test_headers(tables: bytes, text: str) -> None:
    with pytest.raises(MalformedTableError) as error:
        check(tables, MACHINE)
    assert error.value.message == text
    assert error.value.hints == ("the bytes were damaged, or another version wrote them",)


def edited(name: str, index: tuple[int, ...], value: int) -> bytes:
    tables = whole()
    getattr(tables, name)[index] = value
    return tables.store()


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        (edited("params", (0, 0), 0), "the mode of parameter 0 is 0, outside 1 to 3"),
        (edited("params", (0, 1), 0), "the item bytes of parameter 0 is 0, outside 1 to 64"),
        (edited("params", (0, 2), 5), "a BASE word in function 0, parameter 0 is 5, outside 0 to 4"),
        (edited("params", (3, 3), 4), "an OFFSET word in function 1, parameter 1 is 4, outside 0 to 3"),
        (edited("params", (0, 4), 3), "parameter 0 has no proper axes"),
        (edited("params", (0, 5), 9), "the end axis of parameter 0 is 9, outside 0 to 5"),
        (edited("axes", (0, 0), 7), "an EXTENT word in function 0, axis 0 is 7, outside -1 to 4"),
        (edited("axes", (0, 1), -1), "the extent of axis 0 is -1, outside 0 to 4503599627370495"),
        (edited("bases", (0, 0), 2), "the kind of base 0 is 2, outside 0 to 1"),
        (edited("bases", (0, 0), 1), "base 1 is an argument and follows a local tensor"),
        (edited("bases", (1, 2), 8), "base 1 is an argument and has a place in the arena"),
        (edited("bases", (2, 1), 9), "base 2 ends 9 bytes into the arena of 8"),
        (edited("bases", (2, 2), 1), "base 2 ends 9 bytes into the arena of 8"),
        (edited("bases", (2, 2), -1), "the place of base 2 is -1, outside 0 to 4503599627370495"),
        (edited("derived", (0, 0), 5), "the op of derived scalar 0 is 5, outside 0 to 4"),
        (edited("terms", (0, 0), 1), "derived scalar 0 is computed from a later one"),
        (edited("terms", (0, 0), 2), "the scalar of term 0 is 2, outside 0 to 1"),
        (edited("guards", (0, 2), 3), "the end term of guard 0 is 3, outside 0 to 2"),
        (edited("patches", (0, 0), 99), "the word of patch 0 is 99, outside 0 to 8"),
        (edited("patches", (0, 1), 2), "the scalar of patch 0 is 2, outside 0 to 1"),
    ],
)
def test_references(tables: bytes, text: str) -> None:
    with pytest.raises(MalformedTableError) as error:
        check(tables, MACHINE)
    assert error.value.message == text


@pytest.mark.parametrize(
    ("core", "steps", "text"),
    [
        (0, [(8, 0, 0, 0)], "the op of step 0 is 8, outside 0 to 7"),
        (0, [run(0), signal(0, 0)], "step 1 signals an amount of 0, which must be positive"),
        (0, [run(0), signal(7)], "step 1 names event 7 of 1"),
        (0, [run(0), signal(0)], "core 0 has 0 barriers, the header says 0"),
        (0, [run(0), signal(0), barrier(1)], "the barriers of a core are not numbered in order"),
    ],
)
def test_steps(core: int, steps: list[tuple[int, int, int, int]], text: str) -> None:
    tables = whole()
    tables.cores[core] = steps
    with pytest.raises(MalformedTableError) as error:
        check(tables.store(), MACHINE)
    if "barriers, the header" in text:
        assert error.value.message == "core 1 has 1 barriers, the header says 0"
    else:
        assert error.value.message == text


def test_a_row_names_a_base_that_is_there() -> None:
    tables = whole()
    tables.row_words[1][0] = 3
    with pytest.raises(MalformedTableError) as error:
        check(tables.store(), MACHINE)
    assert error.value.message == "row 1 (core 1, step 1) names base 3 of 3"


def test_totals_of_events_are_checked() -> None:
    tables = whole().store()
    at = tables.index(struct.pack("<ii", 1, 0), 32 * 8 + 16 + 6 * 16)
    with pytest.raises(MalformedTableError) as error:
        check(tables[:at] + struct.pack("<i", 2) + tables[at + 4 :], MACHINE)
    assert error.value.message == "event 0 is signalled 1 in all, its total says 2"


INTERESTING = (0, 1, -1, 2, 3, 7, 2**31 - 1, -(2**31), 2**31, 2**52, 2**62, 2**63 - 1, -(2**63))


def refused_or_proved(tables: bytes) -> bool:
    """Whether the tables are proved; anything raised but a `ScheduleError` fails the test."""
    try:
        check(tables, MACHINE)
    except ScheduleError as error:
        assert str(error)
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_crash_the_checker(seed: int) -> None:
    """Noise, truncation, and damage to single numbers."""
    rng = random.Random(seed)
    good = whole().store()
    for _ in range(500):
        kind = rng.randrange(4)
        tables = bytearray(good)
        if kind == 0:
            tables = bytearray(rng.randbytes(rng.randrange(400)))
        elif kind == 1:
            del tables[rng.randrange(len(tables)) :]
        elif kind == 2:
            for _ in range(rng.randint(1, 3)):
                struct.pack_into("<q", tables, 8 * rng.randrange(len(tables) // 8), rng.choice(INTERESTING))
        else:
            at = rng.randrange(len(tables))
            tables[at] ^= 1 << rng.randrange(8)
        refused_or_proved(bytes(tables))


@pytest.mark.parametrize("seed", range(4))
def test_no_numbers_crash_the_checker(seed: int) -> None:
    """Tables that decode, with strange numbers in all the places that decoding does not judge."""
    rng = random.Random(seed)
    outcomes = {True: 0, False: 0}
    for _ in range(300):
        tables = whole()
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(["words", "axes", "bases", "derived", "terms", "guards", "patches"])
            value = rng.choice(INTERESTING)
            if name == "words":
                row = rng.choice(tables.row_words)
                row[rng.randrange(len(row))] = value
            else:
                column = getattr(tables, name)
                column[rng.randrange(len(column)), rng.randrange(column.shape[1])] = value
        outcomes[refused_or_proved(tables.store())] += 1
    assert min(outcomes.values()) > 5


def test_columns_are_those_that_were_written() -> None:
    """Decoding gives back every number of every section."""
    tables = whole()
    decoded = decode(tables.store())
    assert decoded.core_ptr.tolist() == [0, 3, 6]
    assert list(zip(decoded.op.tolist(), decoded.a.tolist(), decoded.b.tolist(), strict=True)) == [
        step[:3] for core in tables.cores for step in core
    ]
    assert (decoded.cores, decoded.events, decoded.barriers, decoded.scalars) == (2, 1, 1, 1)
    assert decoded.step_core.tolist() == [0, 0, 0, 1, 1, 1]
    assert decoded.words.tolist() == [word for row in tables.row_words for word in row]
    for name in ("params", "axes", "bases", "derived", "terms", "guards", "patches"):
        assert np.array_equal(getattr(decoded, name), getattr(tables, name)), name

"""Tables whose numbers leave their range are not opened, whoever wrote them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpmd.errors import MalformedTableError
from mpmd.runtime.build import build
from mpmd.runtime.load import OpenKernel
from tests.host.assembly import ELEMENT, GUARD, ITERATION, PATCH, load
from tests.host.table_kernels import guarded
from tests.tables import DRAIN, END, LOOP, PREFETCH, RUN, WAIT, Sections

CASE = guarded()
FAR = 2**40

Index = int | tuple[int, int]


def broken(section: str, index: Index, value: int) -> bytes:
    sections = Sections.load(CASE.source.tables)
    getattr(sections, section)[index] = value
    return sections.store()


def with_steps(core: int, *steps: tuple[int, int, int]) -> bytes:
    sections = Sections.load(CASE.source.tables)
    sections.cores[core] = [(*step, -1) for step in steps]
    return sections.store()


def with_op(*op: int) -> bytes:
    """The first op of the late program replaced."""
    sections = Sections.load(CASE.source.tables)
    sections.ops[0] = [*op, *[0] * (8 - len(op))]
    return sections.store()


def with_flag(base: int, offset: int, size: int) -> bytes:
    sections = Sections.load(CASE.source.tables)
    sections.loops[0, 3:6] = base, offset, size
    return sections.store()


BODY = [(step[0], step[1], step[2]) for step in Sections.load(CASE.source.tables).cores[1]]

MALFORMED = {
    "a RUN step names no row": with_steps(1, (RUN, 6, 0)),
    "a SIGNAL or WAIT step names no event": with_steps(1, (WAIT, 2, 0)),
    "a SIGNAL or WAIT step is not in its event's loop": with_steps(1, (WAIT, 0, 1), *BODY),
    "the loops of a core are out of order": with_steps(1, (LOOP, 1, 0), (END, 1, 0)),
    "an END step does not fit its LOOP": with_steps(1, (LOOP, 0, 0), (END, 0, 1)),
    "a core lacks a barrier of a loop": broken("loops", (0, 6), 1),
    "a core lacks a loop, or the end of one": with_steps(1, *BODY[:-1]),
    "a DRAIN step names no drain": with_steps(1, (DRAIN, 1, 0)),
    "a PREFETCH step is malformed": with_steps(1, (PREFETCH, 6, 64)),
    "a step has an unknown operation": with_steps(1, (8, 0, 0)),
    "an event is no counter, and a CPU has nothing else": broken("event_primitive", 0, 1),
    "a row names no late program": broken("row_program", 0, 1),
    "a late program patches a word that a row lacks": broken("ops", (2, 1), 3),
    "the late programs are out of order": broken("program_ptr", 1, 2),
    "the drains are out of order": broken("drain_ptr", 0, 1),
    "an item of a drain names no row": broken("drain_rows", 1, 6),
    "a loop is malformed": broken("loops", (0, 2), 9),
    "a loop has too many barriers": broken("loops", (0, 6), FAR),
    "an event names no loop": broken("event_loop", 0, 1),
    "a ring names no core": broken("rings", (0, 1), 2),
    "a ring is malformed": broken("rings", (0, 3), 0),
    "a ring leaves the arena": broken("rings", (0, 3), 3),
    "a use of a ring names no row or ring": broken("uses", (1, 1), 1),
    "a use of a ring is malformed": broken("uses", (0, 2), 2),
}


def opened(tables: bytes) -> OpenKernel | None:
    return build(replace(CASE.source, tables=tables), strict=True).load() and None


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_tables_are_not_opened(text):
    with pytest.raises(MalformedTableError) as caught:
        opened(MALFORMED[text])
    assert caught.value.message == f"the tables of kernel 'toy' are malformed: {text}"


@pytest.mark.parametrize(
    "op",
    [
        (10,),
        (-1,),
        (GUARD, 0, 0, 1, 0, 4, -1),
        (GUARD, 0, 0, FAR, 0, 4, 0),
        (ELEMENT, 2, 0, 0, 0, 8),
        (ELEMENT, 0, 1, 0, 0, 8),
        (ELEMENT, 0, -1, 0, 0, 4),
        (ELEMENT, 0, 0, 0, 0, 2),
        (PATCH, 2, 0, 1, 0),
        (0, 0, 0, 0, 0, 2, 1),
    ],
    ids=str,
)
def test_a_malformed_op_is_not_opened(op):
    with pytest.raises(MalformedTableError, match="an op of a late program is malformed"):
        opened(with_op(*op))


def test_an_op_uses_registers_of_earlier_ops():
    with pytest.raises(MalformedTableError, match="an op of a late program is malformed"):
        opened(broken("terms", (0, 0), 2))


@pytest.mark.parametrize("flag", [(2, 0, 8), (-2, 0, 8), (0, 1, 8), (0, -1, 4), (0, 0, 3), (0, 5, 4)])
def test_a_flag_lies_in_its_base(flag):
    with pytest.raises(MalformedTableError, match="a loop is malformed"):
        opened(with_flag(*flag))


def test_whole_tables_are_opened():
    assert np.array_equal(Sections.load(CASE.source.tables).ops[0], [ITERATION, *[0] * 7])
    load(CASE.source)
    opened(with_flag(0, 4, 4))

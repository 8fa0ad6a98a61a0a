"""The sections of loops, late programs, drains and rings say what the schedule says."""

from __future__ import annotations

import numpy as np

import mpmd
from mpmd import In, InOut, Out, Recv, Send, f32, i32, i64
from mpmd.codegen.cpu.emit import emit
from mpmd.codegen.tables import pack
from mpmd.lang.kernel.trace import trace
from mpmd.machine import Primitive
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import Schedule, StepOp
from tests.machines import toy
from tests.tables import DRAIN, END, LOOP, Sections

COUNTER = Primitive("counter", limit=1 << 20, maximum=1 << 30, signal_seconds=1e-9, wait_seconds=2e-9)
MACHINE = toy(
    4,
    flops=1e10,
    bandwidth=8e9,
    core_bandwidth=4e9,
    cache_bytes=0,
    cache_bandwidth=2e10,
    handover_bandwidth=2e9,
    memory_bytes=1 << 30,
    task_seconds=1e-8,
    vector_bytes=32,
    counter=COUNTER,
)
ITERATION, ELEMENT, GUARD, SKIP, PATCH = range(5, 10)

M, N = mpmd.dims("M N")


@mpmd.task
def half(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 0.5


@mpmd.task
def measure(x: In[f32, N], done: Out[i32, 1]):
    done[0] = mpmd.where(x[:].sum(0) < 1.0, 1, 0).astype(i32)


@mpmd.kernel
def halving(x: InOut[f32, 64], n: i32):
    h = mpmd.empty((64,), f32)
    done = mpmd.empty((1,), i32)
    for _ in mpmd.loop(n + 1, until=done[0]):
        for t in mpmd.tiles(64, 16):
            half(x[t], h[t])
        for t in mpmd.tiles(64, 32):
            half(h[t], x[t])
        measure(x, done)


@mpmd.kernel
def by_iteration(x: In[f32, 10, 16], y: Out[f32, 10, 16]):
    for i in mpmd.loop(10):
        half(x[i], y[9 - i])


@mpmd.kernel
def by_segments(x: In[f32, 32, 4], offsets: In[i64, 4], y: InOut[f32, 32, 4]):
    for s in mpmd.segments(offsets, 16):
        half_rows(x[s], y[s])


@mpmd.task
def half_rows(x: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = x[:] * 0.5


@mpmd.kernel
def drained(x: In[f32, 128], y: Out[f32, 128]):
    for t in mpmd.tiles(128, 16, drain=True):
        half(x[t], y[t])


@mpmd.task
def send_rows(x: In[f32, M, N], c: Send[f32, N]):
    for r in range(M):
        mpmd.send(c, x[r])


@mpmd.task
def receive_rows(c: Recv[f32, N], y: Out[f32, M, N]):
    for r in range(M):
        y[r] = mpmd.recv(c)


@mpmd.kernel
def channelled(x: In[f32, 12, 20], y: Out[f32, 12, 20]):
    c = mpmd.channel(f32, (20,), depth=2)
    for t in mpmd.tiles(12, 4):
        send_rows(x[t], c)
        receive_rows(c, y[t])


def planned(kernel: mpmd.Kernel, *args: object, cores: int = 2) -> Schedule:
    given = arguments(kernel, list(args), {})
    return schedule(partition(trace(kernel.function, specs_of(kernel, given)), MACHINE), MACHINE, cores=cores)


def spec(*shape: int, dtype=f32):
    return mpmd.spec(dtype, shape)


def test_loops() -> None:
    """The count with its scalar, the flag's place; every step and event knows its loop."""
    made = planned(halving, spec(64), 3)
    tables = Sections.load(pack(made))
    ((const, first, end, base, offset, size, barriers, zero),) = tables.loops.tolist()
    assert (const, tables.terms[first:end].tolist()) == (1, [[0, 1]])
    assert (offset, size, zero) == (0, 4, 0)
    local = [t.name for t in made.graph.program.tensors if not t.is_argument]
    assert ("x", *local)[base] == "done"
    for core in tables.cores:
        ops = [op for op, *_ in core]
        begin, finish = ops.index(LOOP), ops.index(END)
        assert core[finish][1:3] == (0, finish - begin - 1)
        assert ops[begin:finish].count(3) == barriers
    assert tables.event_loop.ravel().tolist() == made.event_loop.tolist() == [0] * made.events


def test_words_that_follow_the_iteration() -> None:
    """One program for the site; patches of launch scalars and of registers are told apart."""
    made = planned(by_iteration, spec(10, 16), spec(10, 16), cores=1)
    tables = Sections.load(pack(made))
    assert tables.row_program.ravel().tolist() == [0] * len(made.graph)
    assert len(tables.patches) == 0
    kinds = tables.ops[:, 0].tolist()
    assert kinds[0] == ITERATION and set(kinds[1:]) == {PATCH}
    added = {int(op[1]): tables.terms[op[3] : op[4]].tolist() for op in tables.ops if op[0] == PATCH}
    assert sorted(added.values()) == [[[0, -64]], [[0, 64]]]


def test_segments_are_elements_guards_and_skips() -> None:
    """Elements name the base of the offsets; guards have the numbers of their notes."""
    made = planned(by_segments, spec(32, 4), spec(4, dtype=i64), spec(32, 4))
    source = emit(made)
    tables = Sections.load(source.tables)
    assert len(tables.program_ptr) == 1 + len({int(p) for p in tables.row_program.ravel()})
    elements = tables.ops[tables.ops[:, 0] == ELEMENT]
    assert set(elements[:, 1].tolist()) == {1} and set(elements[:, 5].tolist()) == {8}
    assert {int(offset) for offset in elements[:, 2]} == {0, 8, 16, 24}
    assert (tables.ops[:, 0] == SKIP).any()
    notes = tables.ops[tables.ops[:, 0] == GUARD][:, 6].tolist()
    assert notes == list(range(len(source.launch.checks) - len(notes), len(source.launch.checks)))
    assert source.launch.checks[notes[0]].text == "the start of segment 0 of loop 's' is at least 0"
    assert {source.launch.checks[note].span.file for note in notes} == {__file__}


def test_notes_are_numbered_behind_the_functions_checks() -> None:
    made = planned(by_segments, spec(32, 4), spec(4, dtype=i64), spec(32, 4))
    first = Sections.load(pack(made)).ops
    later = Sections.load(pack(made, first_note=7)).ops
    guards = first[:, 0] == GUARD
    assert (later[guards, 6] == first[guards, 6] + 7).all()
    assert (later[~guards] == first[~guards]).all()


def test_drains() -> None:
    made = planned(drained, spec(128), spec(128))
    tables = Sections.load(pack(made))
    assert tables.drain_ptr.ravel().tolist() == [0, 8]
    assert sorted(tables.drain_rows.ravel().tolist()) == list(range(8))
    assert tables.drain_rows.ravel().tolist() == list(made.drains[0].tasks)
    assert [[a for op, a, *_ in core if op == DRAIN] for core in tables.cores] == [[0]] * made.cores


def test_rings() -> None:
    """A row's word for the channel is the ring between the cores of its gang, and `uses` says so."""
    made = planned(channelled, spec(12, 20), spec(12, 20), cores=2)
    tables = Sections.load(pack(made))
    assert len(tables.rings) == len(made.rings) > 0
    for row, ring in zip(tables.rings.tolist(), made.rings, strict=True):
        assert row == [ring.producer, ring.consumer, ring.slot_bytes, ring.depth, ring.offset, 0]
    assert len(tables.uses) == 6
    for row, ring, side, tokens in tables.uses.tolist():
        name = made.graph.task_name(row).split("#")[0]
        assert (side, tokens) == ({"send_rows": 0, "receive_rows": 1}[name], 4)
        assert tables.row_words[row][2] == ring
        assert int(tables.rings[ring, side]) == made.core[row]


def test_notes_of_steps() -> None:
    """A wait in a loop is a count that grows with the iteration."""
    made = planned(halving, spec(64), 3)
    notes = emit(made).launch.steps
    texts = [note.text for note in notes]
    assert texts.count("loop '_'") == texts.count("end of loop '_'") == made.cores
    assert len(texts) == len(made.op)
    waits = [t for t, op in zip(texts, made.op.tolist(), strict=True) if op == StepOp.WAIT]
    assert waits and all("·i" in text for text in waits)
    (drain,) = {note.text for note in emit(planned(drained, spec(128), spec(128))).launch.steps}
    assert drain == "drain 0: half#0 (+7)"


def test_bytes_are_stable_and_read_alike() -> None:
    for kernel, given in (
        (halving, (spec(64), 3)),
        (by_segments, (spec(32, 4), spec(4, dtype=i64), spec(32, 4))),
        (channelled, (spec(12, 20), spec(12, 20))),
        (drained, (spec(128), spec(128))),
    ):
        tables = pack(planned(kernel, *given))
        assert tables == pack(planned(kernel, *given))
        assert Sections.load(tables).store() == tables
    assert np.frombuffer(tables, "<i8", 2).tolist()[1] == 4

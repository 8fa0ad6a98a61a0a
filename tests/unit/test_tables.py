"""The packed tables say what the schedule says: every section, read back by an independent decoder."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.codegen.tables import pack
from mpmd.errors import RaceError, Span
from mpmd.lang.kernel.trace import trace
from mpmd.machine import Primitive
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.schedule.proof.decode import Tables, decode
from mpmd.schedule.steps import Schedule
from tests.machines import toy
from tests.tables import RUN, WAIT, Sections

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

T, N, K, S = mpmd.dims("T N K S")


@mpmd.task
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def append(x: In[f32, T, N], cache: Out[f32, T, N]):
    cache[:] = x[:]


@mpmd.task
def attend(x: In[f32, T, N], cache: In[f32, S, N], scale: f32, y: Out[f32, T, N]):
    y[:] = x[:] * scale + cache[:].sum(0)


@mpmd.kernel
def step(
    x: In[f32, 2, 64], w: In[f32, 64, 64], cache: InOut[f32, 32, 64], y: Out[f32, 2, 64], scale: f32, pos: i32
):
    h = mpmd.empty((2, 64), f32)
    for n in mpmd.tiles(64, 16):
        linear(x, w[n], h[:, n])
    append(h, cache[pos : pos + 2])
    g = mpmd.empty((2, 64), f32)
    for n in mpmd.tiles(64, 24):
        attend(h[:, n], cache[: pos + 2, n], scale, g[:, n])
    for n in mpmd.tiles(64, 16):
        linear(g, w[n], y[:, n])


def planned(policy: str = "heft", cores: int = 3) -> Schedule:
    shapes = [(2, 64), (64, 64), (32, 64), (2, 64)]
    given = arguments(step, [*(mpmd.spec(f32, shape) for shape in shapes), 0.5, 3], {})
    return schedule(
        partition(trace(step.function, specs_of(step, given)), MACHINE), MACHINE, policy=policy, cores=cores
    )


@pytest.fixture(scope="module", params=["heft", "wave"])
def both(request: pytest.FixtureRequest) -> tuple[Schedule, Tables, bytes]:
    made = planned(request.param)
    tables = pack(made)
    return made, decode(tables), tables


def test_steps(both: tuple[Schedule, Tables, bytes]) -> None:
    made, tables, _ = both
    assert tables.core_ptr.tolist() == made.core_ptr.tolist()
    for name in ("op", "a", "b"):
        assert getattr(tables, name).tolist() == getattr(made, name).tolist(), name
    assert (tables.cores, tables.events) == (3, made.events)
    assert sorted(tables.a[tables.op == RUN].tolist()) == list(range(len(made.graph)))


def test_rows(both: tuple[Schedule, Tables, bytes]) -> None:
    """Rows are the graph's, with tensors turned into bases: the arguments, then the local tensors."""
    made, tables, _ = both
    graph = made.graph
    assert tables.row_ptr.tolist() == graph.word_ptr.tolist()
    tensors = [t for t in graph.program.tensors if t.base is None]
    bases = [t.id for t in tensors if t.is_argument] + [t.id for t in tensors if not t.is_argument]
    for row in range(len(graph)):
        view = graph.task(row)
        words = tables.words[tables.row_ptr[row] : tables.row_ptr[row + 1]].tolist()
        low, high = tables.function_ptr[tables.row_function[row] :][:2]
        assert tables.row_function[row] == view.site.function
        for layout, (_, item, base, offset, first, end) in zip(
            view.function.layouts, tables.params[low:high].tolist(), strict=True
        ):
            assert item == 4
            assert words[base] == bases.index(view.words[base])
            assert words[offset] == view.words[offset]
            axes = tables.axes[first:end].tolist()
            for extent, bound, (word, most, _, _) in zip(layout.extents, layout.bounds, axes, strict=True):
                assert most == bound
                assert (word < 0) == (extent is not None)


def test_bases_and_symbols(both: tuple[Schedule, Tables, bytes]) -> None:
    """Sizes of tensors and places of the local ones; the launch's scalars, guards and patches."""
    made, tables, _ = both
    local = [t for t in made.graph.program.tensors if not t.is_argument]
    assert [t.name for t in local] == ["h", "g"]
    assert tables.bases.tolist() == [
        *([0, size, 0] for size in (512, 16384, 8192, 512)),
        *([1, 512, made.memory.offset[t.id]] for t in local),
    ]
    assert tables.arena_bytes == made.memory.arena_bytes == 1024
    assert tables.scalars == len(made.graph.program.scalars) == 2
    assert len(tables.guards) == len(made.graph.guards) > 0
    scale, pos = range(2)
    for row in range(len(made.graph)):
        first, end = tables.row_ptr[row : row + 2].tolist()
        patches = tables.patches[(tables.patches[:, 0] >= first) & (tables.patches[:, 0] < end), 1:].tolist()
        expected = {"linear": [], "append": [[pos, 64 * 4]], "attend": [[scale, 1], [pos, 1]]}
        assert sorted(patches) == expected[made.graph.task_name(row).split("#")[0]]


def test_another_reader_writes_the_same_bytes(both: tuple[Schedule, Tables, bytes]) -> None:
    """The format as `tests.tables` understands it is the one that is written."""
    assert Sections.load(both[2]).store() == both[2]


def test_bytes_are_stable() -> None:
    assert pack(planned()) == pack(planned())


def test_tables_are_proved(both: tuple[Schedule, Tables, bytes]) -> None:
    certificate = check(both[2], MACHINE)
    assert certificate.accesses == 4 * 3 + 2 + 3 * 3 + 4 * 3
    assert certificate.machine == "toy"


def test_events_signalled_are_counted() -> None:
    made = planned()
    tables = decode(pack(made))
    waits = tables.op == WAIT
    assert waits.any()
    assert (tables.b[waits] <= tables.event_total[tables.a[waits]]).all()


def test_a_race_in_generated_tables_names_the_users_calls() -> None:
    """With the notes of generated code, a race shows both tasks and the call's line."""
    from mpmd.codegen.cpu.emit import emit

    made = planned()
    source = emit(made)
    assert source.tables == pack(made)
    check(source.tables, MACHINE, names=source.launch)
    broken = Sections.load(source.tables)
    everywhere = [(steps, at) for steps in broken.cores for at in range(len(steps))]
    waits = [(steps, at) for steps, at in everywhere if steps[at][0] == WAIT and steps[at][2] > 1]
    for steps, at in waits:  # the same number of steps, so that the notes still fit
        steps[at] = WAIT, steps[at][1], 1, 0
    with pytest.raises(RaceError) as error:
        check(broken.store(), MACHINE, names=source.launch)
    assert error.value.span.file == __file__
    assert linecache.getline(__file__, error.value.span.line).strip() in str(error.value)
    assert isinstance(error.value.span, Span)
    assert all(note.span.file == __file__ for note in error.value.related)


def test_smaller_machines_are_refused() -> None:
    """The tables are proved for one machine: another may be too small for them."""
    from mpmd.errors import CoResidencyError

    tables = pack(planned())
    with pytest.raises(CoResidencyError, match="the schedule needs 3 cores, 'toy' has 2"):
        check(tables, MACHINE.with_cores(2))
    assert np.array_equal(decode(tables).core_ptr, planned().core_ptr)

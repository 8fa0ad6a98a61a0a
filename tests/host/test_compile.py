"""Kernels compiled and called: one compile per signature, every stage to look at, files on request."""

import threading

import numpy as np
import pytest

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32
from mpmd.errors import ArgumentError
from mpmd.runtime.load import Executable

T, N = mpmd.dims("T N")

FACTOR = 2.0


@mpmd.task
def scale(x: In[f32, N], factor: f32, y: Out[f32, N]):
    y[:] = x[:] * factor


@mpmd.task
def add_row(x: In[f32, T, N], row: Const[f32, N], y: Out[f32, T, N]):
    y[:] = x[:] + row[:]


@mpmd.kernel
def scaled(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 8):
        scale(x[t], FACTOR, y[t])


@mpmd.kernel
def shifted(x: In[f32, T, N], row: Const[f32, N], at: i32, y: Out[f32, T, N]):
    add_row(x, row, y)
    scale(x[at], 0.5, y[at])


@pytest.fixture
def compiles(monkeypatch):
    """The number of times that a kernel was traced, as a list that grows."""
    traces: list[str] = []
    original = mpmd.pipeline.trace

    def counted(function, *types):
        traces.append(function.__name__)
        return original(function, *types)

    monkeypatch.setattr(mpmd.pipeline, "trace", counted)
    return traces


def doubled(n):
    x, y = np.arange(n, dtype=np.float32), np.zeros(n, np.float32)
    scaled(x, y)
    return y


def test_one_compile_serves_all_calls_of_a_signature(compiles):
    scaled._compiled.clear()
    for n in (24, 24, 20, 24, 20):
        np.testing.assert_array_equal(doubled(n), 2 * np.arange(n, dtype=np.float32))
    assert len(compiles) == 2


def test_a_changed_global_compiles_again(compiles, monkeypatch):
    doubled(24)
    compiles.clear()
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    np.testing.assert_array_equal(doubled(24), 3 * np.arange(24, dtype=np.float32))
    monkeypatch.undo()
    np.testing.assert_array_equal(doubled(24), 2 * np.arange(24, dtype=np.float32))
    assert len(compiles) <= 1


def test_threads_that_call_first_compile_once(compiles):
    scaled._compiled.clear()
    scaled._latest = None
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(doubled(40))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compiles) == 1
    for result in results:
        np.testing.assert_array_equal(result, 2 * np.arange(40, dtype=np.float32))


def test_arguments_by_name_and_other_layouts():
    x = np.arange(48, dtype=np.float32)
    y = np.zeros(24, np.float32)
    scaled(y=y, x=x[::2])
    np.testing.assert_array_equal(y, 2 * x[::2])


def test_every_stage_is_there_to_look_at():
    stages: list[str] = []
    x, y = np.ones(16, np.float32), np.zeros(16, np.float32)
    compiled = mpmd.compile(scaled, x, y, cores=1, on_stage=lambda stage, value: stages.append(stage))
    assert stages == ["program", "choice", "graph", "schedule", "source", "certificate", "executable"]
    assert compiled.program.name == "scaled" and len(compiled.graph) == 2 and compiled.schedule.cores == 1
    assert compiled.source.target == "cpu" and compiled.certificate.steps >= 2
    assert isinstance(compiled.executable, Executable)
    compiled(x, y)
    np.testing.assert_array_equal(y, 2 * x)


def test_the_same_source_for_the_same_program():
    spec = mpmd.spec(f32, 32)
    assert mpmd.compile(scaled, spec, spec).source == mpmd.compile(scaled, spec, spec).source


def test_weights_are_bound_once():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    row, y = np.full(4, 10, np.float32), np.zeros((3, 4), np.float32)
    compiled = mpmd.compile(shifted, mpmd.spec(f32, (3, 4)), mpmd.spec(f32, 4), mpmd.spec(i32), y).bind(
        row=row
    )
    compiled(x, 1, y)
    expected = x + row
    expected[1] = x[1] / 2
    np.testing.assert_array_equal(y, expected)


def test_a_call_that_fits_no_signature_says_why():
    with pytest.raises(ArgumentError, match="'x' of kernel 'scaled' is f32, but the argument is f64"):
        scaled(np.zeros(8), np.zeros(8, np.float32))
    with pytest.raises(ArgumentError, match="'N' of kernel 'scaled' is 8 in 'x' but 9 in 'y'"):
        scaled(np.zeros(8, np.float32), np.zeros(9, np.float32))


def test_stages_are_dumped_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("MPMD_DUMP", str(tmp_path))
    compiled = mpmd.compile(scaled, mpmd.spec(f32, 24), mpmd.spec(f32, 24))
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("scaled-")
    names = {path.name for path in folder.iterdir()}
    assert names >= {"program.txt", "schedule.txt", "tables.bin", compiled.source.files[0][0]}
    assert (folder / "tables.bin").read_bytes() == compiled.source.tables


def repeated(count):
    @mpmd.kernel
    def powers(x: InOut[f32, N], y: InOut[f32, N]):
        for _ in mpmd.loop(count):
            for t in mpmd.tiles(N, 8):
                scale(x[t], FACTOR, y[t])
            scale(y[1:], 0.5, x[: N - 1])

    return mpmd.compile(powers, mpmd.spec(f32, 24), mpmd.spec(f32, 24), cores=2)


def test_a_thousand_iterations_are_compiled_as_two_are():
    """Law: a loop's body is in the graph, the steps, the text and the proof once."""
    two, many = repeated(2), repeated(1000)
    assert len(two.graph) == len(many.graph) == 4
    assert two.source.files == many.source.files
    assert len(two.source.tables) == len(many.source.tables)
    assert two.certificate.accesses == many.certificate.accesses
    assert two.certificate.overlaps == many.certificate.overlaps

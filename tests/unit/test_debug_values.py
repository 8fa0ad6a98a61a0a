"""In the debugger tiles are values that Python may look at; what a task may not do is refused there too."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import Accum, In, InOut, Out, f32, i32
from mpmd.errors import BoundsError, Diagnostic, DirectionError, LanguageError
from mpmd.lang.debug import debug

N, M = mpmd.dims("N M")


@mpmd.task
def step(x: In[f32, N], ids: In[i32, N], y: InOut[f32, N], total: Accum[f32, N]):
    y[:] = x[:] + y[:]
    total[:] += x[:]


@mpmd.kernel
def once(x: In[f32, N], ids: In[i32, N], y: InOut[f32, N], total: Accum[f32, N]):
    step(x, ids, y, total)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], Any]:
    """Runs a function in the place of the task's body, and returns what it returned."""

    def run(body: Callable[..., Any]) -> Any:
        results = []
        monkeypatch.setattr(step, "function", lambda *tensors: results.append(body(*tensors)))
        x, ids = np.arange(4, dtype=np.float32), np.array([2, 0, -1, 9], np.int32)
        debug(once)(x, ids, np.zeros(4, np.float32), np.zeros(4, np.float32))
        return results[0]

    return run


def test_a_tensor_tells_its_type(inside):
    def body(x, ids, y, total):
        return x.shape, x.ndim, x.dtype, repr(x), repr(total)

    assert inside(body) == ((4,), 1, f32, "<tensor x: In f32[4]>", "<tensor total: Accum f32[4]>")


def test_a_tile_prints_its_numbers_and_compares_as_one_number(inside):
    def body(x, ids, y, total):
        tile = x[1:3]
        shown, flags = repr(tile), [bool(x[2] > 1.0), bool(x[0] > 1.0)]
        return shown, flags, list(range(ids[0])), np.asarray(+tile).tolist(), tile.ndim, tile.T.shape

    shown, *rest = inside(body)
    assert shown.startswith("<tile ") and "[1. 2.]" in shown
    assert rest == [[True, False], [0, 1], [1.0, 2.0], 1, (2,)]


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (lambda x, *_: bool(x[:] > 0.0), "tested as a condition"),
        (lambda x, *_: range(x[0]), "used as an integer"),
        (lambda x, *_: list(x[:]), "iterated over"),
    ],
)
def test_a_tile_of_many_elements_is_no_number(inside, body, label):
    with pytest.raises(LanguageError, match="is no number") as caught:
        inside(body)
    assert caught.value.label == label


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (lambda *_: list(mpmd.tiles(4)), "mpmd.tiles without a size"),
        (lambda *_: mpmd.empty(4, f32), "mpmd.empty"),
        (lambda *_: mpmd.loop(4), "mpmd.loop"),
        (lambda *tensors: step(*tensors), "a call of task 'step'"),
        (lambda *tensors: once(*tensors), "a call of kernel 'once'"),
    ],
)
def test_what_a_task_may_not_do_is_refused_while_it_runs(inside, body, what):
    with pytest.raises(LanguageError, match=re.escape(f"{what} belongs in a kernel, not in a task")):
        inside(body)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (lambda x, ids, *_: x[ids[2]], BoundsError, "index -1 is negative"),
        (lambda x, ids, *_: x[ids[3]], BoundsError, "index 9 is out"),
        (lambda x, i, y, total: total[:].sum(), DirectionError, "'total' is Accum and is read"),
    ],
)
def test_indices_and_directions_are_checked_on_the_values(inside, body, error, message):
    with pytest.raises(error, match=re.escape(message)):
        inside(body)


def test_a_tile_has_no_other_attributes(inside):
    with pytest.raises(AttributeError, match="tiles have no 'shpae'"):
        inside(lambda x, *_: x[:].shpae)


def test_a_kernel_may_not_read_elements(inside):
    @mpmd.kernel
    def peeks(x: In[f32, N, M], y: Out[f32, N]):
        bool(x)

    with pytest.raises(Diagnostic):
        debug(peeks)(np.zeros((2, 2), np.float32), np.zeros(2, np.float32))

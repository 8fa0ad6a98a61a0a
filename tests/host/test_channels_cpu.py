"""Tasks that send and receive, compiled: the same values as the evaluator's queues give."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, Recv, Send, bf16, f16, f32, i8, i32, i64
from mpmd.codegen.cpu.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.errors import BoundsError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.runtime.build import build
from mpmd.runtime.standalone import build_standalone, run_standalone
from mpmd.schedule.build import schedule
from tests.host.sanitizers import skip_without

pytestmark = pytest.mark.usefixtures("short_patience")

TSAN = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66"}

M, N, K = mpmd.dims("M N K")


@mpmd.task
def send_rows(x: In[f32, M, N], c: Send[f32, 8, N]):
    for r in mpmd.tiles(M, 8):
        mpmd.send(c, mpmd.exp(x[r]) - 1.0)


@mpmd.task
def receive_rows(c: Recv[f32, 8, N], y: Out[f32, M, N]):
    for r in mpmd.tiles(M, 8):
        token = mpmd.recv(c, (r.size, N))
        y[r] = token + token.sum(1)[:, None]


@mpmd.kernel
def in_pieces(x: In[f32, M, N], y: Out[f32, M, N]):
    c = mpmd.channel(f32, (8, x.shape[1]), depth=2)
    send_rows(x, c)
    receive_rows(c, y)


@mpmd.task
def send_product(a: In[f32, M, K], b: In[f32, K, N], c: Send[f32, M, N], d: Send[f32, ()]):
    p = a[:] @ b[:]
    mpmd.send(c, p.T.reshape((M, N)))
    mpmd.send(d, p.sum(0).sum(0))


@mpmd.task
def receive_product(c: Recv[f32, M, N], d: Recv[f32, ()], y: Out[f32, N, M]):
    whole = mpmd.recv(d)
    y[:] = mpmd.recv(c).T * 2.0 + whole


@mpmd.task
def middle(c: Recv[f32, M, N], d: Send[f32, M, N]):
    mpmd.send(d, mpmd.recv(c) + 1.0)


@mpmd.kernel
def product(a: In[f32, 6, 5], b: In[f32, 5, 7], y: Out[f32, 7, 6]):
    c = mpmd.channel(f32, (6, 7))
    d = mpmd.channel(f32, ())
    e = mpmd.channel(f32, (6, 7))
    send_product(a, b, c, d)
    middle(c, e)
    receive_product(e, d, y)


@mpmd.task
def send_strided(x: In[f32, M, N], c: Send[i8, N]):
    for r in range(M):
        mpmd.send(c, (x[r, :] * 10.0).astype(i8))


@mpmd.task
def receive_strided(c: Recv[i8, N], y: Out[i64, M, N]):
    before = mpmd.zeros((N,), i64)
    for r in range(M):
        token = mpmd.recv(c)
        y[r] = token.astype(i64) - before
        before = token.astype(i64)


@mpmd.kernel
def differences(x: In[f32, M, N], y: Out[i64, M, N]):
    c = mpmd.channel(i8, (x.shape[1],), depth=3)
    send_strided(x.T.transpose((1, 0)), c)
    receive_strided(c, y)


@mpmd.task
def narrow(x: In[f32, N], c: Send[f16, N], d: Send[bf16, N]):
    mpmd.send(c, x[:])
    mpmd.send(d, x[:])


@mpmd.task
def widen(c: Recv[f16, N], d: Recv[bf16, N], y: Out[f32, N]):
    y[:] = mpmd.recv(c).astype(f32) - mpmd.recv(d).astype(f32)


@mpmd.kernel
def narrowed(x: In[f32, N], y: Out[f32, N]):
    c = mpmd.channel(f16, (x.shape[0],))
    d = mpmd.channel(bf16, (x.shape[0],))
    narrow(x, c, d)
    widen(c, d, y)


@mpmd.kernel
def a_gang_per_tile(x: In[f32, M, N], y: Out[f32, M, N]):
    c = mpmd.channel(f32, (8, x.shape[1]))
    for t in mpmd.tiles(x.shape[0], 16):
        send_rows(x[t], c)
        receive_rows(c, y[t])


def emitted(kernel: mpmd.Kernel, arrays: list[Any], cores: int) -> tuple[KernelSource, Any]:
    """The source, without the proof, and the program."""
    given = arguments(kernel, arrays, {})
    machine = this_cpu(cores)
    program = trace(kernel.function, specs_of(kernel, given))
    graph = partition(program, machine)
    return emit(schedule(graph, machine, cores=cores)), graph


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


CASES: dict[str, tuple[mpmd.Kernel, list[np.ndarray]]] = {
    "in pieces": (in_pieces, [numbers(20, 33), np.zeros((20, 33), np.float32)]),
    "whole pieces": (in_pieces, [numbers(16, 5), np.zeros((16, 5), np.float32)]),
    "a product, a number, a chain": (product, [numbers(6, 5), numbers(5, 7), np.zeros((7, 6), np.float32)]),
    "carried tokens": (differences, [numbers(9, 11), np.zeros((9, 11), np.int64)]),
    "16 bits": (narrowed, [numbers(50), np.zeros(50, np.float32)]),
    "a gang per tile": (a_gang_per_tile, [numbers(40, 9), np.zeros((40, 9), np.float32)]),
}


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_compiled_channels_equal_the_evaluators_queues(name, cores):
    kernel, arrays = CASES[name]
    source, graph = emitted(kernel, arrays, cores)
    expected = [array.copy() for array in arrays]
    evaluate(
        graph.program, dict(zip(graph.program.params, expected, strict=True)), tile_sizes=dict(graph.tiles)
    )
    run = build(source, strict=True).load()
    for _ in range(20):
        given = [*arrays[:-1], np.zeros_like(arrays[-1])]
        run(*given)
        np.testing.assert_allclose(given[-1], expected[-1], rtol=2e-6, atol=1e-6)


@mpmd.task
def receive_others(c: Recv[f32, 8, N], n: i32, y: Out[f32, M, N]):
    y[:] = 0.0
    for _ in mpmd.tiles(M, 8):
        token = mpmd.recv(c, (n, N))
        y[0] = token[0]


@mpmd.kernel
def mismatched(x: In[f32, 16, 4], n: i32, y: Out[f32, 16, 4]):
    c = mpmd.channel(f32, (8, 4), depth=2)
    send_rows(x, c)
    receive_others(c, n, y)


def test_a_token_of_another_extent_is_shown_at_the_receivers_line():
    arrays = [numbers(16, 4), 8, np.zeros((16, 4), np.float32)]
    source, _ = emitted(mismatched, arrays, 2)
    run = build(source, strict=True).load()
    run(*arrays)
    with pytest.raises(BoundsError) as caught:
        run(arrays[0], 5, arrays[2])
    assert caught.value.message == "the token of 'c', axis 0: 8 elements were sent, 5 are received"
    assert caught.value.span.file == __file__
    run(*arrays)


@pytest.mark.parametrize("name", ["in pieces", "a product, a number, a chain"])
@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_compiled_channels_are_clean_under_sanitizers(tmp_path, sanitize, name):
    skip_without(sanitize)
    kernel, arrays = CASES[name]
    source, graph = emitted(kernel, arrays, 3)
    program = build_standalone(source, tmp_path, sanitize=sanitize)
    values = dict(zip(graph.program.params, arrays, strict=True))
    ended = run_standalone(program, source, values, launches=50, environment=os.environ | TSAN)
    assert ended.status == 0, ended.stderr

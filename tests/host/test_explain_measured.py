"""`mpmd.explain` with measurements: every variant is compiled, proved and run, on copies of the arrays."""

from __future__ import annotations

import numpy as np

import mpmd
from mpmd import In, Out, f32
from mpmd.explain import explain
from mpmd.machine.presets import this_cpu

N, K = mpmd.dims("N K")


@mpmd.task
def double(x: In[f32, N, K], y: Out[f32, N, K]):
    y[:] = x[:] + x[:]


@mpmd.kernel
def fourfold(x: In[f32, 32, 16], y: Out[f32, 32, 16]):
    h = mpmd.empty((32, 16), f32)
    for t in mpmd.tiles(32, 8):
        double(x[t], h[t])
    for t in mpmd.tiles(32, 4):
        double(h[t], y[t])


def test_all_variants_are_measured_on_copies() -> None:
    x, y = np.ones((32, 16), np.float32), np.zeros((32, 16), np.float32)
    found = explain(fourfold, x, y, machine=this_cpu(2), measure=True)
    assert found.refused == ()
    for outcome in (found.own, *found.others):
        assert outcome.measured is not None and outcome.measured > 0
    assert "measured" in str(found).splitlines()[0]
    assert not y.any()
    compiled = mpmd.compile(fourfold, x, y, cores=2)
    again = explain(compiled, x, y, machine=this_cpu(2), measure=True)
    assert again.own.waits == found.own.waits

"""Artifacts as data, and tables that are refused when they are opened."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from mpmd.codegen.source import KernelSource, ScalarInfo
from mpmd.errors import (
    MalformedTableError,
    ToolchainError,
    UnsupportedOp,
)
from mpmd.lang.types import Direction, f64
from mpmd.runtime.build import build
from tests.host.assembly import (
    ADD_ONE,
    HERE,
    RUN,
    argument,
    chain,
    kernel,
    load,
    one,
    tables,
)


def test_artifacts_are_pickled_and_loaded_elsewhere(tmp_path, monkeypatch):
    artifact = pickle.loads(pickle.dumps(build(chain(2, 1))))
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "elsewhere"))
    x, y = one(), one()
    artifact.load()(x, y)
    assert y[0] == 2


def test_artifacts_of_another_cpu_are_refused():
    artifact = dataclasses.replace(build(chain(1, 1)), cpu="another")
    with pytest.raises(ToolchainError, match="'toy' was compiled for another CPU"):
        artifact.load()


def test_sources_for_other_targets_are_refused():
    with pytest.raises(UnsupportedOp, match="a kernel for cuda does not run"):
        build(dataclasses.replace(chain(1, 1), target="cuda"))


def test_text_that_does_not_compile_is_explained():
    source = dataclasses.replace(chain(1, 1), files=(("toy.cpp", "int main() { return wrong; }\n"),))
    with pytest.raises(ToolchainError, match="refused the generated text") as caught:
        build(source)
    assert "wrong" in caught.value.label


def through_local_tensors(**description) -> KernelSource:
    """x → the first local tensor → the second → y, adding one each time."""
    rows = [(0, (0, 0, 2, 0)), (0, (2, 0, 3, 4)), (0, (3, 4, 1, 0))]
    table = tables([[(RUN, r, 0) for r in range(3)]], rows, params=[2], bases=[4, 4], **description)
    return kernel(ADD_ONE, ["add_one"], table, [argument("x", 1), argument("y", 1, direction=Direction.OUT)])


@pytest.mark.parametrize("local", [[(0, 4), (64, 8)], [(64, 4), (0, 8)], [(8, 4), (0, 8)]])
def test_local_tensors_lie_where_the_tables_say(local):
    run = load(through_local_tensors(local=local, arena=128))
    y = one()
    run(np.full(1, 5, np.float32), y)
    assert y[0] == 8


@pytest.mark.parametrize(
    ("local", "text"),
    [
        ([(0, 4), (121, 8)], "a local tensor leaves the arena"),
        ([(129, 0), (0, 8)], "a local tensor leaves the arena"),
        ([(0, 2**62), (0, 8)], "a local tensor leaves the arena"),
        ([(-8, 4), (0, 8)], "a base is malformed"),
    ],
)
def test_local_tensors_outside_the_arena_are_refused(local, text):
    with pytest.raises(MalformedTableError, match=text):
        load(through_local_tensors(local=local, arena=128))


def test_broken_tables_are_refused_not_run():
    """Every byte of the header and of the index sections, damaged: refused or harmless, never a crash."""
    source = chain(2, 2)
    with pytest.raises(MalformedTableError, match="the tables are cut short"):
        load(dataclasses.replace(source, tables=source.tables[:-8]))
    refused = 0
    for place in range(0, len(source.tables), 4):
        damaged = bytearray(source.tables)
        damaged[place : place + 4] = (0x7FFFFFF0).to_bytes(4, "little")
        try:
            load(dataclasses.replace(source, tables=bytes(damaged)))
        except MalformedTableError:
            refused += 1
    assert refused > 50


def test_scalar_infos_match_the_tables():
    source = chain(1, 1)
    extra = dataclasses.replace(source.launch, scalars=(ScalarInfo("s", f64, HERE),), order=("x", "y", "s"))
    with pytest.raises(MalformedTableError, match="have other parameters"):
        load(dataclasses.replace(source, launch=extra))

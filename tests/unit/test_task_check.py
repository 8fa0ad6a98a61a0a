"""The laws on a parsed task: directions, definite assignment of `Out`, bounds — and that proofs are sound."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from parsing import parse, refuses, run, task

from mpmd.errors import BoundsError, Diagnostic, DirectionError
from mpmd.lang.index import Index, maximum, minimum, symbol
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.task.facts import Facts
from mpmd.lang.tile import Gather

DIRECTIONS = [
    (
        DirectionError,
        "y: In[f32, M, N]",
        "y[:] = 0",
        """
        error[direction]: 'y' is In and is written
          --> t.py:3:5
        3 |     y[:] = 0
                ^^^^ writes 'y'
          related: t.py:2 declares 'y'
          hint: declare 'y' as Out, or as InOut where its old contents matter
        """,
    ),
    (
        DirectionError,
        "y: Const[f32, M, N]",
        "y[0] += 1",
        """
        error[direction]: 'y' is Const and is written
          --> t.py:3:5
        3 |     y[0] += 1
                ^^^^ writes 'y'
          related: t.py:2 declares 'y'
          hint: declare 'y' as Out, or as InOut where its old contents matter
        """,
    ),
    (
        DirectionError,
        "y: Accum[f32, M, N]",
        "y[:] = 0",
        """
        error[direction]: 'y' is Accum: it is only added to
          --> t.py:3:5
        3 |     y[:] = 0
                ^^^^ overwrites what others added
          related: t.py:2 declares 'y'
          hint: write y[…] += value, or declare 'y' as InOut
        """,
    ),
    (
        DirectionError,
        "y: Accum[f32, M, N]",
        "v = y[:]",
        """
        error[direction]: 'y' is Accum and is read
          --> t.py:3:9
        3 |     v = y[:]
                    ^^^^ other tasks may still be adding to it
          related: t.py:2 declares 'y'
          hint: declare 'y' as InOut to read and write it
        """,
    ),
    (
        DirectionError,
        "y: Accum[f32, M, N]",
        "y[:] *= 2",
        """
        error[direction]: 'y' is Accum: its only operation is '+='
          --> t.py:3:5
        3 |     y[:] *= 2
                ^^^^^^^^^
          related: t.py:2 declares 'y'
          hint: declare 'y' as InOut to read and write it
        """,
    ),
    (
        DirectionError,
        "ids: In[i32, N], y: Accum[f32, M, 4]",
        "v = y[ids[:]]",
        """
        error[direction]: 'y' is Accum and is read
          --> t.py:3:9
        3 |     v = y[ids[:]]
                    ^^^^^^^^^ other tasks may still be adding to it
          related: t.py:2 declares 'y'
          hint: declare 'y' as InOut to read and write it
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N]",
        "pass",
        """
        error[direction]: 'y' is Out, but is never written
          --> t.py:2:7
        2 | def f(y: Out[f32, M, N]):
                  ^^^^^^^^^^^^^^^^^ never written
          hint: write all of it, or declare 'y' as InOut: what is not written then survives
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N]",
        "y[:, :4] = 0",
        """
        error[direction]: 'y' is Out, but is not written on every path
          --> t.py:2:7
        2 | def f(y: Out[f32, M, N]):
                  ^^^^^^^^^^^^^^^^^ some elements may be left unwritten
          related: t.py:3 writes a part of 'y'
          hint: write all of it, or declare 'y' as InOut: what is not written then survives
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N]",
        "y[:] += 1",
        """
        error[direction]: 'y' is Out, and is read before it is written
          --> t.py:3:5
        3 |     y[:] += 1
                ^^^^ its old contents cannot be read
          related: t.py:2 declares 'y'
          hint: write these elements first, or declare 'y' as InOut
        """,
    ),
    (
        DirectionError,
        "x: In[f32, M, N], y: Out[f32, M, N]",
        """
        v = y[0]
        y[:] = x[:]
        """,
        """
        error[direction]: 'y' is Out, and is read before it is written
          --> t.py:3:9
        3 |     v = y[0]
                    ^^^^ its old contents cannot be read
          related: t.py:2 declares 'y'
          hint: write these elements first, or declare 'y' as InOut
        """,
    ),
    (
        DirectionError,
        "ids: In[i32, N], y: Out[f32, M, 4]",
        """
        y[1:] = 0
        v = y[ids[:]]
        """,
        """
        error[direction]: 'y' is Out, and is read before it is written
          --> t.py:4:9
        4 |     v = y[ids[:]]
                    ^^^^^^^^^ its old contents cannot be read
          related: t.py:2 declares 'y'
          hint: write these elements first, or declare 'y' as InOut
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N]",
        """
        for i in range(1, M):
            y[i] = y[i - 1]
        y[0] = 0
        """,
        """
        error[direction]: 'y' is Out, and is read before it is written
          --> t.py:4:16
        4 |         y[i] = y[i - 1]
                           ^^^^^^^^ its old contents cannot be read
          related: t.py:2 declares 'y'
          hint: write these elements first, or declare 'y' as InOut
        """,
    ),
    (
        DirectionError,
        "x: In[f32, M, N], y: Out[f32, M, N], n: i32",
        """
        if n > 0:
            y[:] = x[:]
        """,
        """
        error[direction]: 'y' is Out, but is not written on every path
          --> t.py:2:25
        2 | def f(x: In[f32, M, N], y: Out[f32, M, N], n: i32):
                                    ^^^^^^^^^^^^^^^^^ some elements may be left unwritten
          related: t.py:4 writes a part of 'y'
          hint: write all of it, or declare 'y' as InOut: what is not written then survives
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N], n: i32",
        """
        for i in range(n):
            y[:] = i
        """,
        """
        error[direction]: 'y' is Out, but is not written on every path
          --> t.py:2:7
        2 | def f(y: Out[f32, M, N], n: i32):
                  ^^^^^^^^^^^^^^^^^ some elements may be left unwritten
          related: t.py:4 writes a part of 'y'
          hint: write all of it, or declare 'y' as InOut: what is not written then survives
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N]",
        """
        for i in range(M - 1):
            y[i] = 0
        """,
        """
        error[direction]: 'y' is Out, but is not written on every path
          --> t.py:2:7
        2 | def f(y: Out[f32, M, N]):
                  ^^^^^^^^^^^^^^^^^ some elements may be left unwritten
          related: t.py:4 writes a part of 'y'
          hint: write all of it, or declare 'y' as InOut: what is not written then survives
        """,
    ),
    (
        DirectionError,
        "y: Out[f32, M, N]",
        """
        for j in mpmd.tiles(M, 64):
            y[:, j] = 0
        """,
        """
        error[direction]: 'y' is Out, but is not written on every path
          --> t.py:2:7
        2 | def f(y: Out[f32, M, N]):
                  ^^^^^^^^^^^^^^^^^ some elements may be left unwritten
          related: t.py:4 writes a part of 'y'
          hint: write all of it, or declare 'y' as InOut: what is not written then survives
        """,
    ),
]


@pytest.mark.parametrize(("kind", "signature", "lines", "expected"), DIRECTIONS)
def test_a_body_that_contradicts_its_directions_is_refused(
    kind: type[Diagnostic], signature: str, lines: str, expected: str
) -> None:
    refuses(task(signature, lines), kind, expected)


BOUNDS = [
    (
        BoundsError,
        "y: InOut[f32, M, N]",
        "y[M] = 0",
        """
        error[bounds]: the index M leaves axis 0 of 'y'
          --> t.py:3:5
        3 |     y[M] = 0
                ^^^^ the axis has M elements
          hint: count from 0, or from the end by a negative constant
        """,
    ),
    (
        BoundsError,
        "y: InOut[f32, M, N]",
        "y[0, N + 1 :] = 0",
        """
        error[bounds]: the slice N + 1 : N leaves axis 1 of 'y'
          --> t.py:3:5
        3 |     y[0, N + 1 :] = 0
                ^^^^^^^^^^^^^ the axis has N elements
          hint: slices are not clipped: give a stop that is inside, or leave it out
        """,
    ),
    (
        BoundsError,
        "y: InOut[f32, M, N]",
        "y[:, -1 - N] = 0",
        """
        error[bounds]: the index -N - 1 leaves axis 1 of 'y'
          --> t.py:3:5
        3 |     y[:, -1 - N] = 0
                ^^^^^^^^^^^^ the axis has N elements
          hint: count from 0, or from the end by a negative constant
        """,
    ),
    (
        BoundsError,
        "z: In[f32, 4]",
        "v = z[4]",
        """
        error[bounds]: the index 4 leaves axis 0 of 'z'
          --> t.py:3:9
        3 |     v = z[4]
                    ^^^^ the axis has 4 elements
          hint: count from 0, or from the end by a negative constant
        """,
    ),
    (
        BoundsError,
        "z: In[f32, 4]",
        "v = z[-5]",
        """
        error[bounds]: the index -1 leaves axis 0 of 'z'
          --> t.py:3:9
        3 |     v = z[-5]
                    ^^^^^ the axis has 4 elements
          hint: count from 0, or from the end by a negative constant
        """,
    ),
    (
        BoundsError,
        "z: In[f32, 4]",
        "v = z[2:6]",
        """
        error[bounds]: the slice 2 : 6 leaves axis 0 of 'z'
          --> t.py:3:9
        3 |     v = z[2:6]
                    ^^^^^^ the axis has 4 elements
          hint: slices are not clipped: give a stop that is inside, or leave it out
        """,
    ),
    (
        BoundsError,
        "z: In[f32, 4]",
        "v = z[3:1]",
        """
        error[bounds]: the slice 3 : 1 leaves axis 0 of 'z'
          --> t.py:3:9
        3 |     v = z[3:1]
                    ^^^^^^ the axis has 4 elements
          hint: slices are not clipped: give a stop that is inside, or leave it out
        """,
    ),
    (
        BoundsError,
        "z: In[f32, 4]",
        "v = z[1:7:3]",
        """
        error[bounds]: the slice 1 : 5 : 3 leaves axis 0 of 'z'
          --> t.py:3:9
        3 |     v = z[1:7:3]
                    ^^^^^^^^ the axis has 4 elements
          hint: slices are not clipped: give a stop that is inside, or leave it out
        """,
    ),
    (
        BoundsError,
        "z: In[f32, 4]",
        """
        v = z[:]
        w = v[2:6]
        """,
        """
        error[bounds]: the slice 2 : 6 leaves axis 0 of a tile f32[4]
          --> t.py:4:9
        4 |     w = v[2:6]
                    ^^^^^^ the axis has 4 elements
          hint: slices are not clipped: give a stop that is inside, or leave it out
        """,
    ),
    (
        BoundsError,
        "y: InOut[f32, M, N]",
        """
        for i in range(1, M):
            y[i - 1] = y[i + M]
        """,
        """
        error[bounds]: the index M + i leaves axis 0 of 'y'
          --> t.py:4:20
        4 |         y[i - 1] = y[i + M]
                               ^^^^^^^^ the axis has M elements
          hint: count from 0, or from the end by a negative constant
        """,
    ),
    (
        BoundsError,
        "z: InOut[f32, 4]",
        """
        for j in mpmd.tiles(8, 4):
            z[j.start + 4] = 0
        """,
        """
        error[bounds]: the index j.start + 4 leaves axis 0 of 'z'
          --> t.py:4:9
        4 |         z[j.start + 4] = 0
                    ^^^^^^^^^^^^^^ the axis has 4 elements
          hint: count from 0, or from the end by a negative constant
        """,
    ),
]


@pytest.mark.parametrize(("kind", "signature", "lines", "expected"), BOUNDS)
def test_an_access_that_is_surely_outside_is_refused(
    kind: type[Diagnostic], signature: str, lines: str, expected: str
) -> None:
    refuses(task(signature, lines), kind, expected)


# -- definite assignment: what is accepted --------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "y[:] = 0",
        "y[...] = 0",
        "y[:, : N // 2] = 0\ny[:, N // 2 :] = 1",
        "y[:, N // 2 :] = 1\ny[:, : N // 2] = 0",
        "y[:, 0::2] = 0\ny[:, 1::2] = 1",
        "y[0::3] = 0\ny[2::3] = 1\ny[1::3] = 2",
        "y[:2] = 0\ny[2:5] = 1\ny[5:] = 2",
        "y[0] = 0\ny[1:-1] = 0\ny[-1] = 0",
        "y[:n] = 0\ny[n:] = 1",
        "for j in mpmd.tiles(N, 64):\n    y[:, j] = 0",
        "for j in mpmd.tiles(N, 64):\n    y[:, j.start : j.start + j.size] = 0",
        "for i in range(M):\n    y[i] = 0",
        "for i in range(M):\n    for j in mpmd.tiles(N, 8):\n        y[i, j] = 0",
        "for j in range(N):\n    for i in range(M):\n        y[i, j] = 0",
        "for i in range(M - 1, -1, -1):\n    y[i] = 0",
        "for i in range(0, M, 4):\n    y[i : i + 4] = 0",
        "for i in range(4):\n    y[i::4] = 0",
        "for i in range(M):\n    y[i, :n] = 1\n    y[i, n:] = 0",
        "for i in range(M):\n    y[i, : i // 2] = 1\n    y[i, i // 2 :] = 0",
        "y[0] = 0\nfor i in range(1, M):\n    y[i] = y[i - 1]",
        "y[-1] = 0\nfor i in range(M - 2, -1, -1):\n    y[i] = y[i + 1]",
        "if n > 0:\n    y[:] = 0\nelse:\n    y[:] = 1",
        "if n > 0:\n    y[:4] = 0\nelif n > -3:\n    y[:4] = 1\nelse:\n    y[:4] = 2\ny[4:] = 0",
        "for i in range(M):\n    if n > i:\n        y[i] = 0\n    else:\n        y[i] = 1",
        "for k in range(3):\n    y[:] = k",
        "y[:] = 0\nfor k in range(n):\n    y[:] += 1",
        "y[:] = 0\ny[3:] += y[: M - 3]",
    ],
)
def test_what_is_surely_written_is_accepted(lines: str) -> None:
    parse(task("y: Out[f32, M, N], n: i32", lines))


def test_a_scalar_tensor_is_written_at_its_one_element() -> None:
    parse(task("y: Out[f32, ()]", "y[()] = 0"))


def test_accepted_tasks_leave_nothing_unwritten_and_read_nothing_unwritten() -> None:
    """Random bodies: whatever the check accepts must hold in every run of the evaluator."""
    accepted = 0
    for seed in range(200):
        lines = random_body(random.Random(seed))
        try:
            definition = parse(task("y: Out[f32, N], n: i32", lines))
        except (DirectionError, BoundsError):
            continue
        accepted += 1
        for extent, n in itertools.product((0, 1, 2, 5, 8), (-1, 0, 1, 3)):
            y = np.full(extent, np.nan, np.float32)
            try:
                run(definition, y, n)
            except (Diagnostic, ValueError):  # a region that only this run shows to be outside
                continue
            assert not np.isnan(y).any(), lines
    assert accepted > 40


BOUNDS_OF_SLICES = ("", "1", "2", "n", "N // 2", "N - 1", "-1", "-2", "N - n", "i", "i + 1", "N - i")
HEADS = ("range(N)", "range(n)", "range(1, N)", "range(N - 1)", "range(3)", "range(0, N, 2)")
HEADS += ("range(N - 1, -1, -1)", "range(N // 2)", "range(n, N)")
CONDITIONS = ("n > 0", "N > 2", "n < N", "n == 1")
TILES = ("j", "j.start", "j.index", "j.start : j.start + 2")


def random_body(rng: random.Random) -> str:
    lines = [line for _ in range(rng.randint(1, 3)) for line in random_statement(rng, False, 2)]
    return "\n".join(lines)


def random_statement(rng: random.Random, in_loop: bool, depth: int) -> list[str]:
    kind = rng.choice(("loop", "loop", "tiles", "if", "parts", "read", "write"))
    if kind == "loop" and depth and not in_loop:
        return [f"for i in {rng.choice(HEADS)}:", *indented(rng, True, depth - 1)]
    if kind == "tiles" and depth:
        return [f"for j in mpmd.tiles(N, {rng.choice((2, 3))}):", f"    y[{rng.choice(TILES)}] = 1"]
    if kind == "if" and depth:
        arms = indented(rng, in_loop, depth - 1), indented(rng, in_loop, depth - 1)
        return [f"if {rng.choice(CONDITIONS)}:", *arms[0], "else:", *arms[1]]
    if kind == "parts":
        cut = rng.choice(BOUNDS_OF_SLICES[1:9])
        parts = rng.choice(((f"y[:{cut}] = 1", f"y[{cut}:] = 1"), ("y[::2] = 1", "y[1::2] = 1")))
        return rng.sample(parts, 2)
    if kind == "read":
        return [f"y[{random_region(rng, in_loop)}] = y[{random_region(rng, in_loop)}].sum()"]
    return [f"y[{random_region(rng, in_loop)}] = 1"]


def indented(rng: random.Random, in_loop: bool, depth: int) -> list[str]:
    body = [line for _ in range(rng.randint(1, 2)) for line in random_statement(rng, in_loop, depth)]
    return ["    " + line for line in body]


def random_region(rng: random.Random, in_loop: bool) -> str:
    choices = BOUNDS_OF_SLICES if in_loop else BOUNDS_OF_SLICES[:9]
    if rng.random() < 0.3:
        return rng.choice(choices[1:])
    step = rng.choice(("", "", "", ":2"))
    return f"{rng.choice(choices)}:{rng.choice(choices)}{step}"


# -- bounds: what needs no check at run time --------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "open_axes"),
    [
        ("v = x[:, :]", []),
        ("v = x[0]", [0]),
        ("v = x[n]", [0]),
        ("v = x[:, 3:]", [1]),
        ("v = x[: M // 2, N // 2 :]", []),
        ("v = x[::2, 1::3]", [1]),
        ("for i in range(M):\n    v = x[i]", []),
        ("for i in range(M + 1):\n    v = x[i]", [0]),
        ("for i in range(M):\n    v = x[i, : i + 1]", [1]),
        ("for i in range(min(M, N)):\n    v = x[i, : i + 1]", []),
        ("for i in range(1, M):\n    v = x[i - 1 : i + 1]", []),
        ("for i in range(0, M, 4):\n    v = x[i : min(i + 4, M)]", []),
        ("for i in range(M - 1, -1, -1):\n    v = x[i]", []),
        ("for j in mpmd.tiles(N, 16):\n    v = x[:, j]", []),
        ("for j in mpmd.tiles(N, 16):\n    v = x[:, j.start]", []),
        ("for j in mpmd.tiles(N, 16):\n    v = x[:, j.start + j.size - 1]", []),
        ("for j in mpmd.tiles(N, 16):\n    v = x[:, j.start : j.start + 16]", [1]),
        ("for j in mpmd.tiles(N, 16):\n    v = x[:, j.index * 16]", []),
        ("if 0 <= n and n < M:\n    v = x[n]", []),
        ("if not (n < 0 or n >= M):\n    v = x[n]\nelse:\n    v = x[n]", [0]),
        ("at = x[:, :].sum(0).argmax()\nv = x[:, at]", []),
        ("v = x[:, :]\nw = v[:, n]", [1]),
        ("v = x[n % M]", [0]),
        ("for i in range(M):\n    v = x[n % M]", []),
        ("for i in range(0):\n    v = x[i - 5]", []),
        ("v = mpmd.zeros((2, n), f32)", [1]),
        ("v = mpmd.full((n, n - 1), 1.0, f32)", [0, 1]),
        ("v = mpmd.arange(n)", [0]),
        ("v = mpmd.arange(M)", []),
        ("if n > 2:\n    v = mpmd.zeros((n - 3,), f32)", []),
    ],
)
def test_accesses_that_need_a_check_at_run_time(lines: str, open_axes: list[int]) -> None:
    definition = parse(task("x: In[f32, M, N], n: i32", lines))
    assert [axis for _, axis in unproved_accesses(definition)] == open_axes


def test_gathers_are_always_checked_at_run_time() -> None:
    definition = parse(task("ids: In[i32, N], x: In[f32, M, 4]", "v = x[ids[:]]"))
    ((stmt, axis),) = unproved_accesses(definition)
    assert isinstance(stmt, Gather) and axis == 0


def test_fixed_extents_prove_more() -> None:
    definition = parse(task("x: In[f32, M, N]", "v = x[:, 3:8]"))
    assert len(unproved_accesses(definition)) == 1
    assert unproved_accesses(definition, fixed={"N": 8}) == ()
    assert len(unproved_accesses(definition, fixed={"M": 8})) == 1


def test_an_access_that_needs_no_check_never_leaves_its_axis() -> None:
    """Random bodies without open accesses run without error, whatever the extents and scalars."""
    safe = 0
    for seed in range(250):
        lines = random_body(random.Random(seed))
        try:
            definition = parse(task("y: InOut[f32, N], n: i32", lines))
        except BoundsError:
            continue
        if not unproved_accesses(definition):
            safe += 1
            for extent, n in itertools.product((0, 1, 2, 5, 8), (-1, 0, 1, 9)):
                run(definition, np.zeros(extent, np.float32), n)
    assert safe > 10


# -- proofs -----------------------------------------------------------------------------------------------


def test_a_proof_never_contradicts_an_example() -> None:
    """Random goals and facts: what is proved holds for all small values for which the facts hold."""
    rng = random.Random(1)
    proved = 0
    grid = dict(zip("abc", np.mgrid[-3:5, -3:5, -3:5].reshape(3, -1), strict=True))
    for _ in range(2000):
        facts = Facts(()).with_(*(random_index(rng) for _ in range(rng.randint(1, 4))))
        goal = random_index(rng)
        if facts.proves(goal):
            proved += 1
            impossible = [fact.evaluate(grid) < 0 for fact in facts.known]
            assert np.any([goal.evaluate(grid) >= np.zeros(8**3), *impossible], axis=0).all(), (goal, facts)
    assert proved > 50


def random_index(rng: random.Random, depth: int = 1) -> Index:
    index = Index(rng.randint(-3, 3))
    for name in "abc":
        index = index + symbol(name) * rng.choice((0, 0, -2, -1, 1, 1, 2))
    if depth and rng.random() < 0.5:
        a, b = random_index(rng, 0), random_index(rng, 0)
        op = rng.choice((minimum, maximum, lambda x, y: x // 2, lambda x, y: x % 3, lambda x, y: x * y))
        index = index + op(a, b) * rng.choice((-1, 1))
    return index

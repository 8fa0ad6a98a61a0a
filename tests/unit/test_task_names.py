"""Names and calls that a task cannot use: each refusal, with the text that the user sees."""

from __future__ import annotations

import math

import pytest
from parsing import refuses, task

import mpmd
from mpmd.errors import Diagnostic, LanguageError

TWO = "x: In[f32, M, N], y: Out[f32, M, N]"

CALLS = [
    (
        LanguageError,
        "v = print(x[:])",
        """
        error[language]: a task cannot call 'print'
          --> t.py:3:9
        3 |     v = print(x[:])
                    ^^^^^^^^^^^
          hint: a task calls functions of mpmd; constants are best computed before the task
        """,
    ),
    (
        LanguageError,
        "v = math.exp(x[:])",
        """
        error[language]: a task cannot call 'math.exp'
          --> t.py:3:9
        3 |     v = math.exp(x[:])
                    ^^^^^^^^^^^^^^
          hint: did you mean 'mpmd.exp'?
        """,
    ),
    (
        LanguageError,
        "v = max(x[:])",
        """
        error[language]: 'max' is Python's, for numbers
          --> t.py:3:9
        3 |     v = max(x[:])
                    ^^^^^^^^^
          hint: use mpmd.maximum(a, b) element by element, or mpmd.max(x) for the maximum of a tile
        """,
    ),
    (
        LanguageError,
        "v = min(x[:], 3)",
        """
        error[language]: 'min' is Python's, for numbers
          --> t.py:3:9
        3 |     v = min(x[:], 3)
                    ^^^^^^^^^^^^
          hint: use mpmd.minimum(a, b) element by element, or mpmd.min(x) for the minimum of a tile
        """,
    ),
    (
        LanguageError,
        "v = float(x[0, 0])",
        """
        error[language]: 'float' of a number of type f32
          --> t.py:3:9
        3 |     v = float(x[0, 0])
                    ^^^^^^^^^^^^^^
          hint: cast it: x.astype(mpmd.f32)
        """,
    ),
    (
        LanguageError,
        "v = range(3)",
        """
        error[language]: a task cannot call 'range'
          --> t.py:3:9
        3 |     v = range(3)
                    ^^^^^^^^
          hint: it stands in the head of a loop: for i in …
        """,
    ),
    (
        LanguageError,
        "v = mpmd.tiles(N, 3)",
        """
        error[language]: a task cannot call 'mpmd.tiles'
          --> t.py:3:9
        3 |     v = mpmd.tiles(N, 3)
                    ^^^^^^^^^^^^^^^^
          hint: it stands in the head of a loop: for i in …
        """,
    ),
    (
        LanguageError,
        "v = mpmd.f32(3)",
        """
        error[language]: a task cannot call 'mpmd.f32'
          --> t.py:3:9
        3 |     v = mpmd.f32(3)
                    ^^^^^^^^^^^
          hint: cast a tile by .astype(mpmd.f32); a number takes the dtype of the tile it meets
        """,
    ),
    (
        LanguageError,
        "v = helper(x[:])",
        """
        error[language]: a task cannot call 'helper'
          --> t.py:3:9
        3 |     v = helper(x[:])
                    ^^^^^^^^^^^^
          hint: a task calls functions of mpmd; constants are best computed before the task
        """,
    ),
    (
        LanguageError,
        "v = x[:].sum(axs=0)",
        """
        error[language]: 'sum' has no parameter 'axs'
          --> t.py:3:9
        3 |     v = x[:].sum(axs=0)
                    ^^^^^^^^^^^^^^^
          hint: did you mean 'axis'?
        """,
    ),
    (
        LanguageError,
        "v = x[:].sum(0, 1, 2)",
        """
        error[language]: 'sum' takes 2 arguments, but 3 are given
          --> t.py:3:9
        3 |     v = x[:].sum(0, 1, 2)
                    ^^^^^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = x[:].sum(0, axis=1)",
        """
        error[language]: 'sum' gets 'axis' twice
          --> t.py:3:9
        3 |     v = x[:].sum(0, axis=1)
                    ^^^^^^^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = mpmd.exp(x[:], 3)",
        """
        error[language]: 'exp' takes 1 argument, but 2 are given
          --> t.py:3:9
        3 |     v = mpmd.exp(x[:], 3)
                    ^^^^^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = mpmd.where(x[:])",
        """
        error[language]: 'where' needs 'a'
          --> t.py:3:9
        3 |     v = mpmd.where(x[:])
                    ^^^^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = x[:].astype(3)",
        """
        error[language]: a dtype is expected here, not the number 3
          --> t.py:3:9
        3 |     v = x[:].astype(3)
                    ^^^^^^^^^^^^^^
          hint: for example mpmd.f32
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), CALLS)
def test_calls_that_tasks_cannot_make(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(TWO, lines), kind, expected, math=math, helper=lambda x: x)


NAMES = [
    (
        LanguageError,
        "v = exp(x[:])",
        """
        error[language]: 'exp' is not defined
          --> t.py:3:9
        3 |     v = exp(x[:])
                    ^^^ unknown name
          hint: did you mean 'mpmd.exp'?
        """,
    ),
    (
        LanguageError,
        "v = sigmodi(x[:])",
        """
        error[language]: 'sigmodi' is not defined
          --> t.py:3:9
        3 |     v = sigmodi(x[:])
                    ^^^^^^^ unknown name
          hint: did you mean 'mpmd.sigmoid'?
        """,
    ),
    (
        LanguageError,
        """
        weight = x[:]
        v = wieght
        """,
        """
        error[language]: 'wieght' is not defined
          --> t.py:4:9
        4 |     v = wieght
                    ^^^^^^ unknown name
          hint: did you mean 'weight'?
        """,
    ),
    (
        LanguageError,
        "v = mpmd.sotfmax(x[:])",
        """
        error[language]: the module 'mpmd' has no 'sotfmax'
          --> t.py:3:9
        3 |     v = mpmd.sotfmax(x[:])
                    ^^^^^^^^^^^^ unknown name
          hint: did you mean 'softmax'?
        """,
    ),
    (
        LanguageError,
        "v = x[:].summ()",
        """
        error[language]: tiles have no method 'summ'
          --> t.py:3:9
        3 |     v = x[:].summ()
                    ^^^^^^^^^^^ unknown method
          hint: did you mean 'sum'?
        """,
    ),
    (
        LanguageError,
        "v = x[:].shap",
        """
        error[language]: a tile has no 'shap'
          --> t.py:3:9
        3 |     v = x[:].shap
                    ^^^^^^^^^ unknown name
          hint: did you mean 'shape'?
        """,
    ),
    (
        LanguageError,
        "v = x[:].sum",
        """
        error[language]: 'sum' is a method: call it
          --> t.py:3:9
        3 |     v = x[:].sum
                    ^^^^^^^^
          hint: write .sum(…)
        """,
    ),
    (
        LanguageError,
        "v = zzz",
        """
        error[language]: 'zzz' is not defined
          --> t.py:3:9
        3 |     v = zzz
                    ^^^ unknown name
          hint: define it before, or take it as a parameter
        """,
    ),
    (
        LanguageError,
        "v = K",
        """
        error[language]: dim 'K' is no extent of this task's tensors
          --> t.py:3:9
        3 |     v = K
                    ^ has no value here
          hint: a task knows the dims of its own signature
        """,
    ),
    (
        LanguageError,
        "v = x[:].reshape((twice_q,))",
        """
        error[language]: dim 'Q' is no extent of this task's tensors
          --> t.py:3:23
        3 |     v = x[:].reshape((twice_q,))
                                  ^^^^^^^ has no value here
          hint: a task knows the dims of its own signature
        """,
    ),
    (
        LanguageError,
        """
        for j in mpmd.tiles(N, 4):
            v = j.stop
        """,
        """
        error[language]: a piece of tiles() has no 'stop'
          --> t.py:4:13
        4 |         v = j.stop
                        ^^^^^^ unknown name
        """,
    ),
    (
        LanguageError,
        "v += 1",
        """
        error[language]: 'v' is not defined
          --> t.py:3:5
        3 |     v += 1
                ^ unknown name
          hint: define it before, or take it as a parameter
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), NAMES)
def test_unknown_names_are_told_what_was_meant(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(TWO, lines), kind, expected, twice_q=mpmd.Dim("Q") * 2)


TENSORS = [
    (
        LanguageError,
        "v = x + 1",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:9
        3 |     v = x + 1
                    ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "v = mpmd.exp(x)",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:18
        3 |     v = mpmd.exp(x)
                             ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "v = x.sum()",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:9
        3 |     v = x.sum()
                    ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "v = x.T",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:9
        3 |     v = x.T
                    ^^^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "v = x",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:9
        3 |     v = x
                    ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "v = x[x]",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:11
        3 |     v = x[x]
                      ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "y[:] = x",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:12
        3 |     y[:] = x
                       ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "y[:] -= x",
        """
        error[language]: 'x' is a tensor, not a tile
          --> t.py:3:13
        3 |     y[:] -= x
                        ^ index it: x[:]
          hint: 'x[:]' is the tile of all its elements
        """,
    ),
    (
        LanguageError,
        "y = x[:]",
        """
        error[language]: 'y' is a tensor: assigning to its name stores nothing
          --> t.py:3:5
        3 |     y = x[:]
                ^ write y[:] = …
          related: t.py:2 declares 'y'
          hint: use another name for a value that is not stored
        """,
    ),
    (
        LanguageError,
        """
        for x in range(3):
            pass
        """,
        """
        error[language]: 'x' is a tensor: assigning to its name stores nothing
          --> t.py:3:9
        3 |     for x in range(3):
                    ^ write x[:] = …
          related: t.py:2 declares 'x'
          hint: use another name for a value that is not stored
        """,
    ),
    (
        LanguageError,
        """
        v = x[:]
        v[0] = 1
        """,
        """
        error[language]: only tensors are stored into, and this is a tile f32[M, N]
          --> t.py:4:5
        4 |     v[0] = 1
                ^
          hint: tile values do not change: compute a new one, for example with mpmd.where
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), TENSORS)
def test_a_tensor_is_not_a_tile(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(TWO, lines), kind, expected)

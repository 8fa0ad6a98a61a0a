"""Numbers that a task knows when it is parsed: Python's values, and what has no value is refused."""

from __future__ import annotations

import numpy as np
import pytest
from parsing import parse, refusal, run, task

from mpmd.errors import Diagnostic, LanguageError, TypeMismatch

ONE = "x: In[f32, N], y: Out[f32, N]"


def value_of(expression: str) -> float:
    """What a task stores for this expression."""
    y = np.zeros(3, np.float32)
    run(parse(task(ONE, f"y[:] = x[:] + ({expression})")), np.zeros(3, np.float32), y)
    assert (y == y[0]).all()
    return float(y[0])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("abs(-3)", 3),
        ("abs(-2.5)", 2.5),
        ("~5", -6),
        ("+4", 4),
        ("-N", -3),
        ("(1 if not False else 2)", 1),
        ("len((1, 2, 3))", 3),
        ("len(x.shape) + x.ndim", 2),
        ("int(2.9)", 2),
        ("float(3) / 2", 1.5),
        ("2 if bool(0) else 7", 7),
        ("int(N)", 3),
        ("N ** 2", 9),
        ("max(2, 5) - min(2, 5)", 3),
        ("(4, 5, 6)[1:][0]", 5),
        ("(4, 5, 6)[-1]", 6),
        ("2 ** 10 % 7", 2),
        ("(1 if None else 2)", 2),
    ],
)
def test_a_constant_has_the_value_that_python_gives_it(expression, value):
    assert value_of(expression) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 // 0", "division by zero"),
        ("N % 0", "division by zero"),
        ("2.0 ** 5000", "a constant that has no value"),
        ("(-8) ** 0.5", "a constant that has no real value"),
        ("2 ** 64", "an integer constant beyond 64 bits"),
        ("99999999999999999999", "an integer constant beyond 64 bits"),
        ("int(1e400)", "inf is no integer"),
        ("1 << -1", "a constant that has no value"),
        ("mpmd.zeros((N,), 3)", "a dtype is expected here, not the number 3"),
        ("mpmd.sum()", "'sum' needs a tile"),
        ("x[:].sum(keepdims=1)", "'keepdims' is True or False"),
    ],
)
def test_what_has_no_value_is_refused_at_its_place(expression, message):
    text = refusal(task(ONE, f"y[:] = x[:] + ({expression})"), Diagnostic)
    assert message in text and "--> t.py:3:" in text


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ("if x[0]:\n    pass\ny[:] = x[:]", TypeMismatch, "a condition is a bool, not a number of type f32"),
        ("if N:\n    pass\ny[:] = x[:]", TypeMismatch, "a condition is a bool, not"),
        ("x.y += 1\ny[:] = x[:]", LanguageError, "cannot be assigned to in a task"),
        ("y[:] = x[:] + mpmd", LanguageError, "the module 'mpmd'"),
        ("y[:] = x[:] + mpmd.exp", LanguageError, "the function mpmd.exp"),
        ("y[:] = x[:] + f32", LanguageError, "the dtype f32"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(lines, error, message):
    assert message in refusal(task(ONE, lines), error)


def test_an_annotation_alone_binds_nothing():
    y = np.zeros(3, np.float32)
    run(parse(task(ONE, "v: float\nv = x[:]\ny[:] = v")), np.ones(3, np.float32), y)
    assert y.tolist() == [1, 1, 1]

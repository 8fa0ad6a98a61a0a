"""Python that a task cannot contain: each refusal, with the text that the user sees."""

from __future__ import annotations

import pytest
from parsing import parse, refusal, refuses, task

import mpmd
from mpmd.errors import Diagnostic, LanguageError, TypeMismatch
from mpmd.lang.task.parser import parse_task

TWO = "x: In[f32, M, N], y: Out[f32, M, N]"

CONSTRUCTS = [
    (
        LanguageError,
        "return x[:]",
        """
        error[language]: 'return' cannot stand in a task
          --> t.py:3:5
        3 |     return x[:]
                ^^^^^^^^^^^ not in the language
          hint: a task returns nothing: store the result into an Out parameter
        """,
    ),
    (
        LanguageError,
        """
        while True:
            pass
        """,
        """
        error[language]: 'while' cannot stand in a task
          --> t.py:3:5
        3 |     while True:
                ^^^^^^^^^^^ not in the language
          hint: loop over range(…), with a bound known when the loop starts
        """,
    ),
    (
        LanguageError,
        """
        for i in range(3):
            break
        """,
        """
        error[language]: 'break' cannot stand in a task
          --> t.py:4:9
        4 |         break
                    ^^^^^ not in the language
          hint: guard the rest of the body with 'if'
        """,
    ),
    (
        LanguageError,
        """
        for i in range(3):
            continue
        """,
        """
        error[language]: 'continue' cannot stand in a task
          --> t.py:4:9
        4 |         continue
                    ^^^^^^^^ not in the language
          hint: guard the rest of the body with 'if'
        """,
    ),
    (
        LanguageError,
        """
        with x:
            pass
        """,
        """
        error[language]: 'with' cannot stand in a task
          --> t.py:3:5
        3 |     with x:
                ^^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "import math",
        """
        error[language]: 'import' cannot stand in a task
          --> t.py:3:5
        3 |     import math
                ^^^^^^^^^^^ not in the language
          hint: import above the task
        """,
    ),
    (
        LanguageError,
        "from math import pi",
        """
        error[language]: 'import' cannot stand in a task
          --> t.py:3:5
        3 |     from math import pi
                ^^^^^^^^^^^^^^^^^^^ not in the language
          hint: import above the task
        """,
    ),
    (
        LanguageError,
        """
        def g():
            pass
        """,
        """
        error[language]: another function cannot stand in a task
          --> t.py:3:5
        3 |     def g():
                ^^^^^^^^ not in the language
          hint: write the expression where it is used
        """,
    ),
    (
        LanguageError,
        """
        async def g():
            pass
        """,
        """
        error[language]: 'async def' cannot stand in a task
          --> t.py:3:5
        3 |     async def g():
                ^^^^^^^^^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        """
        class A:
            pass
        """,
        """
        error[language]: a class cannot stand in a task
          --> t.py:3:5
        3 |     class A:
                ^^^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "assert x[0, 0] > 0",
        """
        error[language]: 'assert' cannot stand in a task
          --> t.py:3:5
        3 |     assert x[0, 0] > 0
                ^^^^^^^^^^^^^^^^^^ not in the language
          hint: check arguments in Python, before the launch
        """,
    ),
    (
        LanguageError,
        "raise ValueError",
        """
        error[language]: 'raise' cannot stand in a task
          --> t.py:3:5
        3 |     raise ValueError
                ^^^^^^^^^^^^^^^^ not in the language
          hint: check arguments in Python, before the launch
        """,
    ),
    (
        LanguageError,
        "del x",
        """
        error[language]: 'del' cannot stand in a task
          --> t.py:3:5
        3 |     del x
                ^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "global q",
        """
        error[language]: 'global' cannot stand in a task
          --> t.py:3:5
        3 |     global q
                ^^^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        """
        try:
            pass
        except ValueError:
            pass
        """,
        """
        error[language]: 'try' cannot stand in a task
          --> t.py:3:5
        3 |     try:
                ^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        """
        match x:
            case _:
                pass
        """,
        """
        error[language]: 'match' cannot stand in a task
          --> t.py:3:5
        3 |     match x:
                ^^^^^^^^ not in the language
          hint: use if, elif and else
        """,
    ),
    (
        LanguageError,
        """
        for i in range(3):
            pass
        else:
            pass
        """,
        """
        error[language]: 'for … else' cannot stand in a task
          --> t.py:6:9
        6 |         pass
                    ^^^^
        """,
    ),
    (
        LanguageError,
        "v = lambda: 0",
        """
        error[language]: a lambda cannot stand in a task
          --> t.py:3:9
        3 |     v = lambda: 0
                    ^^^^^^^^^ not in the language
          hint: write the expression where it is used
        """,
    ),
    (
        LanguageError,
        "v = [1, 2]",
        """
        error[language]: a list cannot stand in a task
          --> t.py:3:9
        3 |     v = [1, 2]
                    ^^^^^^ not in the language
          hint: write a tuple: (a, b)
        """,
    ),
    (
        LanguageError,
        "v = [i for i in range(3)]",
        """
        error[language]: a list comprehension cannot stand in a task
          --> t.py:3:9
        3 |     v = [i for i in range(3)]
                    ^^^^^^^^^^^^^^^^^^^^^ not in the language
          hint: use a loop, or operations on whole tiles
        """,
    ),
    (
        LanguageError,
        "v = {1: 2}",
        """
        error[language]: a dict cannot stand in a task
          --> t.py:3:9
        3 |     v = {1: 2}
                    ^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "v = {1, 2}",
        """
        error[language]: a set cannot stand in a task
          --> t.py:3:9
        3 |     v = {1, 2}
                    ^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "v = sum(i for i in range(3))",
        """
        error[language]: a task cannot call 'sum'
          --> t.py:3:9
        3 |     v = sum(i for i in range(3))
                    ^^^^^^^^^^^^^^^^^^^^^^^^
          hint: did you mean 'mpmd.sum'?
        """,
    ),
    (
        LanguageError,
        "v = f'{x}'",
        """
        error[language]: an f-string cannot stand in a task
          --> t.py:3:9
        3 |     v = f'{x}'
                    ^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "v = (n := 3)",
        """
        error[language]: ':=' cannot stand in a task
          --> t.py:3:10
        3 |     v = (n := 3)
                     ^^^^^^ not in the language
          hint: assign on a line of its own
        """,
    ),
    (
        LanguageError,
        "v = x is None",
        """
        error[language]: 'is' cannot stand in a task
          --> t.py:3:9
        3 |     v = x is None
                    ^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = 1 in (1, 2)",
        """
        error[language]: 'in' cannot stand in a task
          --> t.py:3:9
        3 |     v = 1 in (1, 2)
                    ^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = (*x.shape,)",
        """
        error[language]: '*' cannot stand in a task
          --> t.py:3:10
        3 |     v = (*x.shape,)
                     ^^^^^^^^ not in the language
        """,
    ),
    (
        LanguageError,
        "v = mpmd.zeros(**x)",
        """
        error[language]: '**' cannot stand in a task
          --> t.py:3:22
        3 |     v = mpmd.zeros(**x)
                                 ^
        """,
    ),
    (
        LanguageError,
        "v = 1j",
        """
        error[language]: a complex constant cannot stand in a task
          --> t.py:3:9
        3 |     v = 1j
                    ^^
        """,
    ),
    (
        LanguageError,
        "x.T = 3",
        """
        error[language]: an attribute cannot be assigned to in a task
          --> t.py:3:5
        3 |     x.T = 3
                ^^^
          hint: names, tuples of names and regions of tensors can
        """,
    ),
    (
        LanguageError,
        "mpmd.exp(x[:])",
        """
        error[language]: the value of this expression is not used
          --> t.py:3:5
        3 |     mpmd.exp(x[:])
                ^^^^^^^^^^^^^^
          hint: store it, y[:] = …, or give it a name
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), CONSTRUCTS)
def test_python_that_tasks_do_not_have_is_named(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(TWO, lines), kind, expected)


LOOPS = [
    (
        LanguageError,
        """
        for i in x:
            pass
        """,
        """
        error[language]: a task cannot loop over 'x'
          --> t.py:3:14
        3 |     for i in x:
                         ^
          hint: loop over range(…) or mpmd.tiles(extent, size)
        """,
    ),
    (
        LanguageError,
        """
        for i, j in range(3):
            pass
        """,
        """
        error[language]: a loop has one variable
          --> t.py:3:9
        3 |     for i, j in range(3):
                    ^^^^
        """,
    ),
    (
        LanguageError,
        """
        for i in range(0, 3, 0):
            pass
        """,
        """
        error[language]: the step of 'range' is a constant other than 0
          --> t.py:3:14
        3 |     for i in range(0, 3, 0):
                         ^^^^^^^^^^^^^^
        """,
    ),
    (
        TypeMismatch,
        """
        for i in range(x[0, 0]):
            pass
        """,
        """
        error[type]: a bound of 'range' is an integer, not a number of type f32
          --> t.py:3:14
        3 |     for i in range(x[0, 0]):
                         ^^^^^^^^^^^^^^
          hint: cast it: x.astype(mpmd.i32)
        """,
    ),
    (
        LanguageError,
        """
        for j in mpmd.tiles(N):
            pass
        """,
        """
        error[language]: 'tiles' needs an extent and a size here
          --> t.py:3:14
        3 |     for j in mpmd.tiles(N):
                         ^^^^^^^^^^^^^
          hint: only a kernel may leave the size to the compiler; for example mpmd.tiles(n, 64)
        """,
    ),
    (
        LanguageError,
        """
        for j in mpmd.tiles(N, M):
            pass
        """,
        """
        error[language]: the size of 'tiles' is a positive constant, not the number M
          --> t.py:3:14
        3 |     for j in mpmd.tiles(N, M):
                         ^^^^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        """
        for i in mpmd.loop(3):
            pass
        """,
        """
        error[language]: mpmd.loop is for kernels
          --> t.py:3:14
        3 |     for i in mpmd.loop(3):
                         ^^^^^^^^^^^^
          hint: use range(n) in a task
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), LOOPS)
def test_loops_that_tasks_do_not_have(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(TWO, lines), kind, expected)


SIGNATURES = [
    (
        "x, y: Out[f32, N]",
        """
        error[language]: 'x' has no annotation
          --> t.py:2:7
        2 | def f(x, y: Out[f32, N]):
                  ^
          hint: a tensor: x: In[f32, N] (or Out, InOut, Accum, Const); a number: x: f32
        """,
    ),
    (
        "*xs",
        """
        error[language]: a task has a fixed number of parameters, and no '*xs'
          --> t.py:2:8
        2 | def f(*xs):
                   ^^
          hint: name every tensor and scalar
        """,
    ),
    (
        "**xs",
        """
        error[language]: a task has a fixed number of parameters, and no '**xs'
          --> t.py:2:9
        2 | def f(**xs):
                    ^^
          hint: name every tensor and scalar
        """,
    ),
    (
        "x: In[f32, N] = None",
        """
        error[language]: a parameter of a task has no default
          --> t.py:2:23
        2 | def f(x: In[f32, N] = None):
                                  ^^^^
          hint: pass it at every call, or read a constant from around the task
        """,
    ),
    (
        "*, x: In[f32, N]",
        """
        error[language]: 'x' can be passed by keyword only
          --> t.py:2:10
        2 | def f(*, x: In[f32, N]):
                     ^^^^^^^^^^^^^
          hint: drop the '*'
        """,
    ),
    (
        "x: 3",
        """
        error[language]: '3' is no annotation of a task
          --> t.py:2:10
        2 | def f(x: 3):
                     ^
          hint: a tensor: x: In[f32, N] (or Out, InOut, Accum, Const); a number: x: f32
        """,
    ),
    (
        "x: In",
        """
        error[language]: 'In' is no annotation of a task
          --> t.py:2:10
        2 | def f(x: In):
                     ^^
          hint: a tensor: x: In[f32, N] (or Out, InOut, Accum, Const); a number: x: f32
        """,
    ),
    (
        "x: In[f32, 2 * N]",
        """
        error[language]: dim 'N' is never the whole extent of an axis, so no call can bind it
          --> t.py:2:7
        2 | def f(x: In[f32, 2 * N]):
                  ^^^^^^^^^^^^^^^^^ uses 'N' only inside of an expression
          hint: declare some axis as 'N' itself
        """,
    ),
    (
        "x: In[f32, N], N: i32",
        """
        error[language]: 'N' names both a scalar and a dim
          --> t.py:2:22
        2 | def f(x: In[f32, N], N: i32):
                                 ^^^^^^
          related: t.py:2 uses dim 'N'
          hint: rename the scalar
        """,
    ),
]


@pytest.mark.parametrize(("signature", "expected"), SIGNATURES)
def test_signatures_that_tasks_cannot_have(signature: str, expected: str) -> None:
    refuses(task(signature, "pass"), LanguageError, expected)


def test_every_refusal_holds_for_text_annotations_too() -> None:
    source = "from __future__ import annotations\n" + task(TWO, "v = x + 1")
    assert "'x' is a tensor, not a tile" in refusal(source, LanguageError)


def test_a_function_without_source_is_refused() -> None:
    names: dict = {}
    exec("def f(x): pass", names)
    with pytest.raises(LanguageError, match="the source of 'f' cannot be found"):
        parse_task(names["f"])


def test_a_lambda_is_refused() -> None:
    with pytest.raises(LanguageError, match="functions made with 'def'"):
        parse_task(lambda x: x)


def test_a_task_cannot_call_a_task() -> None:
    @mpmd.task
    def other(y: mpmd.Out[mpmd.f32, 4]):
        y[:] = 0

    with pytest.raises(LanguageError, match="a task cannot call 'other'") as caught:
        parse(task(TWO, "other(x[:], y[:])"), other=other)
    assert caught.value.hints == (
        "tasks are called by kernels; put what they have in common under @mpmd.inline",
    )

"""Inline functions: their bodies become part of the tasks that call them."""

from __future__ import annotations

import itertools
import linecache
import textwrap
from typing import Any

import numpy as np
import pytest
from parsing import body, parse, run, same, task

import mpmd
from mpmd.errors import Diagnostic, LanguageError, TypeMismatch

_COUNT = itertools.count()


def inline(source: str, **outer: Any) -> Any:
    """The inline function of these lines, in a file `i.py`."""
    text = "@mpmd.inline\n" + textwrap.dedent(source).strip("\n") + "\n"
    linecache.cache["i.py"] = (len(text), None, text.splitlines(keepends=True), "i.py")
    names: dict[str, Any] = {"mpmd": mpmd, **outer}
    exec(compile(text, "i.py", "exec", dont_inherit=True), names)
    (found,) = [v for name, v in names.items() if isinstance(v, type(_EXAMPLE)) and name not in outer]
    return found


@mpmd.inline
def _EXAMPLE(x):
    return x


def test_the_body_takes_the_place_of_the_call():
    leaky = inline("""
    def leaky(x, slope=0.5):
        kept = mpmd.maximum(x, 0)
        return kept + slope * mpmd.minimum(x, 0)
    """)
    text = body(task("x: In[f32, M], y: Out[f32, M]", "y[:] = g(x[:], 0.25)"), g=leaky)
    same(
        text,
        """
        %0: f32[M] = load x[0:+M]
        %1: f32[] = const value=0.0
        %2: f32[M] = maximum %0, %1
        %3: f32[] = const value=0.0
        %4: f32[M] = minimum %0, %3
        %5: f32[] = const value=0.25
        %6: f32[M] = mul %5, %4
        %7: f32[M] = add %2, %6
        store y[0:+M] = %7
        """,
    )


def test_statements_have_the_spans_of_their_own_lines():
    double = inline("def double(x):\n    y = x + x\n    return y")
    definition = parse(task("x: In[f32, M], y: Out[f32, M]", "y[:] = g(x[:])"), g=double)
    assert [(s.span.file, s.span.line) for s in definition.body][1] == ("i.py", 3)
    assert definition.body[0].span.file == definition.body[2].span.file == definition.span.file


def evaluated(function: Any, lines: str, **outer: Any) -> list[float]:
    y = np.zeros(3, np.float32)
    definition = parse(task("x: In[f32, N], y: InOut[f32, N]", lines), g=function, **outer)
    run(definition, np.array([1, -2, 3], np.float32), y)
    return y.tolist()


def test_arguments_are_given_by_place_and_by_name():
    function = inline("def function(a, b, /, c=10, d=100):\n    return a * 1000 + b + c + d")
    assert evaluated(function, "y[:] = g(x[:], 1)") == [1111, -1889, 3111]
    assert evaluated(function, "y[:] = g(x[:], 1, d=2)") == [1013, -1987, 3013]
    assert evaluated(function, "y[:] = g(b=1, a=x[:], d=2, c=3)") == [1006, -1994, 3006]


def test_several_values_are_returned_as_a_tuple():
    function = inline("def function(a):\n    return a + 1, (a * 2, 5)")
    assert evaluated(function, "p, (q, r) = g(x[:])\ny[:] = p * r + q") == [12, -9, 26]


def test_tensors_may_be_passed_whole_read_and_written():
    function = inline("""
    def function(source, target, by):
        for i in range(source.shape[0]):
            target[i] = source[i] * by
    """)
    assert evaluated(function, "g(x, y, 3)") == [3, -6, 9]
    assert evaluated(function, "g(by=3, target=y, source=x)") == [3, -6, 9]


def test_channels_may_be_passed():
    function = inline("def function(incoming, outgoing):\n    mpmd.send(outgoing, mpmd.recv(incoming) + 1)")
    text = body(task("d: Recv[f32, M], c: Send[f32, M]", "g(d, c)\ng(outgoing=c, incoming=d)"), g=function)
    assert [line.split()[0] for line in text.splitlines()].count("send") == 2


def test_names_are_the_functions_own():
    function = inline("""
    def function(x):
        y = x + 1
        for i in range(2):
            y = y * scale
        return y
    """, scale=2)  # fmt: skip
    lines = """
    i = 10
    scale = 3
    v = g(x[:])
    for i in range(2):
        v = g(v) + i
    y[:] = v + scale
    """
    assert evaluated(function, lines) == [_expected(x) for x in (1, -2, 3)]


def _expected(x: float) -> float:
    v = (x + 1) * 4
    for i in range(2):
        v = (v + 1) * 4 + i
    return v + 3


def test_closures_and_functions_within_functions():
    def make(scale: float) -> Any:
        @mpmd.inline
        def scaled(x):
            return x * scale

        return scaled

    twice, thrice = make(2.0), make(3.0)

    @mpmd.inline
    def both(x):
        return twice(x) + thrice(twice(x))

    assert evaluated(both, "y[:] = g(x[:])") == [8, -16, 24]


def test_loops_and_branches_inside_carry_values():
    function = inline("""
    def function(x, n):
        total = 0
        for i in range(n):
            if x[i] > 0:
                total = total + x[i]
            else:
                total = total - 1
        return total
    """)
    assert evaluated(function, "y[:] = g(x[:], 3)") == [3, 3, 3]


def test_a_call_in_a_branch_stays_there():
    function = inline("def function(a, to):\n    to[:] = a")
    lines = """
    if mpmd.sum(x[:]) > 100:
        g(x[:], y)
    """
    assert evaluated(function, lines) == [0, 0, 0]


def test_a_function_may_return_nothing_or_only_return():
    assert body(task("x: InOut[f32, M]", "g(x)"), g=inline('def f(x):\n    """Nothing."""')) == ""
    assert body(task("x: InOut[f32, M]", "g()"), g=inline("def f():\n    return")) == ""


def test_from_python_it_is_a_function():
    function = inline("def function(a, b=2):\n    return a * b")
    assert (function(3), function(3, b=5), function.__name__) == (6, 15, "function")
    assert repr(function) == "<inline function function>"


# -- refusals ---------------------------------------------------------------------------------------


def refusal(function: str, lines: str, **outer: Any) -> str:
    source = task("x: In[f32, M, N], y: InOut[f32, M, N]", lines)
    with pytest.raises(Diagnostic) as caught:
        parse(source, g=inline(function, **outer))
    text = str(caught.value)
    file = caught.value.related[-1].span.file if caught.value.related else caught.value.span.file
    return text.replace(file, "t.py") if file != "i.py" else text


def test_a_mistake_inside_names_the_call_too():
    same(
        refusal("def f(a, b):\n    c = a + 1\n    return c @ b", "y[:] = g(x[:], b=x[:])"),
        """
        error[type]: '@' of f32[M, N] and f32[M, N]: the inner extents differ
          --> i.py:4:12
        4 |     return c @ b
                       ^^^^^ N against M
          related: t.py:3 calls 'f'
          hint: transpose the right one (.T)
        """,
    )


def test_an_early_return_is_refused():
    same(
        refusal("def f(a):\n    if a[0, 0] > 0:\n        return a\n    return -a", "y[:] = g(x[:])"),
        """
        error[language]: 'f' returns before its end
          --> i.py:4:9
        4 |         return a
                    ^^^^^^^^
          related: t.py:3 calls 'f'
          hint: it returns in its last line: give the value a name, and choose by 'if'
        """,
    )


def test_recursion_is_refused():
    same(
        refusal("def f(a):\n    return f(a) + 1", "y[:] = g(x[:])"),
        """
        error[language]: inline function 'f' calls itself
          --> i.py:3:12
        3 |     return f(a) + 1
                       ^^^^
          related: t.py:3 calls 'f'
          hint: its body takes the place of the call: repeat by a loop
        """,
    )


def test_recursion_by_another_function_is_refused():
    @mpmd.inline
    def even(x):
        return odd(x)

    odd = inline("def odd(x):\n    return even(x)", even=even)
    with pytest.raises(LanguageError) as caught:
        parse(task("x: In[f32, M], y: Out[f32, M]", "y[:] = g(x[:])"), g=even)
    assert caught.value.message == "inline function 'even' calls itself"
    assert [note.text for note in caught.value.related] == ["calls 'odd'", "calls 'even'"]


@pytest.mark.parametrize(
    ("parameters", "call", "message", "hints"),
    [
        ("a, b", "g(x[:])", "'f' needs 'b'", ()),
        ("a", "g(x[:], 1)", "'f' takes 1 argument, but 2 are given", ()),
        ("a, by=1", "g(x[:], bye=1)", "'f' has no parameter 'bye'", ("did you mean 'by'?",)),
        ("a", "g(x[:], a=1)", "'f' gets 'a' twice", ()),
        ("a", "g(*x)", "'*' cannot stand in a task", ()),
        ("a", "g(**x)", "'**' cannot stand in a task", ()),
        (
            "*a",
            "g(x)",
            "'a' of inline function 'f' is not an ordinary parameter",
            ("its parameters have names and, some of them, defaults: no '*' and no '**'",),
        ),
        (
            "*, a",
            "g(a=x)",
            "'a' of inline function 'f' is not an ordinary parameter",
            ("its parameters have names and, some of them, defaults: no '*' and no '**'",),
        ),
    ],
)
def test_calls_that_do_not_fit(parameters: str, call: str, message: str, hints: tuple[str, ...]):
    function = inline(f"def f({parameters}):\n    return a")
    with pytest.raises(LanguageError) as caught:
        parse(task("x: In[f32, M], y: Out[f32, M]", f"y[:] = {call}"), g=function)
    assert (caught.value.message, caught.value.hints) == (message, hints)


def test_a_dim_of_others_is_no_dim_inside():
    function = inline("def f(a):\n    return a + K", K=mpmd.dims("K")[0])
    with pytest.raises(LanguageError, match="dim 'K' is no extent of this task's tensors"):
        parse(task("x: In[f32, M], y: Out[f32, M]", "y[:] = g(x[:])"), g=function)


def test_a_value_that_is_not_returned_is_not_used():
    with pytest.raises(LanguageError, match="the value of this expression is not used"):
        parse(task("x: In[f32, M], y: InOut[f32, M]", "g(x[:])"), g=_EXAMPLE)


def test_a_tensor_keeps_its_name_inside():
    with pytest.raises(LanguageError, match="assigning to its name stores nothing"):
        parse(task("x: In[f32, M], y: InOut[f32, M]", "g(y)"), g=inline("def f(a):\n    a = 3"))


def test_plain_functions_are_pointed_to_inline():
    def helper(x: Any) -> Any:
        return x

    with pytest.raises(LanguageError) as caught:
        parse(task("x: In[f32, M], y: InOut[f32, M]", "y[:] = helper(x[:])"), helper=helper)
    assert caught.value.hints == ("put 'helper' under @mpmd.inline, so that it becomes a part of the task",)


def test_only_functions_are_inline():
    with pytest.raises(LanguageError) as caught:
        mpmd.inline(lambda x: x)
    assert caught.value.message == "@mpmd.inline is for functions made with 'def', not for <lambda>"


def test_a_type_error_is_of_its_kind():
    function = inline("def f(a):\n    return a.reshape((3, -1, -1))")
    with pytest.raises(TypeMismatch):
        parse(task("x: In[f32, M], y: InOut[f32, M]", "y[:] = g(x[:])"), g=function)

"""Tiles that do not fit together: each refusal, with the text that the user sees."""

from __future__ import annotations

import pytest
from parsing import refuses, task

from mpmd.errors import Diagnostic, LanguageError, TypeMismatch

TWO = "x: In[f32, M, N], y: Out[f32, M, N]"
MANY = f"{TWO}, ids: In[i32, N], flag: InOut[bool_, ()], rows: InOut[i32, 4], small: In[i8, N]"

INDICES = [
    (
        TypeMismatch,
        "v = x[0, 1, 2]",
        """
        error[type]: 'x' has 2 axes, but 3 are indexed
          --> t.py:3:9
        3 |     v = x[0, 1, 2]
                    ^^^^^^^^^^
        """,
    ),
    (
        TypeMismatch,
        "v = x[:][0, 1, 2]",
        """
        error[type]: the tile f32[M, N] has 2 axes, but 3 are indexed
          --> t.py:3:9
        3 |     v = x[:][0, 1, 2]
                    ^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = x[..., ...]",
        """
        error[language]: '...' stands once in an index
          --> t.py:3:16
        3 |     v = x[..., ...]
                           ^^^
        """,
    ),
    (
        TypeMismatch,
        "v = x[1.5]",
        """
        error[type]: an index is an integer, not the number 1.5
          --> t.py:3:11
        3 |     v = x[1.5]
                      ^^^
        """,
    ),
    (
        TypeMismatch,
        "v = x[0.5:]",
        """
        error[type]: a slice bound is an integer, not the number 0.5
          --> t.py:3:11
        3 |     v = x[0.5:]
                      ^^^^
        """,
    ),
    (
        LanguageError,
        "v = x[::-1]",
        """
        error[language]: the step of a slice is a positive constant
          --> t.py:3:11
        3 |     v = x[::-1]
                      ^^^^ here it is the number -1
        """,
    ),
    (
        LanguageError,
        "v = x[::N]",
        """
        error[language]: the step of a slice is a positive constant
          --> t.py:3:11
        3 |     v = x[::N]
                      ^^^ here it is the number N
        """,
    ),
    (
        LanguageError,
        "v = x[x[0]]",
        """
        error[language]: 'x' is indexed by a tile f32[N]
          --> t.py:3:11
        3 |     v = x[x[0]]
                      ^^^^
          hint: rows of a tensor are gathered by a vector in the first index: table[ids]
        """,
    ),
    (
        LanguageError,
        "v = x[:, ids[:]]",
        """
        error[language]: 'x' is indexed by a tile i32[N]
          --> t.py:3:14
        3 |     v = x[:, ids[:]]
                         ^^^^^^
          hint: rows of a tensor are gathered by a vector in the first index: table[ids]
        """,
    ),
    (
        LanguageError,
        "v = x[:][ids[:]]",
        """
        error[language]: a tile value is indexed by a tile i32[N]
          --> t.py:3:14
        3 |     v = x[:][ids[:]]
                         ^^^^^^
          hint: rows of a tensor are gathered by a vector in the first index: table[ids]
        """,
    ),
    (
        LanguageError,
        "v = x[ids[:] > 0]",
        """
        error[language]: a mask is not an index
          --> t.py:3:11
        3 |     v = x[ids[:] > 0]
                      ^^^^^^^^^^ this is bool[N]
          hint: choose values instead: mpmd.where(mask, a, b)
        """,
    ),
    (
        TypeMismatch,
        "v = x[ids[:][:, None]]",
        """
        error[type]: rows of 'x' are gathered by a vector, not by a tile i32[N, 1]
          --> t.py:3:11
        3 |     v = x[ids[:][:, None]]
                      ^^^^^^^^^^^^^^^
          hint: reshape the indices to one axis, and the rows afterwards
        """,
    ),
    (
        LanguageError,
        "y[ids[:]] = 0",
        """
        error[language]: a store cannot scatter by a vector of indices
          --> t.py:3:7
        3 |     y[ids[:]] = 0
                  ^^^^^^
          hint: write a loop: for i in range(n): y[ids[i]] = value[i]
        """,
    ),
    (
        LanguageError,
        "y[None] = 0",
        """
        error[language]: a store cannot insert axes
          --> t.py:3:7
        3 |     y[None] = 0
                  ^^^^
          hint: reshape the value instead: y[:] = value[:, None]
        """,
    ),
    (
        TypeMismatch,
        "flag[:] = True",
        """
        error[type]: 'flag' has 0 axes, but 1 are indexed
          --> t.py:3:5
        3 |     flag[:] = True
                ^^^^^^^
          hint: a 0-d tensor has one element, at [()]
        """,
    ),
    (
        LanguageError,
        "v = x.shape[2]",
        """
        error[language]: a tuple of 2 is indexed by a constant within it
          --> t.py:3:9
        3 |     v = x.shape[2]
                    ^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = (1, 2)[ids[0]]",
        """
        error[language]: a tuple of 2 is indexed by a constant within it
          --> t.py:3:9
        3 |     v = (1, 2)[ids[0]]
                    ^^^^^^^^^^^^^^
        """,
    ),
    (
        TypeMismatch,
        """
        for j in mpmd.tiles(N, 4):
            v = x[j : 4]
        """,
        """
        error[type]: a slice bound is an integer, not a piece of tiles()
          --> t.py:4:15
        4 |         v = x[j : 4]
                          ^^^^^
          hint: use its .start, .size or .index
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), INDICES)
def test_indices_that_do_not_fit(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(MANY, lines), kind, expected)


TYPES = [
    (
        TypeMismatch,
        "y[:] = x[:, :4]",
        """
        error[type]: a value of shape [M, 4] is stored into [M, N] of 'y'
          --> t.py:3:5
        3 |     y[:] = x[:, :4]
                ^^^^ the shapes differ
          related: t.py:2 declares 'y' as [M, N]
        """,
    ),
    (
        TypeMismatch,
        "y[:] = x[:, None]",
        """
        error[type]: a value of shape [M, 1, N] is stored into [M, N] of 'y'
          --> t.py:3:5
        3 |     y[:] = x[:, None]
                ^^^^ the shapes differ
          related: t.py:2 declares 'y' as [M, N]
        """,
    ),
    (
        TypeMismatch,
        "rows[:] = 0.5",
        """
        error[type]: f32 is stored into 'rows' of i32
          --> t.py:3:5
        3 |     rows[:] = 0.5
                ^^^^^^^ only a width may change in a store
          related: t.py:2 declares 'rows' as i32
          hint: cast it: value.astype(mpmd.i32)
        """,
    ),
    (
        TypeMismatch,
        "flag[()] = 1",
        """
        error[type]: i64 is stored into 'flag' of bool
          --> t.py:3:5
        3 |     flag[()] = 1
                ^^^^^^^^ only a width may change in a store
          related: t.py:2 declares 'flag' as bool
          hint: compare first: x != 0
        """,
    ),
    (
        LanguageError,
        "y[:] = mpmd.exp",
        """
        error[language]: the function mpmd.exp is not a tile
          --> t.py:3:12
        3 |     y[:] = mpmd.exp
                       ^^^^^^^^
        """,
    ),
    (
        TypeMismatch,
        "v = x[:] @ x[:]",
        """
        error[type]: '@' of f32[M, N] and f32[M, N]: the inner extents differ
          --> t.py:3:9
        3 |     v = x[:] @ x[:]
                    ^^^^^^^^^^^ N against M
          hint: transpose the right one (.T)
        """,
    ),
    (
        TypeMismatch,
        "v = x[:] @ 2",
        """
        error[type]: '@' of f32[M, N] and f32[]: both operands have two axes
          --> t.py:3:9
        3 |     v = x[:] @ 2
                    ^^^^^^^^
          hint: reshape them first
        """,
    ),
    (
        TypeMismatch,
        "v = x[:] + x[:].T",
        """
        error[type]: shapes [M, N] and [N, M] do not broadcast
          --> t.py:3:9
        3 |     v = x[:] + x[:].T
                    ^^^^^^^^^^^^^ extent M against N
          hint: if M and N are always equal, name them by one dim
        """,
    ),
    (
        TypeMismatch,
        "v = x[:] & 1",
        """
        error[type]: 'and' works on integers and bools, not on f32
          --> t.py:3:9
        3 |     v = x[:] & 1
                    ^^^^^^^^ this is f32
          hint: compare first (x != 0), or cast: x.astype(mpmd.i32)
        """,
    ),
    (
        TypeMismatch,
        "v = mpmd.exp(ids[:])",
        """
        error[type]: 'exp' works on floats, not on i32
          --> t.py:3:9
        3 |     v = mpmd.exp(ids[:])
                    ^^^^^^^^^^^^^^^^ this is i32
          hint: cast it first: x.astype(mpmd.f32)
        """,
    ),
    (
        TypeMismatch,
        "v = small[:] + 300",
        """
        error[type]: the number 300 does not fit in i8
          --> t.py:3:9
        3 |     v = small[:] + 300
                    ^^^^^^^^^^^^^^ i8 holds -128 … 127
          hint: cast the other operand to a wider type: x.astype(mpmd.i32)
        """,
    ),
    (
        TypeMismatch,
        "v = x[:].sum(2)",
        """
        error[type]: 'sum' along axis 2 of f32[M, N]
          --> t.py:3:9
        3 |     v = x[:].sum(2)
                    ^^^^^^^^^^^ the tile has 2 axes
        """,
    ),
    (
        TypeMismatch,
        "v = x[:].sum((0, 0))",
        """
        error[type]: 'sum' names an axis twice
          --> t.py:3:9
        3 |     v = x[:].sum((0, 0))
                    ^^^^^^^^^^^^^^^^
        """,
    ),
    (
        TypeMismatch,
        "v = x[:].argmax((0, 1))",
        """
        error[type]: 'argmax' works along one axis
          --> t.py:3:9
        3 |     v = x[:].argmax((0, 1))
                    ^^^^^^^^^^^^^^^^^^^ 2 axes here
        """,
    ),
    (
        TypeMismatch,
        "v = x[:].reshape((3, -1))",
        """
        error[type]: the −1 in a reshape of f32[M, N] cannot be inferred
          --> t.py:3:9
        3 |     v = x[:].reshape((3, -1))
                    ^^^^^^^^^^^^^^^^^^^^^
          hint: write the extent itself
        """,
    ),
    (
        TypeMismatch,
        "v = x[:].reshape((2, N))",
        """
        error[type]: cannot reshape f32[M, N] to [2, N]
          --> t.py:3:9
        3 |     v = x[:].reshape((2, N))
                    ^^^^^^^^^^^^^^^^^^^^ (M * N) elements against 2*N
        """,
    ),
    (
        TypeMismatch,
        "v = mpmd.zeros((-1,))",
        """
        error[type]: an extent of -1
          --> t.py:3:9
        3 |     v = mpmd.zeros((-1,))
                    ^^^^^^^^^^^^^^^^^ extents are not negative
        """,
    ),
    (
        TypeMismatch,
        "v = mpmd.full((3,), x[:])",
        """
        error[type]: 'full' repeats one number, not a tile f32[M, N]
          --> t.py:3:9
        3 |     v = mpmd.full((3,), x[:])
                    ^^^^^^^^^^^^^^^^^^^^^
        """,
    ),
    (
        TypeMismatch,
        "v = x[:].transpose((0, 0))",
        """
        error[type]: (0, 0) is not an order of the 2 axes of f32[M, N]
          --> t.py:3:9
        3 |     v = x[:].transpose((0, 0))
                    ^^^^^^^^^^^^^^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = 0 < x[:] < 1",
        """
        error[language]: a chain of comparisons is for single numbers, not for tiles
          --> t.py:3:9
        3 |     v = 0 < x[:] < 1
                    ^^^^^^^^^^^^
          hint: write (a < b) & (b < c)
        """,
    ),
    (
        LanguageError,
        "a, b = x[:]",
        """
        error[language]: a tile f32[M, N] is unpacked into 2 names
          --> t.py:3:12
        3 |     a, b = x[:]
                       ^^^^
        """,
    ),
    (
        LanguageError,
        "a, b = (1, 2, 3)",
        """
        error[language]: a tuple of 3 is unpacked into 2 names
          --> t.py:3:12
        3 |     a, b = (1, 2, 3)
                       ^^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = 1 // 0",
        """
        error[language]: division by zero
          --> t.py:3:9
        3 |     v = 1 // 0
                    ^^^^^^ the divisor is 0
        """,
    ),
    (
        LanguageError,
        "v = 10 ** 30",
        """
        error[language]: an integer constant beyond 64 bits
          --> t.py:3:9
        3 |     v = 10 ** 30
                    ^^^^^^^^
        """,
    ),
    (
        LanguageError,
        "v = (-8) ** 0.5",
        """
        error[language]: a constant that has no real value
          --> t.py:3:9
        3 |     v = (-8) ** 0.5
                    ^^^^^^^^^^^
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), TYPES)
def test_types_that_do_not_fit(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(MANY, lines), kind, expected)


CONDITIONS = [
    (
        TypeMismatch,
        """
        if x[:] > 0:
            pass
        """,
        """
        error[type]: a condition is one bool, not a tile bool[M, N]
          --> t.py:3:8
        3 |     if x[:] > 0:
                   ^^^^^^^^ many values, one decision
          hint: choose element by element with mpmd.where, or reduce it with .any() or .all()
        """,
    ),
    (
        TypeMismatch,
        """
        if x[0, 0]:
            pass
        """,
        """
        error[type]: a condition is a bool, not a number of type f32
          --> t.py:3:8
        3 |     if x[0, 0]:
                   ^^^^^^^
          hint: compare it: x != 0
        """,
    ),
    (
        TypeMismatch,
        """
        if N:
            pass
        """,
        """
        error[type]: a condition is a bool, not the number N
          --> t.py:3:8
        3 |     if N:
                   ^
          hint: compare it: x != 0
        """,
    ),
    (
        TypeMismatch,
        "v = not x[:]",
        """
        error[type]: a condition is one bool, not a tile f32[M, N]
          --> t.py:3:13
        3 |     v = not x[:]
                        ^^^^ many values, one decision
          hint: choose element by element with mpmd.where, or reduce it with .any() or .all()
        """,
    ),
    (
        TypeMismatch,
        "v = 1 if x[:] > 0 else 2",
        """
        error[type]: a condition is one bool, not a tile bool[M, N]
          --> t.py:3:14
        3 |     v = 1 if x[:] > 0 else 2
                         ^^^^^^^^ many values, one decision
          hint: choose element by element with mpmd.where, or reduce it with .any() or .all()
        """,
    ),
    (
        TypeMismatch,
        "v = x[0, 0] and True",
        """
        error[type]: a condition is a bool, not a number of type f32
          --> t.py:3:9
        3 |     v = x[0, 0] and True
                    ^^^^^^^^^^^^^^^^
          hint: compare it: x != 0
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), CONDITIONS)
def test_a_condition_is_one_bool(kind: type[Diagnostic], lines: str, expected: str) -> None:
    refuses(task(MANY, lines), kind, expected)


CARRIED_SIGNATURE = "x: In[f32, M, N], y: Out[f32, M, N], n: i32"


CARRIED = [
    (
        TypeMismatch,
        """
        acc = mpmd.zeros((N,), f16)
        for i in range(M):
            acc += x[i]
        """,
        """
        error[type]: 'acc' changes its type in the loop
          --> t.py:5:9
        5 |         acc += x[i]
                    ^^^ becomes a tile f32[N]
          related: t.py:4 the loop starts with a tile f16[N]
          hint: start with f32, or bring it back: .astype(mpmd.f16)
        """,
    ),
    (
        TypeMismatch,
        """
        v = x[:, 0]
        for j in mpmd.tiles(N, 4):
            y[:] = v[:, None]
            v = x[j.index, j]
        """,
        """
        error[type]: 'v' changes its type in the loop
          --> t.py:6:9
        6 |         v = x[j.index, j]
                    ^ becomes a tile f32[j.size]
          related: t.py:4 the loop starts with a tile f32[M]
          hint: give it the same dtype and shape before the loop and in every iteration
        """,
    ),
    (
        LanguageError,
        """
        for i in range(M):
            v = x[i]
        y[:] = v
        """,
        """
        error[language]: 'v' has a value only inside of a loop
          --> t.py:5:12
        5 |     y[:] = v
                       ^
          related: t.py:3 the loop, which may run no times
          hint: assign 'v' before the loop, with one type
        """,
    ),
    (
        LanguageError,
        """
        for i in range(M):
            pass
        y[:] = i
        """,
        """
        error[language]: 'i' has a value only inside of a loop
          --> t.py:5:12
        5 |     y[:] = i
                       ^
          related: t.py:3 the loop, which may run no times
          hint: assign 'i' before the loop, with one type
        """,
    ),
    (
        LanguageError,
        """
        s = x.shape
        for i in range(M):
            v = s[0]
            s = (1, 2)
        """,
        """
        error[language]: 's' is assigned later in this loop
          --> t.py:5:13
        5 |         v = s[0]
                        ^
          related: t.py:4 the loop
          hint: only tiles and numbers live from one iteration to the next
        """,
    ),
    (
        LanguageError,
        """
        if n > 0:
            v = 1
        y[:] = v
        """,
        """
        error[language]: 'v' is assigned in only one arm of an 'if'
          --> t.py:5:12
        5 |     y[:] = v
                       ^
          related: t.py:3 decides
          hint: assign 'v' before the 'if'
        """,
    ),
    (
        TypeMismatch,
        """
        if n > 0:
            v = x[:]
        else:
            v = x[0]
        """,
        """
        error[type]: 'v' has another type in each arm
          --> t.py:3:8
        3 |     if n > 0:
                   ^^^^^ a tile f32[M, N] or a tile f32[N]
          hint: bring both to one dtype (.astype) and one shape
        """,
    ),
    (
        LanguageError,
        """
        if n > 0:
            v = f32
        else:
            v = f16
        y[:] = x[:].astype(v)
        """,
        """
        error[language]: 'v' differs between the arms of an 'if' and is no tile
          --> t.py:7:24
        7 |     y[:] = x[:].astype(v)
                                   ^
          related: t.py:3 decides
          hint: decide it before the task
        """,
    ),
    (
        LanguageError,
        """
        v = 0.0
        for i in range(M):
            if n > i:
                w = 1.0
            v = v + w
        """,
        """
        error[language]: 'w' is assigned in only one arm of an 'if'
          --> t.py:7:17
        7 |         v = v + w
                            ^
          related: t.py:5 decides
          hint: assign 'w' before the 'if'
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), CARRIED)
def test_names_across_loops_and_branches_keep_one_type(
    kind: type[Diagnostic], lines: str, expected: str
) -> None:
    refuses(task(CARRIED_SIGNATURE, lines), kind, expected)

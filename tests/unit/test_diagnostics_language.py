"""What a user sees of a write, a read or a piece of Python that has no place there."""

from __future__ import annotations

import pytest

from tests.unit.user_files import COPY, Case, seen

CASES = (
    Case(
        "write-in-task",
        """
@mpmd.task
def copy(x: In[f32, N], y: In[f32, N]):
    y[:] = x[:]
""",
        """
error[direction]: 'y' is In and is written
  --> user.py:10:5
10 |     y[:] = x[:]
         ^^^^ writes 'y'
  related: user.py:9 declares 'y'
  hint: declare 'y' as Out, or as InOut where its old contents matter
""",
    ),
    Case(
        "write-in-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: In[f32, N]):
    copy(x, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 4), mpmd.spec(f32, 4))
""",
        """
error[direction]: 'y' is In, but 'y' of 'copy' writes it (Out)
  --> user.py:14:5
14 |     copy(x, y)
         ^^^^^^^^^^ 'y' is In
  related: user.py:9 declares 'y' as Out f32
  hint: declare 'y' as Out or InOut in the kernel
""",
    ),
    Case(
        "unwritten-out-task",
        """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    z = x[:]
""",
        """
error[direction]: 'y' is Out, but is never written
  --> user.py:9:25
9 | def copy(x: In[f32, N], y: Out[f32, N]):
                            ^^^^^^^^^^^^^^ never written
  hint: write all of it, or declare 'y' as InOut: what is not written then survives
""",
    ),
    Case(
        "partly-written-out-task",
        """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    y[1:] = x[1:]
""",
        """
error[direction]: 'y' is Out, but is not written on every path
  --> user.py:9:25
9 | def copy(x: In[f32, N], y: Out[f32, N]):
                            ^^^^^^^^^^^^^^ some elements may be left unwritten
  related: user.py:10 writes a part of 'y'
  hint: write all of it, or declare 'y' as InOut: what is not written then survives
""",
    ),
    Case(
        "unwritten-out-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N], z: Out[f32, N]):
    copy(x, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 4), mpmd.spec(f32, 4), mpmd.spec(f32, 4))
""",
        """
error[direction]: 'z' is Out, but no call of 'kernel' writes it
  --> user.py:13:43
13 | def kernel(x: In[f32, N], y: Out[f32, N], z: Out[f32, N]):
                                               ^ never written
  hint: pass it to a task that writes it, or take the parameter out
""",
    ),
    Case(
        "partly-written-out-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    copy(x[1:], y[1:])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[direction]: 'y' is Out, but no call of 'kernel' writes y[0]
  --> user.py:13:27
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
                               ^ written in part
  hint: write all of it, or declare 'y' as InOut: what is not written then survives
""",
    ),
    Case(
        "uninitialised-read-task",
        """
@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] += x[:]
""",
        """
error[direction]: 'y' is Out, and is read before it is written
  --> user.py:10:5
10 |     y[:] += x[:]
         ^^^^ its old contents cannot be read
  related: user.py:9 declares 'y'
  hint: write these elements first, or declare 'y' as InOut
""",
    ),
    Case(
        "uninitialised-read-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(y: Out[f32, N]):
    h = mpmd.empty(N, f32)
    copy(h, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 4))
""",
        """
error[direction]: 'h' is read before any call of 'kernel' has written it
  --> user.py:15:5
15 |     copy(h, y)
         ^^^^^^^^^^ 'copy' reads it as 'x'
  related: user.py:14 makes 'h' (local)
  related: user.py:9 'x' is read
  hint: call a task that writes 'h' first
""",
    ),
    Case(
        "partly-uninitialised-read-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    h = mpmd.empty(N, f32)
    copy(x[:4], h[:4])
    copy(h, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[direction]: 'h' at [4:8] is read before any call of 'kernel' has written it
  --> user.py:16:5
16 |     copy(h, y)
         ^^^^^^^^^^ 'copy' reads it as 'x'
  related: user.py:14 makes 'h' (local)
  related: user.py:9 'x' is read
  hint: call a task that writes 'h' first
""",
    ),
    Case(
        "unsupported-python",
        """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    while True:
        y[:] = x[:]
""",
        """
error[language]: 'while' cannot stand in a task
  --> user.py:10:5
10 |     while True:
         ^^^^^^^^^^^ not in the language
  hint: loop over range(…), with a bound known when the loop starts
""",
    ),
    Case(
        "unsupported-expression",
        """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    y[:] = [v for v in x[:]]
""",
        """
error[language]: a list comprehension cannot stand in a task
  --> user.py:10:12
10 |     y[:] = [v for v in x[:]]
                ^^^^^^^^^^^^^^^^^ not in the language
  hint: use a loop, or operations on whole tiles
""",
    ),
    Case(
        "control-flow-tile",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N):
        if t.start > 0:
            copy(x[t], y[t])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[language]: 't.start' is not known while the kernel is traced
  --> user.py:15:12
15 |         if t.start > 0:
                ^^^^^^^^^^^ compared
  hint: pass it to a task and decide there: a task may branch on its scalars
""",
    ),
    Case(
        "control-flow-scalar",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], pos: i32, y: Out[f32, N]):
    if pos:
        copy(x, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(i32), mpmd.spec(f32, 8))
""",
        """
error[language]: 'pos' is not known while the kernel is traced
  --> user.py:14:5
14 |     if pos:
         ^^^^^^^ tested as a condition
  hint: pass it to a task and decide there: a task may branch on its scalars
""",
    ),
    Case(
        "control-flow-in-a-task",
        """
@mpmd.task
def relu(x: In[f32, N], y: Out[f32, N]):
    if x[:] > 0:
        y[:] = x[:]
    else:
        y[:] = 0
""",
        """
error[type]: a condition is one bool, not a tile bool[N]
  --> user.py:10:8
10 |     if x[:] > 0:
            ^^^^^^^^ many values, one decision
  hint: choose element by element with mpmd.where, or reduce it with .any() or .all()
""",
    ),
    Case(
        "carried-name",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    h = x
    for i in mpmd.loop(3):
        g = mpmd.empty(N, f32)
        copy(h, g)
        h = g
    copy(h, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[language]: 'h' is carried from one iteration of a symbolic loop to the next
  --> user.py:18:9
18 |         h = g
             ^ bound again here
  related: user.py:15 is the loop, whose body is traced once
  hint: keep what is carried in a tensor, or unroll with Python's range
""",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_user_sees_the_place_the_reason_and_the_remedy(case, tmp_path):
    assert seen(case, tmp_path) == case.text.strip("\n")

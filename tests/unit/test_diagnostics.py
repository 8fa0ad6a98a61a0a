"""What a user sees of each law that is broken: the whole diagnostic, from a file of theirs by the API."""

from __future__ import annotations

import importlib.util
import linecache
from dataclasses import dataclass
from pathlib import Path

import pytest

from mpmd.errors import Diagnostic
from mpmd.runtime import toolchain

PREAMBLE = """\
import numpy as np

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32

M, N = mpmd.dims("M N")
"""

COPY = """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:]
"""

KERNEL = (
    COPY
    + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    copy(x, y)
"""
)

LAUNCH = (
    COPY
    + """
@mpmd.kernel
def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
    copy(x[start:stop], y[start:stop])

zeros, frozen = np.zeros(8, np.float32), np.zeros(8, np.float32)
frozen.flags.writeable = False
args = (mpmd.spec(f32, 8), mpmd.spec(i32), mpmd.spec(i32), mpmd.spec(f32, 8))
"""
)


@dataclass(frozen=True)
class Case:
    """A user's file, whose import (or whose `go()`) is refused, and the text that the user sees."""

    name: str
    source: str
    text: str


def refused(path: Path, source: str) -> str:
    """What is raised by importing this file and calling its `go`, as text; the folder is left out."""
    path.write_text(source)
    linecache.checkcache(str(path))
    spec = importlib.util.spec_from_file_location("user", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.raises(Diagnostic) as caught:
        spec.loader.exec_module(module)
        module.go()
    return str(caught.value).replace(f"{path.parent}/", "")


CASES = (
    Case(
        "rank-task-call",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, M, N], y: Out[f32, N]):
    copy(x, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, (2, 4)), mpmd.spec(f32, 4))
""",
        """
error[type]: 'x' of 'copy' has rank 1, but 'x' has rank 2
  --> user.py:14:5
14 |     copy(x, y)
         ^^^^^^^^^^ its shape is (2, 4)
  related: user.py:9 declares 'x' as In f32
  hint: an integer index drops an axis; a slice keeps it
""",
    ),
    Case(
        "rank-argument",
        KERNEL
        + """
def go():
    kernel(np.zeros((2, 4), np.float32), np.zeros(4, np.float32))
""",
        """
error[argument]: 'x' of kernel 'kernel' has rank 1, but the argument has rank 2
  --> user.py:13:12
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
                ^ its shape is (2, 4)
  hint: declare one extent for each axis, or pass a view with fewer axes: x[0], x.reshape(…)
""",
    ),
    Case(
        "dtype-task-call",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[i32, N], y: Out[f32, N]):
    copy(x, y)

def go():
    mpmd.compile(kernel, mpmd.spec(i32, 4), mpmd.spec(f32, 4))
""",
        """
error[type]: 'x' of 'copy' is f32, but 'x' is i32
  --> user.py:14:5
14 |     copy(x, y)
         ^^^^^^^^^^ 'x' is i32
  related: user.py:9 declares 'x' as In f32
  hint: a call converts nothing: declare the same type, or cast in a task with .astype
""",
    ),
    Case(
        "dtype-argument",
        KERNEL
        + """
def go():
    kernel(np.zeros(4), np.zeros(4, np.float32))
""",
        """
error[argument]: 'x' of kernel 'kernel' is f32, but the argument is f64
  --> user.py:13:12
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
                ^ declared as f32
  hint: a launch converts nothing: convert the argument, or declare what it is
""",
    ),
    Case(
        "dtype-in-a-task",
        """
@mpmd.task
def product(x: In[i32, N], y: Out[f32, N]):
    y[:] = mpmd.exp(x[:])
""",
        """
error[type]: 'exp' works on floats, not on i32
  --> user.py:10:12
10 |     y[:] = mpmd.exp(x[:])
                ^^^^^^^^^^^^^^ this is i32
  hint: cast it first: x.astype(mpmd.f32)
""",
    ),
    Case(
        "extent-task-call",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, M], y: Out[f32, N]):
    copy(x, y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 4), mpmd.spec(f32, 8))
""",
        """
error[type]: 'N' of 'copy' is 4 in 'x' but 8 in 'y'
  --> user.py:14:5
14 |     copy(x, y)
         ^^^^^^^^^^ 4 and 8
  related: user.py:9 declares 'x' as In f32
  related: user.py:9 declares 'y' as Out f32
  hint: pass parts of equal extents, or declare another dim in the task
""",
    ),
    Case(
        "extent-argument",
        KERNEL
        + """
def go():
    kernel(np.zeros(4, np.float32), np.zeros(8, np.float32))
""",
        """
error[argument]: 'N' of kernel 'kernel' is 4 in 'x' but 8 in 'y'
  --> user.py:13:27
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
                               ^ 4 and 8
  related: user.py:13 'x' has N = 4
  hint: pass tensors that agree on N, or declare another dim for one of them
""",
    ),
    Case(
        "extent-in-a-task",
        """
@mpmd.task
def add(x: In[f32, M], z: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] + z[:]
""",
        """
error[type]: shapes [M] and [N] do not broadcast
  --> user.py:10:12
10 |     y[:] = x[:] + z[:]
                ^^^^^^^^^^^ extent M against N
  hint: if M and N are always equal, name them by one dim
""",
    ),
    Case(
        "strides-argument",
        KERNEL
        + """
def go():
    kernel(np.zeros(4, np.float32), np.zeros(4, np.float32)[::-1])
""",
        """
error[argument]: the argument 'y' is an array with strides (-4,) (bytes)
  --> user.py:17:5
17 |     kernel(np.zeros(4, np.float32), np.zeros(4, np.float32)[::-1])
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 'y' is given here
  hint: pass a copy: numpy.ascontiguousarray
""",
    ),
    Case(
        "overlap-task-call",
        COPY
        + """
@mpmd.kernel
def kernel(x: InOut[f32, N]):
    copy(x[:4], x[2:6])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8))
""",
        """
error[alias]: 'x' and 'y' of 'copy' overlap, and 'y' is written
  --> user.py:14:5
14 |     copy(x[:4], x[2:6])
         ^^^^^^^^^^^^^^^^^^^ both are parts of 'x'
  related: user.py:9 declares 'x' as In f32
  related: user.py:9 declares 'y' as Out f32
  hint: pass it once and declare that parameter InOut, or write to another tensor
""",
    ),
    Case(
        "slice-static-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, M]):
    copy(x[2:10], y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[bounds]: slice 2:10 is out of bounds for axis 0 of 'x'
  --> user.py:14:10
14 |     copy(x[2:10], y)
              ^^^^^^^ the axis has extent 8
  hint: slices are not clipped: give a stop that is inside, or leave it out
""",
    ),
    Case(
        "index-static-kernel",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, M, N], y: Out[f32, N]):
    copy(x[2], y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, (2, 4)), mpmd.spec(f32, 4))
""",
        """
error[bounds]: index 2 is out of bounds for axis 0 of 'x'
  --> user.py:14:10
14 |     copy(x[2], y)
              ^^^^ the axis has extent 2
  hint: slices are not clipped: give a stop that is inside, or leave it out
""",
    ),
    Case(
        "slice-in-a-loop",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 4):
        copy(x[t.start + 1:t.start + 1 + t.size], y[t])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[bounds]: slice t.start + 1:t.start + 5 is out of bounds for axis 0 of 'x'
  --> user.py:15:14
15 |         copy(x[t.start + 1:t.start + 1 + t.size], y[t])
                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the axis has extent 8
  hint: slices are not clipped: give a stop that is inside, or leave it out
""",
    ),
    Case(
        "slice-negative-extent",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, M]):
    copy(x[6:2], y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 4))
""",
        """
error[bounds]: slice 6:2 is out of bounds for axis 0 of 'x'
  --> user.py:14:10
14 |     copy(x[6:2], y)
              ^^^^^^ the axis has extent 8
  hint: slices are not clipped: give a stop that is inside, or leave it out
""",
    ),
    Case(
        "slice-static-task",
        """
@mpmd.task
def head(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[1:N + 1]
""",
        """
error[bounds]: the slice 1 : N + 1 leaves axis 0 of 'x'
  --> user.py:10:12
10 |     y[:] = x[1:N + 1]
                ^^^^^^^^^^ the axis has N elements
  hint: slices are not clipped: give a stop that is inside, or leave it out
""",
    ),
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
    Case(
        "unknown-name-task",
        """
@mpmd.task
def copy(xs: In[f32, N], y: Out[f32, N]):
    y[:] = xz[:]
""",
        """
error[language]: 'xz' is not defined
  --> user.py:10:12
10 |     y[:] = xz[:]
                ^^ unknown name
  hint: define it before, or take it as a parameter
""",
    ),
    Case(
        "unknown-function",
        """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    y[:] = mpmd.expp(x[:])
""",
        """
error[language]: the module 'mpmd' has no 'expp'
  --> user.py:10:12
10 |     y[:] = mpmd.expp(x[:])
                ^^^^^^^^^ unknown name
  hint: did you mean 'exp'?
""",
    ),
    Case(
        "unknown-method",
        """
@mpmd.task
def total(x: In[f32, N], y: Out[f32, ()]):
    y[...] = x[:].summ()
""",
        """
error[language]: tiles have no method 'summ'
  --> user.py:10:14
10 |     y[...] = x[:].summ()
                  ^^^^^^^^^^^ unknown method
  hint: did you mean 'sum'?
""",
    ),
    Case(
        "unknown-dim",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(M):
        copy(x[t], y[t])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[language]: dim 'M' is not an extent of any parameter of this kernel
  --> user.py:14:14
14 |     for t in mpmd.tiles(M):
                  ^^^^^^^^^^^^^ has no value
  hint: its dims are N
""",
    ),
    Case(
        "unknown-parameter",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    copy(x, out=y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[type]: 'copy' has no parameter 'out'
  --> user.py:14:5
14 |     copy(x, out=y)
         ^^^^^^^^^^^^^^ 'out' is unknown
  hint: its parameters are x, y
""",
    ),
    Case(
        "unknown-argument",
        COPY
        + """
@mpmd.kernel
def kernel(values: In[f32, N], y: Out[f32, N]):
    copy(values, y)

def go():
    kernel(value=np.zeros(4, np.float32), y=np.zeros(4, np.float32))
""",
        """
error[argument]: 'kernel' has no parameter 'value'
  --> user.py:17:5
17 |     kernel(value=np.zeros(4, np.float32), y=np.zeros(4, np.float32))
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 'value' is unknown
  hint: did you mean 'values'?
""",
    ),
    Case(
        "unknown-tensor-method",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    copy(x.reshap(N), y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[language]: 'x' is a tensor of the kernel, not a tile
  --> user.py:14:10
14 |     copy(x.reshap(N), y)
              ^^^^^^^^ '.reshap' is not known
  hint: did you mean '.reshape'?
""",
    ),
    Case(
        "unknown-target",
        KERNEL
        + """
def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), target="cpuu")
""",
        """
error[unsupported]: there is no target 'cpuu'
  --> user.py:17:5
17 |     mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), target="cpuu")
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ target='cpuu'
  hint: the targets are cpu
""",
    ),
    Case(
        "compile-no-kernel",
        COPY
        + """
def go():
    mpmd.compile(copy, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
""",
        """
error[argument]: mpmd.compile takes a kernel, not <task copy>
  --> user.py:13:5
13 |     mpmd.compile(copy, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not a kernel
  hint: decorate the function with @mpmd.kernel
""",
    ),
    Case(
        "tiles-unknown",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    for rows in mpmd.tiles(N):
        copy(x[rows], y[rows])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), tiles={"row": 4})
""",
        """
error[argument]: tiles: kernel 'kernel' has no tile loop 'row'
  --> user.py:13:5
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
         ^^^^^^ tiles={'row': 4}
  hint: did you mean 'rows'?
""",
    ),
    Case(
        "tiles-bad",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    for rows in mpmd.tiles(N):
        copy(x[rows], y[rows])

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), tiles={"rows": 0})
""",
        """
error[argument]: tiles: the size of 'rows' is 0, which is not a whole number of at least 1
  --> user.py:13:5
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
         ^^^^^^ tiles={'rows': 0}
  hint: leave it out to have one chosen
""",
    ),
    Case(
        "policy-unknown",
        KERNEL
        + """
def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), policy="heff")
""",
        """
error[argument]: no scheduling policy 'heff'
  --> user.py:13:5
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
         ^^^^^^ policy='heff'
  hint: did you mean 'heft'?
""",
    ),
    Case(
        "cores-bad",
        KERNEL
        + """
def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), cores=0)
""",
        """
error[argument]: a kernel runs on at least 1 core, not on 0
  --> user.py:17:5
17 |     mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8), cores=0)
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ cores=0
  hint: leave 'cores' out to use all that this process may use
""",
    ),
    Case(
        "float-slice",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], f: f32, y: Out[f32, N]):
    copy(x[:2.0], y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32), mpmd.spec(f32, 8))
""",
        """
error[language]: 'x' is sliced with 2.0
  --> user.py:14:10
14 |     copy(x[:2.0], y)
              ^^^^^^^ not an integer
  hint: the parts of a slice are integers, dims, runtime integers or t.start and the like
""",
    ),
    Case(
        "nan-slice",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], f: f32, y: Out[f32, N]):
    copy(x[:float('nan')], y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32), mpmd.spec(f32, 8))
""",
        """
error[language]: 'x' is sliced with nan
  --> user.py:14:10
14 |     copy(x[:float('nan')], y)
              ^^^^^^^^^^^^^^^^ not an integer
  hint: the parts of a slice are integers, dims, runtime integers or t.start and the like
""",
    ),
    Case(
        "scalar-float-slice",
        COPY
        + """
@mpmd.kernel
def kernel(x: In[f32, N], f: f32, y: Out[f32, N]):
    copy(x[:f], y)

def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32), mpmd.spec(f32, 8))
""",
        """
error[language]: 'x' is sliced with <symbolic f>
  --> user.py:14:10
14 |     copy(x[:f], y)
              ^^^^^ not an integer
  hint: the parts of a slice are integers, dims, runtime integers or t.start and the like
""",
    ),
    Case(
        "launch-nan",
        LAUNCH
        + """
def go():
    kernel(zeros, float('nan'), 4, np.zeros(8, np.float32))
""",
        """
error[argument]: 'start' of kernel 'kernel' takes a scalar i32, not a float
  --> user.py:13:27
13 | def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
                               ^^^^^ declared here
  hint: pass a whole number: a float is not rounded
""",
    ),
    Case(
        "launch-negative",
        LAUNCH
        + """
def go():
    kernel(zeros, 6, 2, np.zeros(8, np.float32))
""",
        """
error[bounds]: kernel 'kernel' refuses start = 6, stop = 2: region start:stop of axis 0 of 'x' stays within 8
  --> user.py:14:5
14 |     copy(x[start:stop], y[start:stop])
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ leaves its tensor
  hint: nothing was run
""",
    ),
    Case(
        "launch-outside",
        LAUNCH
        + """
def go():
    kernel(zeros, 6, 12, np.zeros(8, np.float32))
""",
        """
error[bounds]: kernel 'kernel' refuses start = 6, stop = 12: region start:stop of axis 0 of 'x' stays within 8
  --> user.py:14:5
14 |     copy(x[start:stop], y[start:stop])
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ leaves its tensor
  hint: nothing was run
""",
    ),
    Case(
        "launch-toolarge",
        LAUNCH
        + """
def go():
    kernel(zeros, 0, 2**40, np.zeros(8, np.float32))
""",
        """
error[argument]: 'stop' of kernel 'kernel' takes a scalar i32, -2147483648 to 2147483647, not 1099511627776
  --> user.py:13:39
13 | def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
                                           ^^^^ declared here
  hint: declare it with a wider type, or pass a number that fits
""",
    ),
    Case(
        "launch-overlap",
        LAUNCH
        + """
def go():
    kernel(zeros, 0, 4, zeros)
""",
        """
error[alias]: 'y' and 'x' of kernel 'kernel' share memory, and 'y' is written
  --> user.py:13:50
13 | def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
                                                      ^ written here
  related: user.py:13 declares 'x'
  hint: give 'y' its own array
  hint: or declare one InOut parameter for both
""",
    ),
    Case(
        "launch-readonly",
        LAUNCH
        + """
def go():
    kernel(np.zeros(8, np.float32), 0, 4, frozen)
""",
        """
error[argument]: 'y' of kernel 'kernel' takes a writable f32[8], not a read-only array
  --> user.py:13:50
13 | def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
                                                      ^ declared here
  hint: 'y' is InOut: pass an array that may be written, or a copy
""",
    ),
    Case(
        "launch-strided",
        LAUNCH
        + """
def go():
    mpmd.compile(kernel, *args)(zeros, 0, 4, np.zeros(16, np.float32)[::2])
""",
        """
error[argument]: 'y' of kernel 'kernel' takes f32[8] with strides (1,), not strides (2,) (in elements)
  --> user.py:13:50
13 | def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
                                                      ^ declared here
  hint: pass a contiguous copy, or compile the kernel for this layout
""",
    ),
    Case(
        "launch-bind",
        LAUNCH
        + """
def go():
    mpmd.compile(kernel, *args).bind(xx=zeros)
""",
        """
error[argument]: kernel 'kernel' has no argument 'xx' to bind
  --> user.py:21:5
21 |     mpmd.compile(kernel, *args).bind(xx=zeros)
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it takes x, start, stop, y
  hint: did you mean 'x'?
""",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_user_sees_the_place_the_reason_and_the_remedy(case, tmp_path):
    text = refused(tmp_path / "user.py", PREAMBLE + case.source)
    assert text == case.text.strip("\n")
    assert "--> user.py:" in text and "^" in text and "  hint: " in text


def test_an_unknown_name_in_a_postponed_annotation(tmp_path):
    source = """from __future__ import annotations
import mpmd
from mpmd import In, Out, f32
N, = mpmd.dims("N")
@mpmd.task
def copy(x: In[f32, N], y: Out[f23, N]):
    y[:] = x[:]
"""
    assert (
        refused(tmp_path / "user.py", source)
        == """\
error[language]: the annotation of 'y' uses 'f23', which is not defined here
  --> user.py:6:5
6 | def copy(x: In[f32, N], y: Out[f23, N]):
        ^^^^ 'f23' is unknown
  hint: define dims and dtypes before the function that is annotated with them"""
    )


@pytest.fixture
def broken_compiler(tmp_path, monkeypatch):
    """The only compiler there is knows its version and fails."""
    path = tmp_path / "c++"
    path.write_text(
        '#!/bin/sh\ncase "$*" in *--version*) echo "g++ (GCC) 12.2.0"; exit 0;; esac\n'
        "echo 'kernel.cpp:1:1: error: wrong' >&2\nexit 1\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    toolchain._find.cache_clear()
    yield
    toolchain._find.cache_clear()


def test_a_compiler_that_fails_names_the_kernel(tmp_path, broken_compiler):
    source = f"""{PREAMBLE}{KERNEL}
def go():
    mpmd.compile(kernel, mpmd.spec(f32, 8), mpmd.spec(f32, 8))
"""
    assert (
        refused(tmp_path / "user.py", source)
        == """\
error[toolchain]: c++ refused the generated text (g++ (GCC) 12.2.0)
  --> user.py:13:5
13 | def kernel(x: In[f32, N], y: Out[f32, N]):
         ^^^^^^ kernel.cpp:1:1: error: wrong
  hint: the text is in `.source.files` of the compiled kernel"""
    )

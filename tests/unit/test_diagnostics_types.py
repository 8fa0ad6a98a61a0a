"""What a user sees when ranks, dtypes, extents or places do not fit."""

from __future__ import annotations

import pytest

from tests.unit.user_files import COPY, KERNEL, Case, seen

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
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_user_sees_the_place_the_reason_and_the_remedy(case, tmp_path):
    assert seen(case, tmp_path) == case.text.strip("\n")

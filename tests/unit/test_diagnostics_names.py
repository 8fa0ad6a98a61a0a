"""What a user sees of a name or a choice that does not exist, with the nearest one that does."""

from __future__ import annotations

import pytest

from tests.unit.user_files import COPY, KERNEL, Case, refused, seen

CASES = (
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
  hint: did you mean 'cpu'?
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
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_user_sees_the_place_the_reason_and_the_remedy(case, tmp_path):
    assert seen(case, tmp_path) == case.text.strip("\n")


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

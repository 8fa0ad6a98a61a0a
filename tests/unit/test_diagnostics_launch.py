"""What a user sees of a launch that is refused, and of a compiler that fails."""

from __future__ import annotations

import pytest

from mpmd.runtime import toolchain
from tests.unit.user_files import COPY, KERNEL, LAUNCH, PREAMBLE, Case, refused, seen

CASES = (
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
    assert seen(case, tmp_path) == case.text.strip("\n")


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

"""Tasks that kernels under test call (only their signatures count), and what was recorded as short text."""

import mpmd
from mpmd import Accum, In, InOut, Out, f32, i32
from mpmd.lang.program import View, calls
from tests.unit.tracing import declared

T, H, F, N, K, L = mpmd.dims("T H F N K L")


@declared
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]): ...


@declared
def copy(x: In[f32, N], y: Out[f32, N]): ...


@declared
def copy2(x: In[f32, T, N], y: Out[f32, T, N]): ...


@declared
def shift(x: In[f32, N], by: i32, y: Out[f32, N]): ...


@declared
def scaled(x: In[f32, N], factor: f32, y: Out[f32, N]): ...


@declared
def update(y: InOut[f32, N]): ...


@declared
def add_to(x: In[f32, N], y: Accum[f32, N]): ...


@declared
def whole_tiles(x: In[f32, 64], y: Out[f32, 64]): ...


@declared
def halves(x: In[f32, N], y: Out[f32, N // 2]): ...


@declared
def element(x: In[f32, ()], y: Out[f32, ()]): ...


def views(program) -> list[View]:
    """The regions of the tensors of the program's only call."""
    (call,) = calls(program.body)
    return [arg for arg in call.args if isinstance(arg, View)]


def region(view: View) -> str:
    """`2, 0:+4:2` — starts, extents and steps, axis by axis."""
    parts = [
        f"{a.start}:+{a.extent}" + (f":{a.step}" if a.step != 1 else "") if a.keep else str(a.start)
        for a in view.region
    ]
    return ", ".join(parts)

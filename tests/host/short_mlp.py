"""The gated MLP of `examples/mlp.py` over 16-bit floats.

Products are added up in f32, layers are stored short.
"""

from typing import Any

import mpmd
from mpmd import In, Out

T, H, F, N, K = mpmd.dims("T H F N K")


def short_mlp(dtype: Any) -> mpmd.Kernel:
    """The kernel for f16 or bf16."""

    @mpmd.task
    def swiglu(x: In[dtype, T, H], wg: In[dtype, F, H], wu: In[dtype, F, H], y: Out[dtype, T, F]):
        g = x[:] @ wg[:].T
        y[:] = (g * mpmd.sigmoid(g) * (x[:] @ wu[:].T)).astype(dtype)

    @mpmd.task
    def linear(x: In[dtype, T, K], w: In[dtype, N, K], y: Out[dtype, T, N]):
        y[:] = (x[:] @ w[:].T).astype(dtype)

    @mpmd.kernel
    def mlp(
        x: In[dtype, T, H], wg: In[dtype, F, H], wu: In[dtype, F, H], wd: In[dtype, H, F], y: Out[dtype, T, H]
    ):
        h = mpmd.empty((T, F), dtype)
        for f in mpmd.tiles(F):
            swiglu(x, wg[f], wu[f], h[:, f])
        for n in mpmd.tiles(H):
            linear(h, wd[n], y[:, n])

    return mlp

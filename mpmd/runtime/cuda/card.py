"""The card, and the package through which it is reached.

In:  – . Out: `cuda.core`, the device, or a `DeviceError` that says what is missing.
Not here: kernels (`load.py`), compiling, which takes no card (`build.py`).
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from mpmd.errors import NO_SPAN, DeviceError

INSTALL = "install it: pip install 'mpmd[cuda]'"


def core() -> ModuleType:
    """The package `cuda.core`; it is loaded when it is first needed."""
    try:
        import cuda.core
    except ImportError as error:
        raise DeviceError(
            "target 'cuda' takes the package cuda-core",
            span=NO_SPAN,
            label=str(error),
            hints=(INSTALL,),
        ) from None
    return cuda.core


def failures() -> tuple[type[Exception], ...]:
    """What calls of `cuda.core` raise when the driver or NVRTC fails, or a library is missing."""
    # The base of its errors has no public name.
    from cuda.core._utils.cuda_utils import CUDAError  # pyright: ignore[reportMissingImports]

    return CUDAError, RuntimeError, OSError


@functools.cache
def device() -> Any:
    """The current card of this process, ready to be used."""
    package = core()
    try:
        count = len(package.Device.get_all_devices())
    except failures() as error:
        if "NO_DEVICE" in str(error):
            raise _no_card() from None
        raise _no_driver(error) from None
    if not count:
        raise _no_card()
    found = package.Device()
    found.set_current()
    if not found.properties.cooperative_launch:
        raise DeviceError(
            f"{found.name} cannot launch a kernel whose blocks are all there at once",
            span=NO_SPAN,
            hints=("target 'cuda' takes a card of compute capability 8.0 or above",),
        )
    return found


def _no_driver(error: Exception) -> DeviceError:
    return DeviceError(
        "target 'cuda' takes NVIDIA's driver, and there is none on this machine",
        span=NO_SPAN,
        label=str(error).splitlines()[0],
        hints=("run it where there is a card", "compile without one: mpmd.targets.cuda.TARGET.build(source)"),
    )


def _no_card() -> DeviceError:
    return DeviceError(
        "NVIDIA's driver is here, but no card",
        span=NO_SPAN,
        hints=("is CUDA_VISIBLE_DEVICES empty?", "run it where there is a card"),
    )


def architecture() -> str | None:
    """What kernels are compiled for here, `sm_90`; None without a card."""
    try:
        return f"sm_{device().arch}"
    except DeviceError:
        return None

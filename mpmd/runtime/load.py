"""`Executable`: a kernel in this process, callable.

In:  a `KernelSource` and the path of its library. Out: launches, or a `Diagnostic` that says why not.
Not here: what fits a parameter (`arrays.py`), how a launch failed (`report.py`), threads (`native/`).

The fast path is one call into `native/call.cpp`, which checks the arguments and launches. Whatever it
refuses comes back here, is adapted without a copy (DLPack, bf16) and tried again, or explained.
"""

from __future__ import annotations

import ctypes
import difflib
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from mpmd.codegen.source import KernelSource, LaunchInfo, stamped_entry
from mpmd.codegen.tables import HEADER_WORDS
from mpmd.errors import NO_SPAN, ArgumentError, CapacityError, MalformedTableError, ToolchainError
from mpmd.lang.kernel.binding import match_arguments
from mpmd.lang.types import Direction
from mpmd.runtime import arrays, pool, report
from mpmd.runtime.signature import sign, signature_text

ABI = 3
"""The layouts that a kernel's library shares with the pool (`MPMD_ABI` of abi.h)."""


class OpenKernel:
    """The native side of a kernel: its library, tables, counters and arena, until nobody refers to it."""

    def __init__(self, source: KernelSource, library: ctypes.CDLL, handle: int) -> None:
        self.source = source
        self.library = library
        self.handle = handle
        self.number: int = pool.native().code.mpmd_identity(handle)
        closing = weakref.finalize(self, _close, handle, library._handle)
        closing.atexit = False  # another thread may still be launching when the interpreter ends


class OpenKernels:
    """Those of this process, by their numbers in the pool. None is kept open, unless somebody holds them."""

    def __init__(self) -> None:
        self._all: weakref.WeakValueDictionary[int, OpenKernel] = weakref.WeakValueDictionary()
        self._held: list[OpenKernel] | None = None

    def add(self, kernel: OpenKernel) -> None:
        self._all[kernel.number] = kernel
        if self._held is not None:
            self._held.append(kernel)

    def hold(self) -> None:
        """Those that are open, and those that will be, are not closed until `release`."""
        self._held = list(self._all.values())

    def release(self) -> None:
        self._held = None

    def by_number(self, number: int) -> OpenKernel:
        return self._all[number]


OPEN = OpenKernels()


def _close(handle: int, library: int) -> None:
    """Gives back all that a kernel holds. Whoever launches it refers to it, so no core is inside."""
    pool.native().code.mpmd_close(handle)
    _unload(library)


_unload = ctypes.CDLL(None).dlclose
_unload.restype, _unload.argtypes = ctypes.c_int, (ctypes.c_void_p,)


def open_kernel(source: KernelSource, path: Path) -> OpenKernel:
    """Loads the library and decodes the tables."""
    info = source.launch
    try:
        library = ctypes.CDLL(str(path))
        entry, stamped = (
            ctypes.cast(getattr(library, name), ctypes.c_void_p)
            for name in (source.entry, stamped_entry(source.entry))
        )
        abi = ctypes.c_int.in_dll(library, "mpmd_abi").value
    except (OSError, AttributeError, ValueError) as error:
        raise ToolchainError(f"'{info.kernel}' cannot be loaded: {error}", span=NO_SPAN) from None
    if abi != ABI:
        raise ToolchainError(
            f"'{info.kernel}' was built by another version of mpmd", span=NO_SPAN, hints=("build it again",)
        )
    error = ctypes.create_string_buffer(200)
    handle = pool.native().code.mpmd_open(
        source.tables, len(source.tables), entry, stamped, info.scratch_bytes, error, len(error)
    )
    if not handle:
        _raise_unopened(info, error.value.decode())
    kernel = OpenKernel(source, library, handle)
    _check_counts(kernel)
    OPEN.add(kernel)
    return kernel


def _raise_unopened(info: LaunchInfo, reason: str) -> None:
    if reason == "there is not enough memory":
        raise CapacityError(
            f"kernel '{info.kernel}' needs {info.arena_bytes} bytes, and {info.scratch_bytes} per core",
            span=NO_SPAN,
            label=reason,
        )
    raise MalformedTableError(f"the tables of kernel '{info.kernel}' are malformed: {reason}", span=NO_SPAN)


def _check_counts(kernel: OpenKernel) -> None:
    info = kernel.source.launch
    count = pool.native().code.mpmd_argument_count(kernel.handle)
    header = np.frombuffer(kernel.source.tables, "<i8", HEADER_WORDS)
    if count != len(info.arguments) or header[12] != len(info.scalars):
        raise MalformedTableError(f"the tables of kernel '{info.kernel}' have other parameters", span=NO_SPAN)


class Executable:
    """Call it with the kernel's arguments, in order; `bind` fixes constants beforehand.

    Launches from several threads queue. Outputs are written in place; nothing is ever copied.
    """

    def __init__(self, kernel: OpenKernel, bound: dict[str, arrays.Array] | None = None) -> None:
        self._kernel = kernel
        self._bound = bound or {}
        self.info = kernel.source.launch
        self._arguments = {a.name: a for a in self.info.arguments}
        self._scalars = {s.name: s for s in self.info.scalars}
        self._order = tuple(name for name in self.info.order if name not in self._bound)
        self._viewed = tuple(
            (position, self._arguments[name].dtype.numpy, arrays.exported(self._arguments[name].dtype))
            for position, name in enumerate(self._order)
            if name in self._arguments and arrays.exported(self._arguments[name].dtype).kind == "V"
        )
        self._call = pool.native().call.mpmd_call
        self._signature = sign(kernel.handle, self.info, self._order, self._bound)
        freeing = weakref.finalize(self, pool.native().code.mpmd_signature_free, self._signature)
        freeing.atexit = False  # as the kernel's

    def __call__(self, *args: Any) -> None:
        """Runs the kernel once; returns when every core has finished."""
        status = self._call(self._signature, self._view(args) if self._viewed else args, 1)
        if status:
            self._retry(status, args)

    def try_call(self, args: tuple[Any, ...]) -> bool:
        """Runs the kernel if `args` fit its signature exactly as they are; False if they do not."""
        status = self._call(self._signature, self._view(args) if self._viewed else args, 1)
        if status == pool.MISMATCH:
            return False
        if status:
            self._retry(status, args)
        return True

    def fits(self, args: tuple[Any, ...]) -> bool:
        """Whether `args` could be launched; cheap. (That they overlap is an error, not a misfit.)"""
        status = self._call(self._signature, self._view(args) if self._viewed else args, 0)
        if status != pool.MISMATCH:
            return True
        try:
            self._adapt(args)
        except ArgumentError:
            return False
        return True

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call, by place or by name as in Python, in the order of the parameters."""
        for name in kwargs:
            if name in self._bound:
                raise ArgumentError(
                    f"'{name}' of kernel '{self.info.kernel}' is bound already",
                    span=NO_SPAN,
                    label=f"'{name}' is given again",
                    hints=("leave it out, or call the kernel as it was before bind",),
                )
        signature = f"it is {signature_text(self.info, self._order)}"
        name = self.info.kernel
        given = match_arguments(
            name, self._order, args, kwargs, NO_SPAN, error=ArgumentError, signature=signature
        )
        return tuple(given[name] for name in self._order)

    def bind(self, **consts: Any) -> Executable:
        """This kernel with some `Const` arguments fixed; the rest keep their order."""
        bound = dict(self._bound)
        for name, value in consts.items():
            if name not in self._order or name not in self._arguments:
                raise self._no_such_const(name)
            argument = self._arguments[name]
            if argument.direction is not Direction.CONST:
                raise ArgumentError(
                    f"'{name}' of kernel '{self.info.kernel}' is {argument.direction.value}, not Const",
                    span=argument.span,
                    label="only Const arguments can be bound",
                    hints=(f"declare it Const[…], or pass '{name}' at every call",),
                )
            bound[name] = arrays.adapt(self.info.kernel, argument, value)
        return Executable(self._kernel, bound)

    @property
    def bound(self) -> tuple[str, ...]:
        """The parameters that are fixed."""
        return tuple(self._bound)

    @property
    def kernel(self) -> OpenKernel:
        """What is launched, whatever is bound."""
        return self._kernel

    # -- what the fast path refused ---------------------------------------------------------

    def _view(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """`args` with arrays of dtypes that export no buffer seen as bytes."""
        viewed = list(args)
        for position, dtype, opaque in self._viewed:
            if position < len(viewed) and type(viewed[position]) is np.ndarray:
                value = viewed[position]
                if value.dtype is dtype:
                    viewed[position] = value.view(opaque)
        return tuple(viewed)

    def _retry(self, status: int, args: tuple[Any, ...]) -> None:
        adapted = args
        if status == pool.MISMATCH:
            adapted = self._adapt(args)
            status = self._call(self._signature, adapted, 1)
        if status == pool.OK:
            return
        if status == pool.MISMATCH:
            raise ArgumentError(f"the arguments do not fit kernel '{self.info.kernel}'", span=NO_SPAN)
        if status == pool.OVERLAP:
            raise arrays.overlap_error(self.info, self._all_arrays(adapted))
        if status == pool.NO_MEMORY:
            raise report.plain_error(self.info, status)
        result = pool.native().code.mpmd_last_result().contents
        scalars = {
            name: arrays.adapt_scalar(self.info.kernel, self._scalars[name], value)
            for name, value in zip(self._order, args, strict=True)
            if name in self._scalars
        }
        scalars |= arrays.dim_values(self.info, self._all_arrays(adapted))
        raise report.launch_error(self.info, self._kernel.source.tables, result, scalars)

    def _adapt(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        given = zip(self._order, self.ordered(args, {}), strict=True)
        adapted = {name: self._adapt_one(name, value) for name, value in given}
        arrays.dim_values(self.info, adapted)
        return tuple(adapted.values())

    def _adapt_one(self, name: str, value: Any) -> Any:
        if name in self._scalars:
            return arrays.adapt_scalar(self.info.kernel, self._scalars[name], value)
        return arrays.adapt(self.info.kernel, self._arguments[name], value)

    def _all_arrays(self, args: tuple[Any, ...]) -> dict[str, arrays.Array]:
        given = zip(self._order, self._adapt(args), strict=True)
        return self._bound | {name: value for name, value in given if name in self._arguments}

    def _no_such_const(self, name: str) -> ArgumentError:
        near = difflib.get_close_matches(name, self._order, 1)
        bound = f"'{name}' is bound already" if name in self._bound else f"it takes {', '.join(self._order)}"
        return ArgumentError(
            f"kernel '{self.info.kernel}' has no argument '{name}' to bind",
            span=NO_SPAN,
            label=bound,
            hints=(f"did you mean '{near[0]}'?",) if near else (),
        )

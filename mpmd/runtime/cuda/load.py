"""`CudaExecutable`: a kernel on this process's card, callable.

In:  a `KernelSource` and its machine code. Out: launches, or a `Diagnostic` that says why not.
Not here: what fits a parameter (`arguments.py`), the card's memory (`memory.py`), how a launch failed
(`report.py`).

A call waits until the launch is over, so that it can say what went wrong. `on(stream)` gives the same kernel
on a stream: a call returns at once, and what went wrong is said by `wait`, or by the next call. Launches of
one kernel come one after another, whatever their streams: they share its counters.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mpmd.codegen.cuda.device_tables import FAILURE, PROGRESS, DeviceTables, device_tables
from mpmd.codegen.launch_values import LaunchValues, Refusal, launch_values, scalar_words
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, ArgumentError, CoResidencyError, ToolchainError
from mpmd.lang.kernel.binding import match_arguments
from mpmd.lang.types import Direction
from mpmd.runtime import arrays
from mpmd.runtime.cuda import arguments, card, report
from mpmd.runtime.cuda.memory import KernelMemory, Room
from mpmd.runtime.cuda.sequence import Sequence
from mpmd.runtime.report import launch_refused
from mpmd.runtime.signature import signature_text

THREADS = 256
"""`threads` of device.h."""


@dataclass
class OpenCudaKernel:
    """A kernel's code and memory on the card, and what was launched last."""

    source: KernelSource
    tables: DeviceTables
    memory: KernelMemory
    sequence: Sequence
    stream: Any
    epoch: int = 0
    values: tuple[tuple[int, ...], LaunchValues] | None = None
    pending: dict[str, int | float] | None = None
    kept: tuple[Any, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def launch(self, stream: Any, given: dict[str, arrays.Array], scalars: dict[str, int | float]) -> None:
        """Puts one launch behind all work on the stream."""
        if stream is not self.stream:
            stream.wait(self.stream)
            self.stream = self.memory.stream = stream
        info = self.source.launch
        self.memory.device.set_current()
        words = tuple(scalar_words(info, scalars))
        values = self._values(words, scalars)
        addresses = [arguments.address(given[a.name]) for a in info.arguments]
        self.memory.write_launch(values, addresses, self.epoch)
        self.sequence.launch(stream, values.counts.tolist())
        self.epoch = (self.epoch + 1) % 2**32
        self.pending, self.kept = scalars, tuple(given.values())

    def wait(self) -> None:
        """Until the last launch is over; raises what stopped it. The next one then begins anew."""
        if self.pending is None:
            return
        scalars, self.pending = self.pending, None
        failure = self.memory.read("failure", FAILURE, 1)
        self.kept = ()
        if failure[0]["status"]:
            progress = self.memory.read("progress", PROGRESS, self.tables.sections.cores)
            self.memory.reset()
            self.epoch = 0
            raise report.ended(self.source, failure, progress, scalars)

    def _values(self, words: tuple[int, ...], scalars: Mapping[str, int | float]) -> LaunchValues:
        if self.values is None or self.values[0] != words:
            try:
                values = launch_values(self.tables.sections, self.tables.most, words)
            except Refusal as refusal:
                raise launch_refused(self.source, refusal, scalars) from None
            self.values = words, values
            if len(self.tables.sections.patches):
                self.memory.write("words", values.words)
        return self.values[1]


def open_kernel(source: KernelSource, cubin: bytes) -> OpenCudaKernel:
    """Loads the code, and refuses a kernel whose cores cannot all be on the card at once."""
    device, package = card.device(), card.core()
    tables = device_tables(source.tables)
    try:
        code = package.ObjectCode.from_cubin(cubin, name=source.launch.kernel)
        kernel = code.get_kernel(source.entry)
    except card.failures() as error:
        raise ToolchainError(
            f"'{source.launch.kernel}' cannot be loaded on {device.name}: {error}",
            span=NO_SPAN,
            hints=(f"it runs on sm_{device.arch}: build it there",),
        ) from None
    room = Room.of(
        source.launch.scratch_bytes, tables.scratch_at, device.properties.max_shared_memory_per_block_optin
    )
    shared = tables.scratch_at + room.shared
    kernel.attributes.max_dynamic_shared_size_bytes = shared
    blocks = kernel.occupancy.max_active_blocks_per_multiprocessor(THREADS, shared)
    check_co_residency(source, device.name, device.properties.multiprocessor_count, blocks)
    stream = device.default_stream
    memory = KernelMemory(tables, room, device, stream)
    config = package.LaunchConfig(
        grid=tables.sections.cores, block=THREADS, shmem_size=shared, is_cooperative=True
    )
    return OpenCudaKernel(source, tables, memory, Sequence(tables, memory, kernel, config, package), stream)


def check_co_residency(source: KernelSource, card_name: str, multiprocessors: int, blocks: int) -> None:
    """All cores of a launch wait for each other, so all of them must be there."""
    most = multiprocessors * blocks
    if source.launch.cores > most:
        raise CoResidencyError(
            f"kernel '{source.launch.kernel}' has {source.launch.cores} cores, "
            f"and {most} are the most that {card_name} holds at once",
            span=NO_SPAN,
            label=f"{multiprocessors} multiprocessors with {blocks} blocks each",
            hints=(f"compile it with cores={most}",) if most else ("it needs too many registers: report it",),
        )


@dataclass(frozen=True)
class CudaExecutable:
    """Call it with the kernel's arguments, in order; `fixed` ones are left out."""

    kernel: OpenCudaKernel
    fixed: dict[str, arrays.Array] = field(default_factory=dict)
    stream: Any = None

    def __call__(self, *args: Any) -> None:
        """Launches the kernel once; without a stream of its own it returns when every core has finished."""
        stream = self.kernel.memory.device.default_stream if self.stream is None else self.stream
        given, scalars = self._adapted(args, int(stream.handle))
        with self.kernel.lock:
            self.kernel.wait()
            self.kernel.launch(stream, given, scalars)
            if self.stream is None:
                self.kernel.wait()

    def wait(self) -> None:
        """Until the last launch is over; raises what stopped it."""
        with self.kernel.lock:
            self.kernel.wait()

    def on(self, stream: Any) -> CudaExecutable:
        """The same kernel on a stream: an object with `__cuda_stream__`, or a handle; None: calls wait."""
        if stream is None:
            return replace(self, stream=None)
        package = card.core()
        if isinstance(stream, int):
            return replace(self, stream=package.Stream.from_handle(stream))
        if hasattr(stream, "__cuda_stream__"):
            return replace(self, stream=self.kernel.memory.device.create_stream(stream))
        raise ArgumentError(
            f"kernel '{self.kernel.source.launch.kernel}' cannot be launched on a {type(stream).__name__}",
            span=NO_SPAN,
            label="no stream",
            hints=("pass an object with __cuda_stream__, the handle of a stream, or None",),
        )

    def try_call(self, args: tuple[Any, ...]) -> bool:
        """Runs the kernel if `args` fit its signature; False if they do not."""
        try:
            self(*args)
        except ArgumentError:
            return False
        return True

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call, by place or by name, in the order of the parameters."""
        info = self.kernel.source.launch
        signature = f"it is {signature_text(info, self._order)}"
        given = match_arguments(
            info.kernel, self._order, args, kwargs, NO_SPAN, error=ArgumentError, signature=signature
        )
        return tuple(given[name] for name in self._order)

    def bind(self, **consts: Any) -> CudaExecutable:
        """This kernel with some `Const` arguments fixed; the rest keep their order."""
        info = self.kernel.source.launch
        by_name = {a.name: a for a in info.arguments if a.name in self._order}
        fixed = dict(self.fixed)
        for name, value in consts.items():
            argument = by_name.get(name)
            if argument is None or argument.direction is not Direction.CONST:
                raise ArgumentError(
                    f"kernel '{info.kernel}' has no Const argument '{name}' to bind",
                    span=NO_SPAN if argument is None else argument.span,
                    label="only Const arguments can be bound",
                    hints=(f"it takes {', '.join(self._order)}",),
                )
            fixed[name] = self._adapt(argument.name, value, int(self.kernel.stream.handle))
        return replace(self, fixed=fixed)

    @property
    def bound(self) -> tuple[str, ...]:
        """The parameters that are fixed."""
        return tuple(self.fixed)

    @property
    def _order(self) -> tuple[str, ...]:
        return tuple(name for name in self.kernel.source.launch.order if name not in self.fixed)

    def _adapt(self, name: str, value: Any, stream: int) -> arrays.Array:
        info = self.kernel.source.launch
        argument = next(a for a in info.arguments if a.name == name)
        device = self.kernel.memory.device.device_id
        return arguments.adapt(info.kernel, argument, value, device=device, stream=stream)

    def _adapted(
        self, args: tuple[Any, ...], stream: int
    ) -> tuple[dict[str, arrays.Array], dict[str, int | float]]:
        info = self.kernel.source.launch
        values = dict(zip(self._order, self.ordered(args, {}), strict=True))
        scalars: dict[str, int | float] = {
            scalar.name: arrays.adapt_scalar(info.kernel, scalar, values[scalar.name])
            for scalar in info.scalars
            if scalar.name in values
        }
        tensors = [a.name for a in info.arguments if a.name in values]
        given = {name: self._adapt(name, values[name], stream) for name in tensors}
        given |= self.fixed
        if arrays.overlapping(info, given):
            raise arrays.overlap_error(info, given)
        return given, scalars | arrays.dim_values(info, given)

"""From a kernel's function to something that runs: the stages in order, and the caches around them.

In:  a function under `@mpmd.kernel`, and arguments or specs.
Out: a `CompiledKernel`, with the value of every stage.
Not here: any stage.
"""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from types import FunctionType
from typing import Any, TypeVar, overload

from mpmd.codegen.source import KernelSource
from mpmd.errors import ArgumentError, ArtifactError, Diagnostic
from mpmd.lang.frames import caller_span, function_span, place, user_frame
from mpmd.lang.kernel.binding import match_arguments
from mpmd.lang.kernel.dynamic import FIXED, Bounds, largest
from mpmd.lang.kernel.guards import Guards
from mpmd.lang.kernel.signature import KernelParam, Parameter, flattened, kernel_params
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.surface import ACTIVE, plain_function, resolve_annotations
from mpmd.lang.types import DType, TensorAnnotation, TensorSpec
from mpmd.partition.build import partition
from mpmd.partition.graph import TaskGraph
from mpmd.runtime import loaded
from mpmd.runtime.build import build
from mpmd.runtime.loaded import LoadedKernel
from mpmd.runtime.profile import names_from, profiled
from mpmd.schedule.build import schedule
from mpmd.schedule.check import Certificate, check
from mpmd.schedule.steps import Schedule
from mpmd.schedule.unfused import unfused
from mpmd.search import AS_WRITTEN, SEARCHED, UNDECIDED, Choice, Decision, decide, under
from mpmd.specs import ScalarSpec, spec_of
from mpmd.targets import target as find_target
from mpmd.targets.protocol import Launchable, Target
from mpmd.timeline import Trace
from mpmd.tuned import found as tuned
from mpmd.watch import announce, passed_over

Specs = Mapping[str, Any]
"""By parameter a `TensorSpec`, None for a runtime scalar, or a dataclass, list, tuple or dict of them."""
OnStage = Callable[[str, Any], None]
Value = TypeVar("Value")

FUSIONS: Mapping[str, Callable[..., Schedule]] = {"all": schedule, "none": unfused}
"""What a call of a kernel launches: all of it at once, or one call in its source after the other."""

_TARGET: ContextVar[str] = ContextVar("mpmd_target", default="cpu")
_INSTEAD: list[Target] = []


@contextmanager
def by_default(target: str) -> Iterator[None]:
    """Inside, kernels that do not say where they run are compiled for this target."""
    find_target(target, span=caller_span())
    token = _TARGET.set(target)
    try:
        yield
    finally:
        _TARGET.reset(token)


@contextmanager
def instead(target: Target) -> Iterator[None]:
    """Inside, every kernel is compiled for this target, by any thread, whatever is asked for."""
    _INSTEAD.append(target)
    try:
        yield
    finally:
        _INSTEAD.pop()


@dataclass(frozen=True, slots=True, eq=False)
class CompiledKernel:
    """A kernel for one signature. Call it with what the kernel takes, by place or by name."""

    program: Program
    graph: TaskGraph
    schedule: Schedule
    source: KernelSource
    certificate: Certificate
    executable: Launchable
    bundled: tuple[Parameter, ...] = ()
    """What calls pass, where one of the parameters holds several tensors; else empty."""
    choice: Choice = AS_WRITTEN
    """What was decided for the kernel as a whole; `graph.program` is the program under it."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        try:
            if self.bundled:
                args = self._in_order(self._leaves(args, kwargs))
            elif kwargs:
                args = self.executable.ordered(args, kwargs)
            self.executable(*args)
        except Diagnostic as error:
            place(error, caller_span())
            raise

    def _try_call(self, args: tuple[Any, ...]) -> bool:
        """Runs the kernel if `args` fit its signature exactly; False, or an error, if they do not."""
        if not self.bundled:
            return self.executable.try_call(args)
        leaves = self._leaves(args, {})
        return leaves.keys() == set(self._order) and self.executable.try_call(self._in_order(leaves))

    @property
    def _order(self) -> list[str]:
        """The names of the leaves that calls pass."""
        bound = set(self.executable.bound)
        return [name for name in self.source.launch.order if name not in bound]

    def _leaves(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The leaves of a call's arguments, by name."""
        name, span = self.source.launch.kernel, caller_span()
        names = [parameter.name for parameter in self.bundled]
        given = match_arguments(name, names, args, kwargs, span, error=ArgumentError)
        return flattened(name, self.bundled, given, span=span).values

    def _in_order(self, leaves: Mapping[str, Any]) -> tuple[Any, ...]:
        """The leaves, which must be those that the kernel was compiled for."""
        order = self._order
        if leaves.keys() != set(order):
            missing = [leaf for leaf in order if leaf not in leaves]
            other = missing or [leaf for leaf in leaves if leaf not in order]
            raise _other_leaves(self.source.launch.kernel, other[0], missing=bool(missing))
        return tuple(leaves[name] for name in order)

    def bind(self, **consts: Any) -> CompiledKernel:
        """The same kernel with some `Const` arguments fixed; calls then leave them out."""
        try:
            taken = [parameter for parameter in self.bundled if parameter.name in consts]
            leaves = flattened(self.source.launch.kernel, taken, consts, span=caller_span()).values
            names = {parameter.name for parameter in taken}
            plain = {name: value for name, value in consts.items() if name not in names}
            bound = self.executable.bind(**leaves, **plain)
        except Diagnostic as error:
            place(error, caller_span())
            raise
        return replace(self, executable=bound, bundled=_bundled(p for p in self.bundled if p not in taken))

    def profile(self, *args: Any, launches: int = 1, **kwargs: Any) -> Trace:
        """Calls the kernel, so many times, and says what each core did in the launch of median time."""
        name = self.source.launch.kernel
        return profiled(name, lambda: self(*args, **kwargs), launches, caller_span())

    def _repr_html_(self) -> str:
        """For notebooks."""
        from mpmd.visual.notebook import compiled_html  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return compiled_html(self.schedule, self.certificate)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the kernel into one file, which `mpmd.load` reads without a compiler or its source."""
        if self.executable.bound:
            raise ArtifactError(
                f"'{self.source.launch.kernel}' has bound arguments, and arrays are not saved",
                span=caller_span(),
                label=f"bound: {', '.join(self.executable.bound)}",
                hints=("save the kernel before bind, and bind after mpmd.load",),
            )
        loaded.save(build(self.source), self.certificate, Path(path), caller_span())


def _bundled(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The parameters, if one of them holds several tensors."""
    found = tuple(parameters)
    plain = all(isinstance(p.annotation, (TensorAnnotation, DType)) for p in found)
    return () if plain else found


def _other_leaves(kernel: str, leaf: str, *, missing: bool) -> ArgumentError:
    return ArgumentError(
        f"kernel '{kernel}' was compiled {'with' if missing else 'without'} '{leaf}'",
        span=caller_span(),
        label=f"'{leaf}' is {'missing' if missing else 'too much'}",
        hints=("a list or a dict holds at each call what it held when the kernel was compiled",),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Compilation:
    """A kernel that was compiled, for what, in how many seconds; given to `watch.watching`."""

    kernel: Kernel
    specs: Specs
    dynamic: Bounds
    compiled: CompiledKernel
    seconds: float
    arguments: tuple[Any, ...]
    """What it was first called with, or the specs that it was compiled for."""


class Kernel:
    """The user's sequential function. A call compiles it, once for each signature, and launches it.

    `dynamic` are the dims that each launch binds, with their bounds: they are no part of the signature.
    """

    def __init__(self, function: FunctionType, dynamic: Bounds = FIXED) -> None:
        self.function = function
        self.dynamic = dict(dynamic)
        self.params = kernel_params(function)
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._compiled: dict[Hashable, CompiledKernel] = {}
        self._latest: tuple[Guards, Callable[[tuple[Any, ...]], bool]] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<kernel {self.__name__}>"

    def _repr_html_(self) -> str:
        """For notebooks."""
        from mpmd.visual.notebook import kernel_html  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return kernel_html(self.function, self.params)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        interpreter = ACTIVE.get()
        if interpreter is not None:
            interpreter.inline(self.function, args, kwargs)
            return
        latest = self._latest
        try:
            if latest is None or kwargs or not latest[0].hold() or not latest[1](args):
                self._launch(args, kwargs)
        except Diagnostic as error:
            place(error, caller_span())
            if not passed_over(error):
                raise

    def _launch(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """The way of a call whose signature is not that of the one before it."""
        given = arguments(self, args, kwargs)
        with self._lock:
            guards = Guards(self.function)
            specs = specs_of(self, given, self.dynamic)
            parts = flattened(self.__name__, self.params, specs, span=caller_span()).parts
            key = (tuple((part.path, part.value) for part in parts), guards.key)
            compiled = self._compiled.get(key)
            if compiled is None:
                compiled = self._compiled[key] = compile_specs(
                    self, specs, dynamic=self.dynamic, values=given
                )
            self._latest = guards, compiled._try_call if compiled.bundled else compiled.executable.try_call
        compiled(*given.values())


@overload
def kernel(function: Callable[..., Any]) -> Kernel: ...


@overload
def kernel(*, dynamic: Bounds) -> Callable[[Callable[..., Any]], Kernel]: ...


def kernel(
    function: Callable[..., Any] | None = None, *, dynamic: Bounds = FIXED
) -> Kernel | Callable[[Callable[..., Any]], Kernel]:
    """Makes a sequential Python function, which calls tasks, a kernel.

    Under `@mpmd.kernel(dynamic={"T": 4096})` one compiled kernel serves every T up to 4096.
    """

    def made(function: Callable[..., Any]) -> Kernel:
        plain = plain_function(function, "kernel")
        resolve_annotations(plain, user_frame())
        return Kernel(plain, dynamic)

    return made if function is None else made(function)


def compile(
    kernel: Kernel,
    *args: Any,
    target: str | None = None,
    cores: int | None = None,
    tiles: Mapping[str, int] | None = None,
    policy: str = "heft",
    fusion: str = "all",
    choice: Choice | str | None = SEARCHED,
    dynamic: Bounds | None = None,
    on_stage: OnStage | None = None,
) -> CompiledKernel:
    """The kernel for these arguments, which may be arrays, or specs alone (`mpmd.spec`).

    `target` is "cpu" unless `by_default` says otherwise. `tiles` sets the sizes of tile loops that the
    kernel leaves open, by the loop variable's name.
    With `fusion="none"` a call of the kernel makes one launch for each call in its source, on all cores and
    in program order: what the fused kernel is measured against, from the same tasks.
    `choice` fixes what is decided for the kernel as a whole: which calls become one, which are computed
    again, which sums are split. Left out it is searched for; None takes the kernel as it is written.
    `dynamic` bounds the dims that each launch binds, in place of what the kernel's decorator says.
    `on_stage` is called with each stage's name and value as it is done.
    """
    if not isinstance(kernel, Kernel):
        raise ArgumentError(
            f"mpmd.compile takes a kernel, not {kernel!r}",
            span=caller_span(),
            label="not a kernel",
            hints=("decorate the function with @mpmd.kernel",),
        )
    bounds = kernel.dynamic if dynamic is None else dynamic
    given = arguments(kernel, args, {})
    return compile_specs(
        kernel,
        specs_of(kernel, given, bounds),
        dynamic=bounds,
        target=target,
        cores=cores,
        tiles=tiles or {},
        policy=policy,
        fusion=fusion,
        choice=choice,
        on_stage=on_stage,
        values=given,
    )


def compile_specs(
    kernel: Kernel,
    specs: Specs,
    *,
    target: str | None = None,
    cores: int | None = None,
    tiles: Mapping[str, int] | None = None,
    policy: str = "heft",
    fusion: str = "all",
    choice: Choice | str | None = SEARCHED,
    dynamic: Bounds = FIXED,
    on_stage: OnStage | None = None,
    values: Mapping[str, Any] | None = None,
) -> CompiledKernel:
    """The stages, one after another. The proof of the tables is one of them, on every compile.

    `values` are the arguments that the specs are of, where there are some; whoever watches is told of them.
    """
    asked = find_target(_TARGET.get() if target is None else target, span=caller_span())
    chosen = _INSTEAD[-1] if _INSTEAD else asked
    if cores is not None and (isinstance(cores, bool) or not isinstance(cores, int) or cores < 1):
        raise ArgumentError(
            f"a kernel runs on at least 1 core, not on {cores!r}",
            span=caller_span(),
            label=f"cores={cores!r}",
            hints=("leave 'cores' out to use all that this process may use",),
        )
    if fusion not in FUSIONS:
        near = difflib.get_close_matches(str(fusion), FUSIONS, 1)
        raise ArgumentError(
            f"there is no fusion {fusion!r}",
            span=caller_span(),
            label=f"fusion={fusion!r}",
            hints=(f"did you mean {near[0]!r}?" if near else "fusion is 'all' or 'none'",),
        )
    given = Choice(tiles=tuple((tiles or {}).items()), policy=policy, cores=cores)
    decided = decide(choice if fusion == "all" or isinstance(choice, Choice) else None, given, caller_span())
    begin = perf_counter()
    try:
        traced = partial(trace, kernel.function, specs, dynamic)
        made = _stages(kernel, traced, chosen, decided, FUSIONS[fusion], _Observers(on_stage))
    except Diagnostic as error:
        place(error, function_span(kernel.function))
        raise
    arguments = tuple((specs if values is None else values).values())
    announce(Compilation(kernel, specs, dynamic, made, perf_counter() - begin, arguments))
    return made


def _stages(
    kernel: Kernel,
    traced: Callable[[], Program],
    target: Target,
    decided: Decision,
    scheduled: Callable[..., Schedule],
    done: _Observers,
) -> CompiledKernel:
    program = done("program", traced())
    choice = done("choice", _choice(decided, program, target))
    machine = target.machine(choice.cores)
    chosen = under(program, choice)
    graph = done("graph", partition(target.prepare(chosen.program, machine), machine, tiles=chosen.tiles))
    planned = done("schedule", scheduled(graph, machine, policy=choice.policy, drain=choice.drain))
    source = done("source", target.emit(planned))
    certificate = done("certificate", check(source.tables, machine, names=source.launch))
    executable = done("executable", target.build(source).load())
    names_from(executable, planned)
    bundled = _bundled(kernel.params)
    return CompiledKernel(program, graph, planned, source, certificate, executable, bundled, choice)


def _choice(decided: Decision, program: Program, target: Target) -> Choice:
    """What tuning found, where nothing is fixed; else what is fixed, with what a search adds to it."""
    machine = target.machine(decided.start.cores)
    found = tuned(program, machine, target.name) if decided == UNDECIDED else None
    return found or decided.choice(program, machine)


class _Observers:
    """Those who are told of each stage's value: the caller's callback, and files below $MPMD_DUMP."""

    def __init__(self, on_stage: OnStage | None) -> None:
        self._told = [] if on_stage is None else [on_stage]
        if folder := os.environ.get("MPMD_DUMP"):
            from mpmd.dump import Dump  # the printers are loaded when something is to be printed

            self._told.append(Dump(Path(folder)))

    def __call__(self, stage: str, value: Value) -> Value:
        for told in self._told:
            told(stage, value)
        return value


def load(path: str | os.PathLike[str]) -> LoadedKernel:
    """The kernel that `CompiledKernel.save` wrote. It is machine code: load what you trust."""
    return loaded.load(Path(path), caller_span())


def arguments(kernel: Kernel, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a launch by parameter name, in the order of the parameters."""
    names = [param.name for param in kernel.params]
    given = match_arguments(kernel.__name__, names, args, kwargs, caller_span(), error=ArgumentError)
    return {name: given[name] for name in names}


def specs_of(kernel: Kernel, given: Mapping[str, Any], dynamic: Bounds = FIXED) -> dict[str, Any]:
    """The signature under which a kernel is compiled for these arguments, of the same make as they are.

    Dynamic dims are in it as if they had their bounds.
    """
    span = caller_span()
    flat = flattened(kernel.__name__, kernel.params, given, span=span)
    pairs = zip(flat.params, flat.parts, strict=True)
    specs = [_tensor_spec(param, spec_of(param.name, part.value, span)) for param, part in pairs]
    named = dict(zip([param.name for param in flat.params], specs, strict=True))
    specs = largest(kernel.__name__, flat.params, named, dynamic)
    return dict(zip([p.name for p in kernel.params], flat.arguments(specs), strict=True))


def _tensor_spec(param: KernelParam, spec: TensorSpec | ScalarSpec | None) -> TensorSpec | None:
    if not isinstance(spec, ScalarSpec):
        return spec
    if isinstance(param.annotation, DType) and param.annotation != spec.dtype:
        raise ArgumentError(
            f"'{param.name}' is a scalar {param.annotation}, but the spec says {spec.dtype}",
            span=param.span,
            label="declared here",
            hints=(f"write mpmd.spec({param.annotation}) for it",),
        )
    return None

"""Dims of a kernel that each launch binds: which arguments have them, and as what they are traced.

In:  the dims that the user calls dynamic, each with a bound; the kernel's parameters and their specs.
Out: a `Launch` for the tracer, or the diagnostic of the first rule that is broken; specs as if every such
     dim had its bound, under which one trace serves all launches.
Not here: the value of a dim in a launch (`extents.py`, `runtime`).

A dynamic dim is an extent of first axes only. Of an array in C order the first extent is the one that no
stride depends on, so that element `i, j` lies at the same place whatever the dim is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from mpmd.errors import NO_SPAN, ArgumentError, LanguageError
from mpmd.lang.extents import check_bound
from mpmd.lang.frames import caller_span
from mpmd.lang.index import Index, Interval, Sym
from mpmd.lang.kernel.binding import bare_symbol
from mpmd.lang.kernel.ranges import Kind, OpenLoop
from mpmd.lang.kernel.signature import KernelParam, bind_dims
from mpmd.lang.kernel.views import c_strides
from mpmd.lang.program import Scalar
from mpmd.lang.types import Direction, TensorAnnotation, TensorSpec, i64

Bounds = Mapping[str, int]
"""The greatest value of each dynamic dim."""

FIXED: Bounds = {}


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launch decides: its dims, and the first extents that have them, by parameter."""

    dims: tuple[Scalar, ...] = ()
    firsts: Mapping[str, Index] = field(default_factory=dict)

    @property
    def ranges(self) -> tuple[OpenLoop, ...]:
        """The dims as symbols of known ranges, around all loops."""
        return tuple(OpenLoop(dim.name, Kind.DIM, Index(dim.most or 0)) for dim in self.dims)

    def most(self, extent: Index) -> int:
        """The greatest value of an extent."""
        bounds = {dim.name: Interval(0, dim.most or 0) for dim in self.dims}
        return max(0, extent.interval(bounds).hi)


def launch_of(
    kernel: str, params: Sequence[KernelParam], specs: Mapping[str, TensorSpec | None], bounds: Bounds
) -> Launch:
    """What a launch decides of these parameters, which must leave all strides as they are."""
    if not bounds:
        return Launch()
    tensors = [(p, p.annotation) for p in params if isinstance(p.annotation, TensorAnnotation)]
    _check_known(kernel, tensors, bounds)
    fixed = _fixed_dims(tensors, specs, bounds)
    firsts: dict[str, Index] = {}
    homes: dict[str, KernelParam] = {}
    for param, annotation in tensors:
        if any(extent.symbols() & bounds.keys() for extent in annotation.shape):
            firsts[param.name] = first = _first(kernel, param, annotation, fixed, bounds)
            homes.setdefault(str(first), param)
    for param in params:
        if param.name in bounds:
            raise _refused(kernel, param, f"has the name of the dynamic dim '{param.name}'", "rename one")
    dims = tuple(
        Scalar(name, i64, homes[name].span if name in homes else NO_SPAN, most)
        for name, most in sorted(bounds.items())
    )
    return Launch(dims, firsts)


def largest(
    kernel: str, params: Sequence[KernelParam], specs: Mapping[str, TensorSpec | None], bounds: Bounds
) -> list[TensorSpec | None]:
    """The specs of the largest launch that these belong to: equal for all launches of one compiled kernel."""
    if not bounds:
        return [specs[param.name] for param in params]
    launch = launch_of(kernel, params, specs, bounds)
    given = {n: tuple(map(Index, spec.shape)) for n, spec in specs.items() if spec is not None}
    tensors = [p for p in params if isinstance(p.annotation, TensorAnnotation)]
    if all(param.name in given for param in tensors):
        dims = bind_dims(kernel, tensors, given)
        for dim in launch.dims:
            home = next((name for name, first in launch.firsts.items() if str(first) == dim.name), "")
            check_bound(kernel, dim, dims[dim.name].const, home)
    return [_largest(kernel, param, specs[param.name], launch) for param in params]


def _largest(kernel: str, param: KernelParam, spec: TensorSpec | None, launch: Launch) -> TensorSpec | None:
    first = launch.firsts.get(param.name)
    if spec is None or first is None:
        return spec
    if not _c_ordered(spec):
        raise ArgumentError(
            f"'{param.name}' of kernel '{kernel}' has a dynamic extent, but strides {spec.strides}",
            span=param.span,
            label="declared here",
            hints=("arrays of dynamic extents are in C order: pass numpy.ascontiguousarray of it",),
        )
    return TensorSpec(spec.dtype, (launch.most(first), *spec.shape[1:]))


def _c_ordered(spec: TensorSpec) -> bool:
    """Whether an array lies in memory as a part of a larger one would."""
    expected = c_strides(spec.shape)
    return (
        spec.strides is None
        or 0 in spec.shape
        or all(
            extent == 1 or given == wanted
            for extent, given, wanted in zip(spec.shape, spec.strides, expected, strict=True)
        )
    )


def _check_known(
    kernel: str, tensors: Sequence[tuple[KernelParam, TensorAnnotation]], bounds: Bounds
) -> None:
    names = {name for _, annotation in tensors for extent in annotation.shape for name in extent.symbols()}
    for name, most in bounds.items():
        if name not in names:
            close = get_close_matches(name, sorted(names), n=1)
            raise ArgumentError(
                f"kernel '{kernel}' has no dim '{name}' that could be dynamic",
                span=caller_span(),
                label=f"'{name}' is unknown",
                hints=(
                    f"did you mean '{close[0]}'?"
                    if close
                    else f"its dims are {', '.join(sorted(names)) or 'none'}",
                ),
            )
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ArgumentError(
                f"the bound of the dynamic dim '{name}' is {most!r}",
                span=caller_span(),
                label="not an extent",
                hints=(f"give the most elements that a launch may have: dynamic={{'{name}': 4096}}",),
            )


def _fixed_dims(
    tensors: Sequence[tuple[KernelParam, TensorAnnotation]],
    specs: Mapping[str, TensorSpec | None],
    bounds: Bounds,
) -> dict[str, int]:
    """The dims that all launches share."""
    fixed: dict[str, int] = {}
    for param, annotation in tensors:
        spec = specs[param.name]
        if spec is not None and len(spec.shape) == len(annotation.shape):
            for wanted, extent in zip(annotation.shape, spec.shape, strict=True):
                name = bare_symbol(wanted)
                if name is not None and name not in bounds:
                    fixed.setdefault(name, extent)
    return fixed


def _first(
    kernel: str, param: KernelParam, annotation: TensorAnnotation, fixed: Mapping[str, int], bounds: Bounds
) -> Index:
    """The first extent of a parameter, in dynamic dims."""
    for axis, extent in enumerate(annotation.shape[1:], start=1):
        if dynamic := sorted(extent.symbols() & bounds.keys()):
            raise _refused(
                kernel,
                param,
                f"has the dynamic dim '{dynamic[0]}' on axis {axis}",
                "a dynamic dim stands on the first axis: the strides of axes before it would depend on it",
            )
    if annotation.direction is Direction.CONST:
        raise _refused(
            kernel,
            param,
            "is Const, and its extent is dynamic",
            "weights are bound once, for all launches: give them a fixed extent, or declare it In",
        )
    first = annotation.shape[0].substitute(fixed)
    if len(first.terms) != 1 or not isinstance(first.terms[0][0], Sym) or first.terms[0][1] < 1:
        raise _refused(
            kernel,
            param,
            f"has the first extent {annotation.shape[0]}",
            "with a dynamic dim an extent is a multiple of it, plus or minus a constant",
        )
    return first


def _refused(kernel: str, param: KernelParam, problem: str, hint: str) -> LanguageError:
    return LanguageError(
        f"'{param.name}' of kernel '{kernel}' {problem}",
        span=param.span,
        label="declared here",
        hints=(hint,),
    )

"""Dims that each launch binds: their values from the shapes of its arrays, and a program under such values.

In:  a `Program`, and the shapes of its arguments or the values of its dims.
Out: the values, or an `ArgumentError`; the shape of a tensor in a launch; the program with constant extents.
Not here: which dims a launch binds (`kernel/dynamic.py`); the same for calls of compiled kernels (`runtime`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mpmd.errors import ArgumentError, BoundsError, Note
from mpmd.lang.kernel.views import c_strides
from mpmd.lang.program import Program, Scalar, Tensor
from mpmd.lang.substitute import substituted

Shape = tuple[int, ...]
Values = Mapping[str, int]


def launch_dims(program: Program) -> tuple[Scalar, ...]:
    """The dims that a launch binds."""
    return tuple(scalar for scalar in program.scalars if scalar.most is not None)


def dim_values(program: Program, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """What the dims are, if all arguments agree and no bound is exceeded."""
    values: dict[str, int] = {}
    bound_by: dict[str, Tensor] = {}
    dims = {scalar.name: scalar for scalar in launch_dims(program)}
    tensors = [tensor for tensor in program.arguments if tensor.extents]
    for tensor in tensors:
        shape = shapes[tensor.name]
        if len(shape) != len(tensor.shape):
            raise _other_shape(program.name, tensor, shape)
        name = str(tensor.extents[0])
        if name in dims and name not in values:
            values[name], bound_by[name] = shape[0], tensor
            check_bound(program.name, dims[name], shape[0], tensor.name)
    for tensor in tensors:
        wanted, given = actual_shape(tensor, values)[0], shapes[tensor.name][0]
        if wanted != given:
            (name,) = tensor.extents[0].symbols()
            related = Note(bound_by[name].span, f"'{bound_by[name].name}' has {name} = {values[name]}")
            raise disagreement(program.name, tensor, wanted, given, related)
    return values


def check_bound(kernel: str, dim: Scalar, value: int, argument: str) -> None:
    """A dim is at most what the kernel was made for."""
    if dim.most is not None and value > dim.most:
        raise ArgumentError(
            f"'{dim.name}' of kernel '{kernel}' is {value} in '{argument}', but {dim.most} at most",
            span=dim.span,
            label=f"dynamic={{'{dim.name}': {dim.most}}}",
            hints=("give a larger bound where the kernel is made, or pass fewer elements at a time",),
        )


def disagreement(kernel: str, tensor: Tensor, wanted: int, given: int, related: Note) -> ArgumentError:
    """An argument that says something else of a dim than the one before it."""
    extent = tensor.extents[0]
    return ArgumentError(
        f"axis 0 of '{tensor.name}' of kernel '{kernel}' is {extent}, which is {wanted}, "
        f"but the argument has {given}",
        span=tensor.span,
        label=f"{wanted} and {given}",
        related=(related,),
        hints=(f"pass tensors that agree on {', '.join(sorted(extent.symbols()))}",),
    )


def _other_shape(kernel: str, tensor: Tensor, shape: Shape) -> ArgumentError:
    expected = ", ".join(map(str, tensor.extents))
    return ArgumentError(
        f"'{tensor.name}' of kernel '{kernel}' is {tensor.dtype.name}[{expected}], "
        f"but the argument has the shape {shape}",
        span=tensor.span,
        label="declared here",
        hints=("pass an array with as many axes",),
    )


def actual_shape(tensor: Tensor, values: Values) -> Shape:
    """The extents of a tensor in a launch."""
    if not tensor.extents:
        return tensor.shape
    shape = tuple(int(extent.evaluate(values)) for extent in tensor.extents)
    if min(shape) < 0:
        raise BoundsError(
            f"'{tensor.name}' has the extents ({', '.join(map(str, tensor.extents))}), "
            f"which are {shape} in this launch",
            span=tensor.span,
            label="negative",
            hints=("the launch is too small for this kernel",),
        )
    return shape


# -- a program under values -----------------------------------------------------------------------


def instantiated(program: Program, values: Values) -> Program:
    """The program that is the same for launches with these values, with no dim left to bind."""
    if not launch_dims(program):
        return program
    return replace(
        program,
        tensors=tuple(_tensor(tensor, values) for tensor in program.tensors),
        scalars=tuple(scalar for scalar in program.scalars if scalar.most is None),
        body=substituted(program.body, values),
    )


def at_bounds(program: Program) -> Program:
    """The program in its largest launch."""
    dims = launch_dims(program)
    return instantiated(program, {dim.name: dim.most for dim in dims if dim.most is not None})


def _tensor(tensor: Tensor, values: Values) -> Tensor:
    if not tensor.extents:
        return tensor
    shape = actual_shape(tensor, values)
    return replace(tensor, shape=shape, strides=c_strides(shape), extents=())

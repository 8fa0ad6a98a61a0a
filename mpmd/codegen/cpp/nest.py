"""Loop nests: which axes of an iteration space are walked, and which of them as one.

In:  a shape, and what is read and written at a place of it. Out: the loop variables and their extents.
Not here: what stands in the loops (`lambda_text.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmd.codegen.cpp.elements import Address, Coords, Count, Element, Pick, coefficient
from mpmd.codegen.cpp.lambda_text import leaves
from mpmd.codegen.cpp.scope import Scope
from mpmd.lang.index import ONE, ZERO, Index, symbol


@dataclass(frozen=True, slots=True)
class Nest:
    """Loops from the outermost inwards, and the coordinate of each axis of the space in them."""

    variables: tuple[str, ...]
    extents: tuple[Index, ...]
    coords: Coords


Places = Callable[[Coords], "tuple[list[Element], list[Address]]"]
"""What a step computes and where it writes, at a place of its space."""


def nest(scope: Scope, shape: tuple[Index, ...], places: Places, *, first: int = 0) -> Nest:
    """The loops of a space: extents of 1 have none, and neighbours that all accesses walk as one are one.

    `first` is the number of the first loop variable.
    """
    settled = [scope.settle(extent) for extent in shape]
    axes = [axis for axis, extent in enumerate(settled) if extent != ONE]
    variables = {axis: f"${first + i}" for i, axis in enumerate(axes)}
    coords = tuple(symbol(variables[a]) if a in variables else ZERO for a in range(len(shape)))
    elements, writes = places(coords)
    groups: list[tuple[int, Index]] = []  # the last axis of each group, and the group's extent
    for axis in axes:
        extent = settled[axis]
        if groups and extent.is_const:
            before, outer = groups[-1]
            if _as_one(scope, variables[before], variables[axis], extent.const, elements, writes):
                groups[-1] = (axis, outer * extent)
                continue
        groups.append((axis, extent))
    names = {axis: f"${first + i}" for i, (axis, _) in enumerate(groups)}
    coords = tuple(symbol(names[a]) if a in names else ZERO for a in range(len(shape)))
    return Nest(tuple(names.values()), tuple(extent for _, extent in groups), coords)


def _as_one(
    scope: Scope, outer: str, inner: str, extent: int, elements: list[Element], writes: list[Address]
) -> bool:
    """Whether a step along `outer` is everywhere `extent` steps along `inner`."""
    for element in elements:
        for leaf in leaves(element):
            if isinstance(leaf, Pick):
                return False
            if isinstance(leaf, Count):
                if coefficient(leaf.coord, outer) != extent * coefficient(leaf.coord, inner):
                    return False
            elif not _walks(scope, leaf.address, outer, inner, extent):
                return False
    return all(_walks(scope, address, outer, inner, extent) for address in writes)


def _walks(scope: Scope, address: Address, outer: str, inner: str, extent: int) -> bool:
    return scope.settle(address.step(outer)) == scope.settle(address.step(inner)) * extent

"""Nodes of a program with some of their symbols replaced.

In:  nodes, and what symbols stand for: numbers or index expressions.
Out: the same nodes in those terms. Names of loops stay.
Not here: which values a launch gives (`extents.py`); bodies of tasks (`partition/rewrite/bodies.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mpmd.lang.index import Index, IndexLike
from mpmd.lang.program import Arg, Call, Loop, Node, Placement, ScalarArg, Segments, View
from mpmd.lang.tile import Axis, Region

Symbols = Mapping[str, IndexLike]


def substituted(body: tuple[Node, ...], values: Symbols) -> tuple[Node, ...]:
    """Every index expression of the nodes, and of all nodes in them."""
    return tuple(_node(node, values) for node in body)


def _node(node: Node, values: Symbols) -> Node:
    if isinstance(node, Call):
        args = tuple(_arg(arg, values) for arg in node.args)
        dims = tuple((name, extent.substitute(values)) for name, extent in node.dims)
        return replace(node, args=args, dims=dims, placement=_placement(node.placement, values))
    body = substituted(node.body, values)
    if isinstance(node, Loop):
        until = None if node.until is None else _view(node.until, values)
        return replace(node, count=node.count.substitute(values), body=body, until=until)
    if isinstance(node, Segments):
        return replace(node, offsets=_view(node.offsets, values), body=body)
    return replace(node, extent=node.extent.substitute(values), body=body)


def _arg(arg: Arg, values: Symbols) -> Arg:
    if isinstance(arg, View):
        return _view(arg, values)
    if isinstance(arg, ScalarArg) and isinstance(arg.value, Index):
        return replace(arg, value=arg.value.substitute(values))
    return arg


def _placement(placement: Placement | None, values: Symbols) -> Placement | None:
    if placement is None or placement.core is None:
        return placement
    return replace(placement, core=placement.core.substitute(values))


def _view(view: View, values: Symbols) -> View:
    return replace(view, region=_region(view.region, values))


def _region(region: Region, values: Symbols) -> Region:
    return tuple(
        Axis(axis.start.substitute(values), axis.extent.substitute(values), axis.step, axis.keep)
        for axis in region
    )

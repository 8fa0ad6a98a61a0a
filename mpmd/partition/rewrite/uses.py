"""Who writes and who reads each tensor of a program.

In:  a `Program`. Out: `Uses` of its tensors, and the labels by which choices name them.
Not here: regions (`effects.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mpmd.lang.program import Call, Loop, Node, Program, Segments, TensorId, View
from mpmd.lang.types import Direction
from mpmd.partition.accesses import root_of
from mpmd.partition.rewrite.places import Site, sites


@dataclass(slots=True)
class Uses:
    """The calls that write and read a tensor, in program order; one that does both is in both lists.

    `plain` if nothing else uses it: no reshaped view of it, no loop that takes its pieces or its end from it.
    """

    writers: list[Site] = field(default_factory=list)
    readers: list[Site] = field(default_factory=list)
    plain: bool = True


def uses_of(program: Program) -> Mapping[TensorId, Uses]:
    """By the tensor that owns the storage."""
    found = {tensor.id: Uses() for tensor in program.tensors if tensor.base is None}
    for site in sites(program.body):
        for param, arg in zip(site.call.task.params, site.call.args, strict=True):
            if isinstance(arg, View) and param.direction is not None:
                _add(found, program, site, arg, param.direction)
    for view in _views_of_loops(program.body):
        found[root_of(program.tensors[view.tensor], program).id].plain = False
    return found


def use_of(program: Program, tensor: TensorId) -> Uses:
    """The uses of one tensor, which owns its storage."""
    found = {tensor: Uses()}
    views = {t.id for t in program.tensors if root_of(t, program).id == tensor}
    for site in sites(program.body):
        for param, arg in zip(site.call.task.params, site.call.args, strict=True):
            if isinstance(arg, View) and arg.tensor in views and param.direction is not None:
                _add(found, program, site, arg, param.direction)
    found[tensor].plain &= all(view.tensor not in views for view in _views_of_loops(program.body))
    return found[tensor]


def _add(
    found: Mapping[TensorId, Uses], program: Program, site: Site, view: View, direction: Direction
) -> None:
    root = root_of(program.tensors[view.tensor], program).id
    uses = found[root]
    uses.plain &= root == view.tensor
    for sites_, does in ((uses.writers, direction.writes), (uses.readers, direction.reads)):
        if does and (not sites_ or sites_[-1] is not site):
            sites_.append(site)


def _views_of_loops(body: tuple[Node, ...]) -> Iterator[View]:
    for node in body:
        if isinstance(node, Call):
            continue
        if isinstance(node, Segments):
            yield node.offsets
        if isinstance(node, Loop) and node.until is not None:
            yield node.until
        yield from _views_of_loops(node.body)


def labels(program: Program) -> dict[str, TensorId]:
    """Every tensor by its name, with its number where others have that name, too."""
    counts = Counter(tensor.name for tensor in program.tensors)
    return {t.name if counts[t.name] == 1 else f"{t.name}#{t.id}": t.id for t in program.tensors}

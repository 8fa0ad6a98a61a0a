"""Tasks for cores of one engine each: products for cube cores, everything else for vector cores.

In:  a `Program`, a `Machine` with cube and vector cores. Out: a `Program` that means the same, whose calls say
     which kind of core they are for; `UnsupportedOp` with the user's line where a task cannot be cut.
Not here: cutting a body (`engine_cuts.py`), where on a kind a call runs (`schedule`).
"""

from __future__ import annotations

from dataclasses import replace

from mpmd.lang.program import Call, Node, Placement, Program
from mpmd.lang.tile import Apply, walk
from mpmd.machine import Machine

CUBE, VECTOR = "cube", "vector"


def for_engines(program: Program, machine: Machine) -> Program:
    return replace(program, body=_placed(program.body))


def _placed(body: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(
        _on_its_kind(node) if isinstance(node, Call) else replace(node, body=_placed(node.body))
        for node in body
    )


def _on_its_kind(call: Call) -> Call:
    products = any(isinstance(stmt, Apply) and stmt.op == "dot" for stmt in walk(call.task.body))
    placement = call.placement or Placement()
    if placement.on is not None or placement.core is not None:
        return call
    return replace(call, placement=replace(placement, on=CUBE if products else VECTOR))

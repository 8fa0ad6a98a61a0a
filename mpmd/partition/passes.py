"""How often a body goes over its values: a chain of elementwise ops is one pass, whatever its length.

In:  the statements of a task's body. Out: per value the passes over it beyond those that its first reader,
or the op that makes it, takes anyhow. Not here: what a pass costs (`machine`), how code fuses chains.

A step is a reduction, a product, a store, or an elementwise value that several steps take: this is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.tile import Apply, Branch, Gather, Load, Loop, Send, Stmt, Store

_STEPS = (OpKind.REDUCTION, OpKind.DOT)


def extra_passes(body: tuple[Stmt, ...]) -> Mapping[int, int]:
    """Passes by value. What is kept is written once and read by all but one; a load is read again."""
    steps: dict[int, set[int]] = {}  # by value: those that evaluate it
    extra: dict[int, int] = {}
    for position, stmt in enumerate(reversed([*_all(body)])):
        if isinstance(stmt, (Store, Send)):
            steps.setdefault(stmt.value, set()).add(position)
        elif isinstance(stmt, (Load, Gather)):
            extra[stmt.out] = max(0, len(steps.get(stmt.out, ())) - 1)
        elif isinstance(stmt, Apply):
            own = steps.get(stmt.out, set())
            kind = OPS[stmt.op].kind
            if kind is OpKind.ELEMENTWISE and len(own) > 1:
                extra[stmt.out] = len(own)
                own = {position}
            for value in stmt.args:
                steps.setdefault(value, set()).update({position} if kind in _STEPS else own)
        elif isinstance(stmt, Loop):
            for carry in stmt.carried:
                steps.setdefault(carry.next, set()).add(position)
                steps.setdefault(carry.init, set()).add(position)
    return extra


def _all(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """The statements, those inside of others after these."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, Loop):
            yield from _all(stmt.body)
        elif isinstance(stmt, Branch):
            yield from _all(stmt.then)
            yield from _all(stmt.otherwise)

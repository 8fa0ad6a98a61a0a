"""How often a body goes over its values: a chain of elementwise ops is one pass, whatever its length.

In:  the statements of a task's body. Out: per value the passes over it beyond those that its first reader,
or the op that makes it, takes anyhow. Not here: what a pass costs (`machine`), how code fuses chains.

A step is a reduction, a product, a store, what a loop carries, or an elementwise value that several steps
take. Such a value is kept: written once, and read by each step, unless a reduction takes it as it is made.
The result of a product is kept, too, unless it is only stored; a load is read again by all steps but one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.tile import Apply, Branch, Gather, Load, Loop, Send, Stmt, Store


def extra_passes(body: tuple[Stmt, ...]) -> Mapping[int, int]:
    """Passes by value."""
    walk = _Walk()
    walk.body(body)
    return walk.extra


class _Walk:
    """From the last statement to the first: the steps that take a value are known when its maker comes."""

    def __init__(self) -> None:
        self.extra: dict[int, int] = {}
        self._steps: dict[int, set[int]] = {}  # by value: those that take it
        self._stored: set[int] = set()
        self._reduced: set[int] = set()
        self._count = 0

    def body(self, body: Sequence[Stmt]) -> None:
        for stmt in reversed(body):
            if isinstance(stmt, (Store, Send)):
                self._stored.add(stmt.value)
                self._take(stmt.value)
            elif isinstance(stmt, (Load, Gather)):
                self.extra[stmt.out] = max(0, len(self._of(stmt.out)) - 1)
            elif isinstance(stmt, Apply):
                self._apply(stmt)
            elif isinstance(stmt, Loop):
                self._loop(stmt)
            elif isinstance(stmt, Branch):
                self._branch(stmt)

    def _apply(self, stmt: Apply) -> None:
        kind, own = OPS[stmt.op].kind, self._of(stmt.out)
        if kind is OpKind.DOT:
            self.extra[stmt.out] = 0 if len(own) == 1 and stmt.out in self._stored else len(own)
        elif kind is OpKind.ELEMENTWISE and len(own) > 1:
            self.extra[stmt.out] = 1 + len(own) - (stmt.out in self._reduced)
        if kind is OpKind.REDUCTION:
            self._reduced.update(stmt.args)
        if kind in (OpKind.DOT, OpKind.REDUCTION) or stmt.out in self.extra:
            own = {self._step()}
        for value in stmt.args:
            self._steps.setdefault(value, set()).update(own)

    def _loop(self, loop: Loop) -> None:
        for carry in loop.carried:
            self._take(carry.next)
        self.body(loop.body)
        for carry in loop.carried:
            self.extra[carry.inside] = 1 + len(self._of(carry.inside))
            self._take(carry.init)

    def _branch(self, branch: Branch) -> None:
        for result in branch.results:
            self._take(result.then)
            self._take(result.otherwise)
        self.body(branch.otherwise)
        self.body(branch.then)

    def _take(self, value: int) -> None:
        self._steps.setdefault(value, set()).add(self._step())

    def _of(self, value: int) -> set[int]:
        return self._steps.get(value, set())

    def _step(self) -> int:
        self._count += 1
        return self._count

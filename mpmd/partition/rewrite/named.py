"""Rewrites by name: what a choice says in one line, and which of them a program may have.

In:  a `Program`. Out: `Rewrite`s, their text and what they make of a program; candidates, in classes of those
     that do the same to calls of the same form.
Not here: the rewrites themselves; which of them pay (`search.py`).

    fuse h                 the call that makes `h` and the next that uses it become one
    recompute h            every reader of `h` computes it again
    split y into 4         the reduction of the call that writes `y` is split in four

Tensors are named as they are in the source; those that share a name have their number after it (`h#7`).
No rewrite changes names or numbers of tensors, so that names stay right from one rewrite to the next.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from mpmd.errors import ArgumentError
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Loop, Program, Segments, Split, TensorId, TileLoop, View
from mpmd.lang.tile import Apply, TaskDef, walk
from mpmd.partition.rewrite.fuse import fused, next_user
from mpmd.partition.rewrite.places import AnyLoop, Place, Site
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.rewrite.recompute import recomputed
from mpmd.partition.rewrite.split import split_reduction
from mpmd.partition.rewrite.uses import Uses, labels, uses_of
from mpmd.partition.specialise import TaskNumbers


class Kind(Enum):
    FUSE = "fuse"
    RECOMPUTE = "recompute"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite. `tensor` is its label; `parts` is for splits alone."""

    kind: Kind
    tensor: str
    parts: int = 0

    def __str__(self) -> str:
        into = f" into {self.parts}" if self.kind is Kind.SPLIT else ""
        return f"{self.kind.value} {self.tensor}{into}"


_FORM = re.compile(r"(fuse|recompute) (\S+)|split (\S+) into (\d+)")


def parse_rewrite(text: str, program: Program) -> Rewrite:
    """The rewrite of a line of a choice."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise _wrong(program, text, "is not a rewrite", "write 'fuse h', 'recompute h' or 'split y into 4'")
    kind, tensor, target, parts = found.groups()
    return Rewrite(Kind(kind), tensor) if kind else Rewrite(Kind.SPLIT, target, int(parts))


def rewritten(program: Program, rewrites: Sequence[str]) -> Program:
    """The program after all rewrites, each of which must be there and right."""
    for text in rewrites:
        rewrite = parse_rewrite(text, program)
        result = applied(program, rewrite, _named(program, rewrite.tensor, text))
        if isinstance(result, Refused):
            raise _wrong(program, text, "is not right", str(result))
        program = result
    return program


def _named(program: Program, name: str, text: str) -> TensorId:
    known = labels(program)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"its tensors: {', '.join(known)}"
        raise _wrong(program, text, f"names '{name}', which '{program.name}' does not have", hint)
    return known[name]


def _wrong(program: Program, text: str, what: str, hint: str) -> ArgumentError:
    return ArgumentError(
        f"choice: {text!r} {what}", span=program.span, label=f"rewrites=({text!r}, …)", hints=(hint,)
    )


def applied(program: Program, rewrite: Rewrite, tensor: TensorId) -> Program | Refused:
    if rewrite.kind is Kind.FUSE:
        return fused(program, tensor)
    if rewrite.kind is Kind.RECOMPUTE:
        return recomputed(program, tensor)
    return split_reduction(program, tensor, rewrite.parts)


# -- candidates ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rewrite that may be right; the calls that it changes, and one that needs what they store."""

    rewrite: Rewrite
    tensor: TensorId
    sites: tuple[Site, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(site.place for site in self.sites)


def candidates(program: Program, parts: Sequence[int]) -> tuple[tuple[Candidate, ...], ...]:
    """Rewrites in classes: the members of one change calls of the same tasks over the same extents.

    Those that make two calls one come first, as what they leave may be split. `parts` are the numbers of
    pieces into which reductions may be split.
    """
    names = {tensor: name for name, tensor in labels(program).items()}
    numbers = TaskNumbers()
    classes: dict[object, list[Candidate]] = {}
    for tensor, uses in uses_of(program).items():
        for candidate in _of_tensor(program, tensor, names[tensor], uses, parts):
            key = (candidate.rewrite.kind, candidate.rewrite.parts, _form(candidate.sites, numbers))
            classes.setdefault(key, []).append(candidate)
    order = list(Kind)
    found = sorted(classes.values(), key=lambda members: order.index(members[0].rewrite.kind))
    return tuple(map(tuple, found))


def _of_tensor(
    program: Program, tensor: TensorId, name: str, uses: Uses, parts: Sequence[int]
) -> Iterator[Candidate]:
    pair = next_user(uses)
    if pair is not None and _side_by_side(*pair):
        others = [site for site in (*uses.readers, *uses.writers) if site not in pair]
        yield Candidate(Rewrite(Kind.FUSE, name), tensor, (*pair, *others[:1]))
    local = not program.tensors[tensor].is_argument and uses.plain
    if local and len(uses.writers) == 1 and uses.readers and is_cheap(uses.writers[0].call.task):
        yield Candidate(Rewrite(Kind.RECOMPUTE, name), tensor, (*uses.writers, *uses.readers))
    if len(uses.writers) == 1 and uses.plain and _reduces(uses.writers[0].call.task):
        for count in parts:
            yield Candidate(Rewrite(Kind.SPLIT, name, count), tensor, tuple(uses.writers))


def is_cheap(task: TaskDef) -> bool:
    """Whether a task may be worth doing more than once: it multiplies no matrices."""
    return not any(isinstance(stmt, Apply) and stmt.op == "dot" for stmt in walk(task.body))


def _reduces(task: TaskDef) -> bool:
    return any(isinstance(stmt, Apply) and stmt.op in ("dot", "sum") for stmt in task.body)


def _side_by_side(first: Site, second: Site) -> bool:
    """Whether the two stand equally deep, in loops of the same kinds and extents."""
    if len(first.loops) != len(second.loops):
        return False
    return all(_extent(a) == _extent(b) for a, b in zip(first.loops, second.loops, strict=True))


def _extent(loop: AnyLoop) -> object:
    if isinstance(loop, (TileLoop, Split)):
        return type(loop).__name__, str(loop.extent)
    return loop.name


def _form(sites: Sequence[Site], numbers: TaskNumbers) -> object:
    """What decides costs: tasks, extents, and the loops around; names of loops do not."""
    return tuple((numbers.number(s.call.task), _extents(s), tuple(map(_shape, s.loops))) for s in sites)


def _extents(site: Site) -> tuple[str, ...]:
    places: Mapping[str, Index] = {
        f"{loop.name}{part}": symbol(f"{depth}{part}")
        for depth, loop in enumerate(site.loops)
        for part in ("", ".start", ".size", ".index")
    }
    views = [arg for arg in site.call.args if isinstance(arg, View)]
    return tuple(str(extent.substitute(places)) for view in views for extent in view.shape)


def _shape(loop: AnyLoop) -> tuple[object, ...]:
    if isinstance(loop, TileLoop):
        return "tiles", str(loop.extent), loop.size
    if isinstance(loop, Split):
        return "split", str(loop.extent), loop.parts
    return ("segments", loop.count) if isinstance(loop, Segments) else ("loop", _count(loop))


def _count(loop: Loop) -> str:
    return str(loop.count)

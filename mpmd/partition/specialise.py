"""Functions and rows: which calls share a piece of code, and what each instance passes to it.

In:  the arguments of every call, and what was proved of the scalars.
Out: `Function`s, and per call a `SiteRows`.
Not here: the code (`codegen`), the bytes of the tables (`codegen.tables`).

Calls of one task whose parameters have the same full extents and strides share one function; extents
that differ between instances (the last, smaller tile; a runtime extent) become words of the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mpmd.lang.index import INT_MAX, Index
from mpmd.lang.program import Program
from mpmd.lang.tile import TaskDef
from mpmd.partition.accesses import Access, Facts, SiteArguments, SiteNeed
from mpmd.partition.affine import Affine, LaunchScalars, highest, same_everywhere, side_by_side
from mpmd.partition.graph import Function, IntColumn, LateOp, Layout, Word, WordKind
from mpmd.partition.guards import Intervals, Proof, interval_of
from mpmd.partition.late import LateOps

# Words of C++ that may name a task in Python.
_RESERVED = frozenset((
    "alignas", "alignof", "asm", "auto", "bool", "case", "catch", "char", "class", "concept", "const",
    "constexpr", "const_cast", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else",
    "enum", "explicit", "export", "extern", "float", "for", "friend", "goto", "if", "inline", "int", "long",
    "main", "mutable", "mpmd", "namespace", "new", "noexcept", "operator", "private", "protected", "public",
    "register", "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof", "static",
    "static_cast", "struct", "switch", "template", "this", "throw", "try", "typedef", "typeid", "typename",
    "union", "unsigned", "using", "virtual", "void", "volatile", "while",
))  # fmt: skip


@dataclass(frozen=True, eq=False)
class SiteRows:
    """The rows of a call's instances: the function, one row each, what is added later, and the late ops."""

    function: int
    words: IntColumn  # [instances, words of the function]
    symbolic: tuple[tuple[int, int, int], ...]
    late: tuple[LateOp, ...]


_Bounds = tuple[tuple[int, ...], ...]
"""Per tensor parameter, the largest extent of each axis."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What calls must have in common to share a function. `task` numbers the distinct tasks."""

    task: int
    bounds: _Bounds
    strides: tuple[tuple[int, ...], ...]
    tokens: tuple[tuple[int, ...], ...]  # shapes of the channels


def specialise(
    program: Program, sites: Sequence[SiteArguments], launch: LaunchScalars, proof: Proof
) -> tuple[tuple[Function, ...], tuple[SiteRows, ...]]:
    """The functions of a program, in order of first use, and the rows of every call."""
    numbering = TaskNumbers()
    members: dict[_Form, list[int]] = {}
    for index, form in enumerate(_forms(program, sites, proof.intervals, numbering)):
        members.setdefault(form, []).append(index)
    names = _Names({task.name for task in numbering.tasks})
    functions: list[Function] = []
    rows: list[SiteRows | None] = [None] * len(sites)
    for form, indices in members.items():
        function = _function(form, numbering.tasks[form.task], [sites[i] for i in indices], names)
        for index in indices:
            ops = LateOps(launch, proof.intervals)
            rows[index] = _rows(len(functions), function, sites[index], proof.needs[index], ops)
        functions.append(function)
    return tuple(functions), tuple(row for row in rows if row is not None)


class TaskNumbers:
    """Distinct tasks in order of first appearance. Hashes a task's whole body once per object."""

    def __init__(self) -> None:
        self.tasks: list[TaskDef] = []
        self._by_value: dict[TaskDef, int] = {}
        self._by_identity: dict[int, int] = {}  # only looked up: no order depends on it

    def number(self, task: TaskDef) -> int:
        known = self._by_identity.get(id(task))
        if known is None:
            known = self._by_value.setdefault(task, len(self.tasks))
            if known == len(self.tasks):
                self.tasks.append(task)
            self._by_identity[id(task)] = known
        return known


def _bound(access: Access, axis: int, facts: Facts, intervals: Intervals) -> int:
    """The largest extent of an axis over all instances and launches that pass the guards."""
    span = access.spans[axis]
    room = -(-access.tensor.shape[axis] // span.step)
    proved = highest(span.extent.const)
    if span.extent.terms:
        terms = span.extent.terms
        proved += facts.narrow(terms, interval_of(terms, intervals)).hi
    return max(0, min(room, proved))


def _extent_numbers(task: TaskDef) -> tuple[tuple[int, ...], ...]:
    """Per tensor parameter, a number for the extent of each axis: equal ones have equal numbers."""
    numbers: dict[Index, int] = {}
    return tuple(
        tuple([numbers.setdefault(extent, len(numbers)) for extent in param.shape]) for param in task.tensors
    )


def _forms(
    program: Program, sites: Sequence[SiteArguments], intervals: Intervals, numbering: TaskNumbers
) -> Iterator[_Form]:
    """The form of each site. The copies that unrolled loops make of a call have one, that of the largest."""
    extents: dict[int, tuple[tuple[int, ...], ...]] = {}  # by task
    largest: dict[int, _Bounds] = {}  # by call; no order depends on it
    for arguments in sites:
        number = numbering.number(arguments.site.call.task)
        if number not in extents:
            extents[number] = _extent_numbers(arguments.site.call.task)
        bounds = _bounds(extents[number], arguments, intervals)
        known = largest.setdefault(id(arguments.site.call), bounds)
        if bounds is not known:
            largest[id(arguments.site.call)] = tuple(
                tuple(map(max, a, b)) for a, b in zip(bounds, known, strict=True)
            )
    for arguments in sites:
        bounds = largest[id(arguments.site.call)]
        strides = tuple(map(_strides, arguments.accesses, bounds))
        tokens = tuple(program.channels[channel].shape for channel in arguments.channels)
        yield _Form(numbering.number(arguments.site.call.task), bounds, strides, tokens)


def _bounds(extents: tuple[tuple[int, ...], ...], arguments: SiteArguments, intervals: Intervals) -> _Bounds:
    """A dim has one extent, so the least bound among the axes that have it holds for all of them."""
    least: dict[int, int] = {}
    for access, numbers in zip(arguments.accesses, extents, strict=True):
        for number, axis in zip(numbers, access.axes, strict=True):
            least[number] = min(least.get(number, INT_MAX), _bound(access, axis, arguments.facts, intervals))
    return tuple([tuple([least[number] for number in numbers]) for numbers in extents])


def _strides(access: Access, bounds: tuple[int, ...]) -> tuple[int, ...]:
    """Elements between neighbours; an axis of one element takes what a packed layout would have.

    So a row of a wide matrix and a row of a narrow one have the same form.
    """
    strides: list[int] = []
    packed = 1
    for axis, bound in zip(reversed(access.axes), reversed(bounds), strict=True):
        stride = access.tensor.strides[axis] * access.spans[axis].step if bound > 1 else packed
        strides.append(stride)
        packed = stride * max(1, bound)
    return tuple(reversed(strides))


def _function(form: _Form, task: TaskDef, sites: Sequence[SiteArguments], names: _Names) -> Function:
    layouts: list[Layout] = []
    words: list[Word] = []
    dims: dict[str, tuple[int, bool]] = {}
    for number, (param, bounds, strides) in enumerate(
        zip(task.tensors, form.bounds, form.strides, strict=True)
    ):
        accesses = [arguments.accesses[number] for arguments in sites]
        extents = tuple(
            bound if all(_is_fixed(access, axis, bound) for access in accesses) else None
            for axis, bound in enumerate(bounds)
        )
        layouts.append(Layout(param.name, extents, strides, bounds))
        words += [Word(WordKind.BASE, param.name), Word(WordKind.OFFSET, param.name)]
        words += [Word(WordKind.EXTENT, param.name, axis) for axis, e in enumerate(extents) if e is None]
        for extent, bound, index in zip(extents, bounds, param.shape, strict=True):
            if len(index.terms) == 1 and not index.const and index.terms[0][1] == 1:
                dims.setdefault(str(index), (bound, extent is not None))
    words += [Word(WordKind.SCALAR, param.name) for param in task.scalars]
    words += [Word(WordKind.CHANNEL, param.name) for param in task.channels]
    for param, shape in zip(task.channels, form.tokens, strict=True):
        for index, extent in zip(param.shape, shape, strict=True):
            if str(index) in task.dims:
                dims.setdefault(str(index), (extent, True))
    return Function(
        name=names.take(task.name),
        task=task,
        dims=tuple((name, dims[name][0]) for name in task.dims if name in dims),
        fixed=frozenset(name for name, (_, fixed) in dims.items() if fixed),
        layouts=tuple(layouts),
        words=tuple(words),
    )


def _is_fixed(access: Access, axis: int, bound: int) -> bool:
    extent = access.spans[access.axes[axis]].extent
    return not extent.terms and same_everywhere(extent.const) == bound


def _rows(
    number: int, function: Function, arguments: SiteArguments, needs: tuple[SiteNeed, ...], ops: LateOps
) -> SiteRows:
    values: list[Affine] = []
    for access, layout in zip(arguments.accesses, function.layouts, strict=True):
        values += [Affine(access.root.id), access.byte_offset]
        values += [
            access.spans[access.axes[axis]].extent for axis, e in enumerate(layout.extents) if e is None
        ]
    values += arguments.scalars
    values += map(Affine, arguments.channels)
    ops.meet(needs)
    words = side_by_side([value.const for value in values], len(arguments.site.ids))
    symbolic = [
        (word, scalar, coefficient)
        for word, value in enumerate(values)
        for scalar, coefficient in ops.terms(value.terms)
    ]
    return SiteRows(number, words, tuple(symbolic), tuple(ops.ops))


class _Names:
    """C identifiers, each given once: `linear`, `linear_1`, …; never another task's own name."""

    def __init__(self, tasks: set[str]) -> None:
        self._tasks = tasks
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if plain in _RESERVED:
            plain += "_"
        candidate, count = plain, self._next.get(plain, 0)
        while candidate in self._taken or (candidate != name and candidate in self._tasks):
            count += 1
            candidate = f"{plain}_{count}"
        self._next[plain] = count
        self._taken.add(candidate)
        return candidate

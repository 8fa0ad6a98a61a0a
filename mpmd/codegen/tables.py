"""The tables of a kernel, as bytes: per-core steps, rows, events, loops, rings, and what rows access.

In:  a `Schedule`. Out: bytes, the same for the same schedule on every machine.
Not here: reading them to run (each target's driver) or to prove (`schedule.check`, which decodes by
itself from the description below).

Little-endian. A header of 32 int64, then the sections in this order, each padded with zeros to a
multiple of 8 bytes:

    header   0 magic 0x4D504D44  1 version 4   2 cores      3 steps    4 events   5 barriers
             6 rows  7 words     8 functions   9 params    10 axes    11 bases   12 scalars
            13 derived          14 terms      15 guards    16 patches 17 arena bytes
            18 total bytes of the table       19 programs  20 ops     21 loops   22 drains
            23 items            24 rings      25 uses      26.. zero

    core_ptr       i32[cores + 1]        steps of core c are core_ptr[c] .. core_ptr[c+1]
    steps          i32[steps][4]         op, a, b, reason
                                         op 0 RUN     a = row
                                         op 1 SIGNAL  a = event, b = amount: counter += amount (release)
                                         op 2 WAIT    a = event, b = count: until counter ≥ count (acquire)
                                         op 3 BARRIER a = ordinal: every core has all of them, in order;
                                                      b = 1 where a launch ends, on every core, else 0
                                         op 4 LOOP    a = loop, b = 0
                                         op 5 END     a = loop, b = steps between the LOOP and this
                                         op 6 DRAIN   a = drain, b = 0
                                         op 7 PREFETCH a = row, b = bytes
                                         reason = dependence served, −1 for RUN, LOOP, END, DRAIN, PREFETCH
    event_total    i32[events]           sum of the amounts signalled on the event in one launch, or in one
                                         iteration of its loop
    row_ptr        i64[rows + 1]         words of row r are row_ptr[r] .. row_ptr[r+1]
    row_function   i32[rows]
    words          i64[words]            see `WordKind`; BASE is an index of `bases`, OFFSET in bytes,
                                         CHANNEL an index of `rings`
    function_ptr   i32[functions + 1]    tensor parameters of function f: function_ptr[f] .. [f+1]
    params         i32[params][6]        mode (1 reads, 2 writes, 3 both), item bytes, word of BASE, word of
                                         OFFSET (both within the row), first axis, end axis
    axes           i64[axes][4]          word of the extent or −1, extent, word of the stride or −1, stride
                                         (elements; the extent is the largest one where a word holds it)
    bases          i64[bases][3]         kind (0 launch argument, 1 local tensor), bytes, and where it starts
                                         within the arena (0 for an argument)
    derived        i64[derived][7]       op (0 floordiv 1 mod 2 min 3 max 4 mul), lhs const, first term,
                                         end term, rhs const, first term, end term
    terms          i64[terms][2]         launch scalar (or, in `ops`, register), coefficient
    guards         i64[guards][5]        const, first term, end term, lo, hi: lo ≤ const + Σ terms ≤ hi
    patches        i64[patches][3]       word (absolute), launch scalar, coefficient: at launch
                                         word = value in the table + Σ coefficient × scalar
    row_program    i32[rows]             late program of the row, −1 where it has none
    program_ptr    i32[programs + 1]     ops of program p: program_ptr[p] .. program_ptr[p+1]
    ops            i64[ops][8]           kind, then
                     0..4 derived        lhs const, first term, end term, rhs const, first term, end term, 0
                     5 LOOP              0 …                       the iteration of the running loop
                     6 ELEMENT           base, offset const, first term, end term, item bytes (4 or 8), 0, 0
                     7 GUARD             const, first term, end term, lo, hi, note, 0
                     8 SKIP              const, first term, end term, 0 …
                     9 PATCH             word within the row, const, first term, end term, 0 …
    loops          i64[loops][8]         count const, first term, end term, base of the flag `until` (−1:
                                         none), its byte offset, its item bytes, barriers in the body, 0
    event_loop     i32[events]           the loop that the event's steps are in, −1 for straight code
    event_primitive i32[events]          which of the machine's primitives, 0 being the one for every event
    event_flag     i32[events]           of a flag its id within its group of cores, else −1
    drain_ptr      i32[drains + 1]       items of drain d: drain_ptr[d] .. drain_ptr[d+1]
    drain_rows     i32[items]
    rings          i64[rings][6]         producer core, consumer core, slot bytes, depth, arena offset of the
                                         first slot, 0
    uses           i64[uses][4]          row, ring, 0 sends 1 receives, tokens of that row on that ring

`scalars` counts the program's own; launch scalar s ≥ scalars is derived[s − scalars]. Bases are the
arguments in order, then the local tensors in order, reshaped views going by the tensor that they view.
An OFFSET is within its base. A local tensor of which no row touches a byte has no place: it keeps its
number, at 0, with 0 bytes. Local tensors may share bytes of the arena, one after the other. Float
scalars travel as the bits of an f64.

Late programs run just before the task of their row, op after op. Op k of a program writes register
scalars + derived + k (derived: the value; LOOP: the iteration, from 0; ELEMENT: the signed integer that
lies there; the others nothing). Terms may name launch scalars and earlier registers of the program. GUARD
ends the launch unless lo ≤ value ≤ hi; `note` numbers `LaunchInfo.checks`. After a SKIP whose value is not
above 0 the row is not run. A PATCH adds its value to a word of the row, behind what the launch's patches
made of it, for this one run.

Loops stand in straight code, on every core, each once; their steps lie between LOOP and END. A loop runs
max(0, count) iterations; with `until` END holds a meeting of all cores, each reads the flag (1, 2, 4 or 8
bytes; other than zero ends the loop), and another meeting. `barriers` in the header counts those of straight
code, the ordinals of a loop's own are within its body. In iteration i of its loop (from 0) WAIT means:
until the counter has gained i × total + b since the launch began; a b ≤ 0 is a wait for an earlier
iteration. A flag is not a counter that grows: a WAIT takes b away from it, and all that is signalled in
one launch (or iteration) is taken away in it, by one core; one flag may stand for several events, one after
the other. A PREFETCH may ask for at most b bytes of each argument that its row reads and does not write,
from the front; the core runs the row later, within the same iteration.

A row is run by exactly one RUN, or is an item of exactly one drain. The cores whose steps have
the DRAIN share its items among them, each item once for each time that these steps are reached.

At a BARRIER with b = 1 the cores go back to the host, which then launches those that have steps before the
next one. Where there is one, loops are the host's, too: it launches what is in them and around them apart.

A ring's slots lie in the arena, `slot bytes` apart (a multiple of 64). A slot begins with 64 bytes for the
extents of its token (8 i64); the elements follow in C order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mpmd.lang.program import Tensor
from mpmd.lang.types import Direction
from mpmd.partition.graph import (
    Derived,
    Element,
    LateGuard,
    LateOp,
    Linear,
    LoopIndex,
    Site,
    Skip,
    TaskGraph,
    WordKind,
)
from mpmd.schedule.steps import Ring, Schedule, StepOp

MAGIC = 0x4D504D44
VERSION = 4
HEADER_WORDS = 32

_DERIVED_OPS = {"floordiv": 0, "mod": 1, "min": 2, "max": 3, "mul": 4}
_LOOP, _ELEMENT, _GUARD, _SKIP, _PATCH = range(5, 10)
_NONE = -1


def pack(schedule: Schedule, *, first_note: int = 0) -> bytes:
    """The tables of a schedule. Late guards are numbered from `first_note` among the launch's checks."""
    graph = schedule.graph
    terms = _Terms()
    params, axes, function_ptr = _functions(graph)
    derived = [(_DERIVED_OPS[d.op], *terms.linear(d.lhs), *terms.linear(d.rhs)) for d in graph.derived]
    guards = [(*terms.linear(g.value), g.lo, g.hi) for g in graph.guards]
    base_of = _base_of(graph)
    late = _late_programs(graph, base_of, terms, first_note)
    bases, patches, loops = _bases(schedule), _patches(graph), _loops(schedule, base_of, terms)
    items = [task for drain in schedule.drains for task in drain.tasks]
    uses = _uses(schedule)
    steps = np.stack([schedule.op, schedule.a, schedule.b, schedule.reason], axis=1)
    sections = [
        _bytes(schedule.core_ptr, np.int32),
        _bytes(steps, np.int32),
        _bytes(event_totals(schedule), np.int32),
        _bytes(graph.word_ptr, np.int64),
        _bytes(_function_of_rows(graph), np.int32),
        _bytes(_words(graph, base_of, uses), np.int64),
        _bytes(function_ptr, np.int32),
        _bytes(params, np.int32),
        _bytes(axes, np.int64),
        _bytes(bases, np.int64),
        _bytes(derived, np.int64),
        _bytes(terms.rows, np.int64),
        _bytes(guards, np.int64),
        _bytes(patches, np.int64),
        _bytes(late.of_rows, np.int32),
        _bytes(late.ends, np.int32),
        _bytes(late.ops, np.int64),
        _bytes(loops, np.int64),
        _bytes(schedule.event_loop, np.int32),
        _bytes(schedule.primitive, np.int32),
        _bytes(schedule.flag, np.int32),
        _bytes(_ends([len(drain.tasks) for drain in schedule.drains]), np.int32),
        _bytes(items, np.int32),
        _bytes([_ring(ring) for ring in schedule.rings], np.int64),
        _bytes([use.row for use in uses], np.int64),
    ]
    total = HEADER_WORDS * 8 + sum(map(len, sections))
    header = [
        MAGIC, VERSION, schedule.cores, len(schedule.op), schedule.events, _barriers(schedule, _NONE),
        len(graph), len(graph.words), len(graph.functions), len(params), len(axes), len(bases),
        len(graph.program.scalars), len(derived), len(terms.rows), len(guards), len(patches),
        schedule.memory.arena_bytes, total,
        len(late.ends) - 1, len(late.ops), len(loops), len(schedule.drains), len(items),
        len(schedule.rings), len(uses),
    ]  # fmt: skip
    header += [0] * (HEADER_WORDS - len(header))
    return _bytes(header, np.int64) + b"".join(sections)


def event_totals(schedule: Schedule) -> npt.NDArray[np.int64]:
    """What is added to each event's counter in one launch, or in one iteration of its loop."""
    totals = np.zeros(schedule.events, np.int64)
    signals = schedule.op == StepOp.SIGNAL
    np.add.at(totals, schedule.a[signals], schedule.b[signals])
    return totals


def _bytes(values: npt.ArrayLike, dtype: npt.DTypeLike) -> bytes:
    data = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<")).tobytes()
    return data + b"\0" * (-len(data) % 8)


def _ends(lengths: list[int]) -> list[int]:
    return [0, *np.cumsum(lengths, dtype=np.int64).tolist()]


@dataclass
class _Terms:
    """The section `terms`, as it is filled."""

    rows: list[tuple[int, int]] = field(default_factory=list)

    def linear(self, value: Linear) -> tuple[int, int, int]:
        """const, first term, end term."""
        first = len(self.rows)
        self.rows.extend(value.terms)
        return value.const, first, len(self.rows)


def _function_of_rows(graph: TaskGraph) -> npt.NDArray[np.int64]:
    return np.array([site.function for site in graph.sites], np.int64)[graph.site]


def _functions(
    graph: TaskGraph,
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[int]]:
    params: list[tuple[int, ...]] = []
    axes: list[tuple[int, ...]] = []
    function_ptr = [0]
    for function in graph.functions:
        at = {(w.kind, w.name, w.axis): i for i, w in enumerate(function.words)}
        for layout in function.layouts:
            param = function.task.param(layout.name)
            assert param.direction is not None
            mode = param.direction.reads + 2 * param.direction.writes
            first = len(axes)
            for axis, (extent, stride, bound) in enumerate(
                zip(layout.extents, layout.strides, layout.bounds, strict=True)
            ):
                extent_word = at[WordKind.EXTENT, layout.name, axis] if extent is None else -1
                stride_word = at[WordKind.STRIDE, layout.name, axis] if stride is None else -1
                axes.append((extent_word, bound, stride_word, 0 if stride is None else stride))
            base, offset = (at[k, layout.name, -1] for k in (WordKind.BASE, WordKind.OFFSET))
            params.append((mode, param.dtype.itemsize, base, offset, first, len(axes)))
        function_ptr.append(len(params))
    return params, axes, function_ptr


def _roots(graph: TaskGraph) -> list[Tensor]:
    """The tensors that are bases, in their order."""
    roots = [t for t in graph.program.tensors if t.base is None]
    return sorted(roots, key=lambda t: (not t.is_argument, t.id))


def _base_of(graph: TaskGraph) -> npt.NDArray[np.int64]:
    """Per tensor the number of its base; of a root only."""
    roots = _roots(graph)
    base_of = np.full(len(graph.program.tensors), _NONE, np.int64)
    base_of[[t.id for t in roots]] = np.arange(len(roots))
    return base_of


def _bases(schedule: Schedule) -> list[tuple[int, int, int]]:
    graph = schedule.graph
    touched = set(graph.access_tensor[graph.access_hi > graph.access_lo].tolist())
    bases = []
    for tensor in _roots(graph):
        if tensor.is_argument:
            bases.append((0, tensor.size_bytes, 0))
        elif tensor.id in touched:
            bases.append((1, tensor.size_bytes, int(schedule.memory.offset[tensor.id])))
        else:
            bases.append((1, 0, 0))
    return bases


def _words(graph: TaskGraph, base_of: npt.NDArray[np.int64], uses: list[_Use]) -> npt.NDArray[np.int64]:
    """The rows with tensor ids replaced by bases, and channels by rings."""
    words = graph.words.copy()
    functions = _function_of_rows(graph)
    for index, function in enumerate(graph.functions):
        starts = graph.word_ptr[:-1][functions == index]
        for at, word in enumerate(function.words):
            if word.kind is WordKind.BASE:
                words[starts + at] = base_of[graph.words[starts + at]]
    for use in uses:
        words[use.word] = use.row[1]
    return words


def _patches(graph: TaskGraph) -> npt.NDArray[np.int64]:
    scalars = _launch_scalars(graph)
    parts = [np.zeros((0, 3), np.int64)]
    by_site = np.argsort(graph.site, kind="stable")
    ptr = np.searchsorted(graph.site[by_site], np.arange(len(graph.sites) + 1)).tolist()
    for index, site in enumerate(graph.sites):
        rows = np.array([patch for patch in site.symbolic if patch[1] < scalars], np.int64).reshape(-1, 3)
        if len(rows):
            starts = graph.word_ptr[by_site[ptr[index] : ptr[index + 1]]]
            block = np.empty((len(starts), len(rows), 3), np.int64)
            block[:, :, 0] = starts[:, None] + rows[None, :, 0]
            block[:, :, 1:] = rows[None, :, 1:]
            parts.append(block.reshape(-1, 3))
    return np.concatenate(parts)


# -- what is known when a task starts -------------------------------------------------------------------


def _launch_scalars(graph: TaskGraph) -> int:
    return len(graph.program.scalars) + len(graph.derived)


@dataclass(frozen=True, slots=True)
class _Late:
    """The late program of each row, the ends of the programs, their ops."""

    of_rows: npt.NDArray[np.int64]
    ends: list[int]
    ops: list[tuple[int, ...]]


def _late_programs(graph: TaskGraph, base_of: npt.NDArray[np.int64], terms: _Terms, first_note: int) -> _Late:
    """One program per site that has late ops: those, and then the patches of its rows' words."""
    scalars = _launch_scalars(graph)
    ops: list[tuple[int, ...]] = []
    ends = [0]
    of_sites = np.full(len(graph.sites), _NONE, np.int64)
    note = first_note
    for index, site in enumerate(graph.sites):
        if not site.late:
            continue
        of_sites[index] = len(ends) - 1
        for op in site.late:
            ops.append(_late_op(op, base_of, terms, note))
            note += isinstance(op, LateGuard)
        for word, value in _late_patches(site, scalars):
            ops.append((_PATCH, word, *terms.linear(value), 0, 0, 0))
        ends.append(len(ops))
    return _Late(of_sites[graph.site], ends, ops)


def late_guards(graph: TaskGraph) -> Iterator[LateGuard]:
    """The guards of late programs, in the order of their numbers."""
    for site in graph.sites:
        yield from (op for op in site.late if isinstance(op, LateGuard))


def _late_op(op: LateOp, base_of: npt.NDArray[np.int64], terms: _Terms, note: int) -> tuple[int, ...]:
    if isinstance(op, LoopIndex):
        return (_LOOP, 0, 0, 0, 0, 0, 0, 0)
    if isinstance(op, Element):
        return (_ELEMENT, int(base_of[op.tensor]), *terms.linear(op.offset), op.itemsize, 0, 0)
    if isinstance(op, LateGuard):
        return (_GUARD, *terms.linear(op.value), op.lo, op.hi, note, 0)
    if isinstance(op, Skip):
        return (_SKIP, *terms.linear(op.value), 0, 0, 0, 0)
    assert isinstance(op, Derived), op
    return (_DERIVED_OPS[op.op], *terms.linear(op.lhs), *terms.linear(op.rhs), 0)


def _late_patches(site: Site, scalars: int) -> list[tuple[int, Linear]]:
    """(word, what is added to it), ascending."""
    added: dict[int, list[tuple[int, int]]] = {}
    for word, value, coefficient in site.symbolic:
        if value >= scalars:
            added.setdefault(word, []).append((value, coefficient))
    return [(word, Linear(0, tuple(sorted(terms)))) for word, terms in sorted(added.items())]


# -- loops, drains, rings -------------------------------------------------------------------------------


def _loops(schedule: Schedule, base_of: npt.NDArray[np.int64], terms: _Terms) -> list[tuple[int, ...]]:
    rows = []
    infos = [phase.loop for phase in schedule.graph.phases if phase.loop is not None]
    for number, info in enumerate(infos):
        until = (_NONE, 0, 0)
        if info.until is not None:
            assert not info.until.offset.terms, "the place of a flag is known when the kernel is compiled"
            until = int(base_of[info.until.tensor]), info.until.offset.const, info.until.itemsize
        rows.append((*terms.linear(info.count), *until, _barriers(schedule, number), 0))
    return rows


def _barriers(schedule: Schedule, loop: int) -> int:
    """How many barriers each core has in a loop, or in straight code (−1)."""
    first, end = (int(at) for at in schedule.core_ptr[:2]) if schedule.cores else (0, 0)
    count, inside = 0, _NONE
    for op, a in zip(schedule.op[first:end].tolist(), schedule.a[first:end].tolist(), strict=True):
        if op in (StepOp.LOOP, StepOp.END):
            inside = a if op == StepOp.LOOP else _NONE
        count += op == StepOp.BARRIER and inside == loop
    return count


def _ring(ring: Ring) -> tuple[int, ...]:
    return ring.producer, ring.consumer, ring.slot_bytes, ring.depth, ring.offset, 0


@dataclass(frozen=True, slots=True)
class _Use:
    """A row of the section `uses`, and the word (absolute) that holds the number of the ring."""

    row: tuple[int, int, int, int]
    word: int


def _uses(schedule: Schedule) -> list[_Use]:
    """Which ring a row's channel is: that between the cores of the two ends in its gang. The k-th sender of
    a gang's channel goes with its k-th receiver, in program order."""
    graph = schedule.graph
    ring_of = {(r.channel, r.producer, r.consumer): number for number, r in enumerate(schedule.rings)}
    tokens = {(gang, channel): count for gang, channel, count in graph.tokens}
    ends = _channel_ends(graph)
    uses = []
    for (gang, channel), (senders, receivers) in sorted(ends.items()):
        for sender, receiver in zip(senders, receivers, strict=True):
            between = tuple(int(schedule.core[end.task]) for end in (sender, receiver))
            ring = ring_of[channel, between[0], between[1]]
            passed = tokens[gang, channel] // len(senders)
            uses += [
                _Use((end.task, ring, side, passed), end.word) for side, end in enumerate((sender, receiver))
            ]
    return sorted(uses, key=lambda use: use.row)


@dataclass(frozen=True, slots=True)
class _End:
    """A row that is an end of a channel, and its word (absolute) for the ring."""

    task: int
    word: int


def _channel_ends(graph: TaskGraph) -> dict[tuple[int, int], tuple[list[_End], list[_End]]]:
    """Per gang and channel the rows that send and those that receive, ascending."""
    ends: dict[tuple[int, int], tuple[list[_End], list[_End]]] = {}
    functions = _function_of_rows(graph)
    for index, function in enumerate(graph.functions):
        words = [(at, word) for at, word in enumerate(function.words) if word.kind is WordKind.CHANNEL]
        for task in np.flatnonzero(functions == index).tolist() if words else []:
            first, gang = int(graph.word_ptr[task]), int(graph.gang[task])
            for at, word in words:
                direction = function.task.param(word.name).direction
                pair = ends.setdefault((gang, int(graph.words[first + at])), ([], []))
                pair[direction is Direction.RECV].append(_End(task, first + at))
    for pair in ends.values():
        for side in pair:
            side.sort(key=lambda end: end.task)
    return ends

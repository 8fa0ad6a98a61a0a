"""What tasks do with their channels, and how much of their work lies between.

In:  a `TaskGraph`. Out: `Parts` of the runs of a task that has ends of channels.
Not here: when tokens pass (`counters.py`).

Work stands behind what a task receives and before what it sends, an equal part in each such place: a task
that receives, sends, receives, sends … computes once for every token. Its real shares are not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mpmd.lang.program import ChannelArg
from mpmd.lang.task.tokens import channel_sequence
from mpmd.partition.graph import Function, Layout, TaskGraph, WordKind
from mpmd.schedule.replay_rows import bare_dims


@dataclass(frozen=True, slots=True)
class Parts:
    """`moves` are (channel, whether it sends), in order; `work[i]` is the share of the task's work before
    `moves[i]`, and the last one that after all of them."""

    moves: tuple[tuple[int, bool], ...]
    work: tuple[float, ...]


def parts_of(graph: TaskGraph, task: int) -> Parts:
    """How a run of the task goes. Its channels are those of its call."""
    site = graph.sites[graph.site[task]]
    call, function = site.call, graph.functions[site.function]
    channels = {
        param.name: arg.channel
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, ChannelArg)
    }
    row = graph.words[graph.word_ptr[task] : graph.word_ptr[task + 1]].tolist()
    words = {(w.kind, w.name, w.axis): value for w, value in zip(function.words, row, strict=True)}
    shapes = {layout.name: _shape(layout, words) for layout in function.layouts}
    shapes |= {name: graph.program.channels[channel].shape for name, channel in channels.items()}
    sequence = channel_sequence(call.task, _values(function, words, shapes))
    moves = tuple((channels[param], way == "send") for param, way in sequence)
    return Parts(moves, _work(moves))


def _values(
    function: Function, words: dict[tuple[WordKind, str, int], int], shapes: dict[str, tuple[int, ...]]
) -> dict[str, int]:
    """The dims and integer scalars of one instance."""
    task = function.task
    integers = [scalar.name for scalar in task.scalars if scalar.dtype.is_integer]
    scalars = {name: words[WordKind.SCALAR, name, -1] for name in integers}
    return dict(function.dims) | bare_dims(task, shapes) | scalars


def _shape(layout: Layout, words: dict[tuple[WordKind, str, int], int]) -> tuple[int, ...]:
    return tuple(
        words[WordKind.EXTENT, layout.name, axis] if extent is None else extent
        for axis, extent in enumerate(layout.extents)
    )


def _work(moves: tuple[tuple[int, bool], ...]) -> tuple[float, ...]:
    """Equal shares, and none where a task has sent (or begins) and then receives (or ends)."""
    if not moves:
        return (1.0,)
    sends = [True, *(way for _, way in moves), False]
    places = [not (before and not after) for before, after in pairwise(sends)]
    return tuple(place / sum(places) for place in places)

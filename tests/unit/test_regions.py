"""Boxes against sets of elements: overlap, cover, frames of reshaped views, candidates."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpmd.lang.index import Index, Interval
from mpmd.lang.program import Scalar, Tensor
from mpmd.lang.tile import Axis, Param
from mpmd.lang.types import Direction, f32, i32
from mpmd.partition.accesses import Access, AxisSpan
from mpmd.partition.affine import Affine, LaunchScalars
from mpmd.partition.frame import Frame, Run, frame_of
from mpmd.partition.parts import Parts
from mpmd.partition.regions import RegionTable, region_table
from tests.unit.partition_programs import SPAN

NO_PARTS = Parts(LaunchScalars(()), {})

Box = tuple[tuple[int, int, int], ...]
"""Per axis (start, extent, step)."""


def elements(box: Box) -> set[tuple[int, ...]]:
    return set(product(*(range(start, start + extent * step, step) for start, extent, step in box)))


def table_of(boxes: list[Box], written: list[bool], shape: tuple[int, ...]) -> RegionTable:
    rows = [
        [v for start, n, step in box for v in (start, 0, start + (n - 1) * step, 0, step)] for box in boxes
    ]
    return region_table(np.array(rows, np.int64), np.array(written), shape, NO_PARTS)


def pairs(table: RegionTable) -> set[tuple[int, int]]:
    return {
        (a, int(b))
        for a in range(table.count)
        for b in table.overlaps[table.overlap_ptr[a] : table.overlap_ptr[a + 1]]
    }


@st.composite
def boxes(draw: st.DrawFn, shape: tuple[int, ...]) -> Box:
    box = []
    for size in shape:
        step = draw(st.integers(1, 5))
        start = draw(st.integers(0, size - 1))
        box.append((start, draw(st.integers(1, (size - 1 - start) // step + 1)), step))
    return tuple(box)


SHAPE = (11, 14)


@settings(deadline=None)
@given(st.lists(st.tuples(boxes(SHAPE), st.booleans()), min_size=1, max_size=8))
def test_constant_boxes_overlap_and_cover_exactly_as_their_elements_do(many: list[tuple[Box, bool]]) -> None:
    given_boxes, written = [b for b, _ in many], [w for _, w in many]
    table = table_of(given_boxes, written, SHAPE)
    sets: dict[int, set[tuple[int, ...]]] = {}
    is_written: set[int] = set()
    for box, write, region in zip(given_boxes, written, table.of_access.tolist(), strict=True):
        assert sets.setdefault(region, elements(box)) == elements(box)
        if write:
            is_written.add(region)
    assert len({frozenset(s) for s in sets.values()}) == table.count  # equal sets are one region
    expected = {
        (a, b) for a in sets for b in sets if sets[a] & sets[b] and (a in is_written or b in is_written)
    }
    assert pairs(table) == expected
    for a in range(table.count):
        for at in range(int(table.overlap_ptr[a]), int(table.overlap_ptr[a + 1])):
            assert table.covers[at] == (sets[a] >= sets[int(table.overlaps[at])])


def test_progressions_that_meet_only_past_their_ends_are_apart() -> None:
    table = table_of([((0, 2, 6),), ((4, 2, 4),)], [True, True], (16,))  # 0 6 and 4 8: both even
    assert pairs(table) == {(0, 0), (1, 1)}


def runtime_table(rows: list[list[int]], parts: list[Interval], shape: tuple[int, ...]) -> RegionTable:
    scalars = tuple(Scalar(f"s{number}", i32, SPAN) for number in range(len(parts)))
    known = Parts(LaunchScalars(scalars), dict(enumerate(parts)))
    for number in range(len(parts)):
        known.number(((number, 1),))
    return region_table(np.array(rows, np.int64), np.ones(len(rows), bool), shape, known)


def test_equal_runtime_parts_compare_by_their_constants() -> None:
    pos = Interval(0, 9)
    row = [0, 1, 0, 1, 1]  # [pos]
    following = [1, 1, 1, 1, 1]  # [pos + 1]
    before = [0, 0, -1, 1, 1]  # [:pos]
    table = runtime_table([row, following, before], [pos], (11,))
    a, b, c = table.of_access.tolist()
    assert (a, b) not in pairs(table) and (a, c) not in pairs(table) and (b, c) not in pairs(table)


def test_unequal_runtime_parts_compare_by_proved_intervals() -> None:
    row_of = [[0, 1, 0, 1, 1], [5, 2, 5, 2, 1], [0, 2, 0, 2, 1]]  # [pos], [n + 5], [n]
    table = runtime_table(row_of, [Interval(0, 4), Interval(0, 4)], (10,))
    a, b, c = table.of_access.tolist()
    assert (a, b) not in pairs(table)
    assert (a, c) in pairs(table)


def test_a_runtime_row_covers_itself_and_the_whole_covers_it() -> None:
    whole, row = [0, 0, 9, 0, 1], [0, 1, 0, 1, 1]
    table = runtime_table([whole, row], [Interval(0, 9)], (10,))
    w, r = table.of_access.tolist()
    found = {
        (a, int(b)): bool(covers)
        for a in (w, r)
        for b, covers in zip(
            table.overlaps[table.overlap_ptr[a] : table.overlap_ptr[a + 1]],
            table.covers[table.overlap_ptr[a] : table.overlap_ptr[a + 1]],
            strict=True,
        )
    }
    assert found == {(w, w): True, (w, r): True, (r, r): True, (r, w): False}


# -- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "finest"),
    [
        ([(4, 6)], (4, 6)),
        ([()], (1,)),
        ([(4, 6), (24,)], (4, 6)),
        ([(8, 960), (8, 15, 64)], (8, 15, 64)),
        ([(24,), (4, 2, 3), (8, 3)], (4, 2, 3)),
        ([(4, 6), (6, 4)], (24,)),  # these do not nest
        ([(1, 4), (4, 1)], (4,)),
    ],
)
def test_a_frame_has_the_common_cut_of_its_shapes_and_all_their_axes(
    shapes: list[tuple[int, ...]], finest: tuple[int, ...]
) -> None:
    frame = frame_of(shapes)
    assert tuple(outer // inner for inner, outer in frame.finest) == finest
    for shape in shapes:
        assert not shape or set(shape) <= set(frame.shape)


def access(shape: tuple[int, ...], box: Box) -> Access:
    strides = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    seen = Tensor(0, "t", f32, shape, strides, Direction.INOUT, None, SPAN)
    spans = tuple(AxisSpan(Affine(start), Affine(extent), step) for start, extent, step in box)
    region = tuple(Axis(Index(start), Index(extent), step) for start, extent, step in box)
    param = Param("p", Direction.IN, f32, (), SPAN)
    return Access(param, seen, seen, region, spans, tuple(range(len(shape))))


def projected(frame: Frame, shape: tuple[int, ...], box: Box) -> set[int]:
    """The flat elements whose coordinates all lie in the projection of a box."""
    runs = [
        range(int(run.first.const), int(run.last.const) + 1, int(run.step))
        for run in frame.project(access(shape, box), {})
    ]
    digits = list(zip(frame.coordinates, runs, strict=True))
    return {p for p in range(prod(shape)) if all(p % outer // inner in run for (inner, outer), run in digits)}


def flat_elements(shape: tuple[int, ...], box: Box) -> set[int]:
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return {sum(i * s for i, s in zip(place, strides, strict=True)) for place in elements(box)}


SHAPES = [(24,), (4, 6), (6, 4), (4, 2, 3), (2, 12), (1, 24), (2, 2, 2, 3), (24, 1)]


@settings(deadline=None)
@given(st.data(), st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
def test_a_projection_holds_the_elements_of_the_region_and_no_others(
    data: st.DataObject, shapes: list[tuple[int, ...]]
) -> None:
    box = data.draw(boxes(shapes[0]))
    assert projected(frame_of(shapes), shapes[0], box) == flat_elements(shapes[0], box)


@settings(deadline=None)
@given(st.data(), st.lists(st.sampled_from(SHAPES), min_size=2, max_size=4))
def test_regions_of_different_shapes_that_share_elements_overlap_and_cover_only_what_they_hold(
    data: st.DataObject, shapes: list[tuple[int, ...]]
) -> None:
    frame = frame_of(shapes)
    drawn = [(shape, data.draw(boxes(shape))) for shape in shapes]
    rows = [
        [v for run in frame.project(access(shape, box), {}) for v in _columns(run)] for shape, box in drawn
    ]
    everything = np.ones(len(rows), bool)
    table = region_table(np.array(rows, np.int64), everything, frame.shape, NO_PARTS)
    sets = [flat_elements(shape, box) for shape, box in drawn]
    region = table.of_access.tolist()
    found = pairs(table)
    for a, mine in enumerate(sets):
        for b, other in enumerate(sets):
            if mine & other or shapes[a] == shapes[b]:
                assert ((region[a], region[b]) in found) == bool(mine & other)
            row = table.overlaps[table.overlap_ptr[region[a]] : table.overlap_ptr[region[a] + 1]].tolist()
            if region[b] in row and table.covers[table.overlap_ptr[region[a]] + row.index(region[b])]:
                assert mine >= other


def _columns(run: Run) -> tuple[int, int, int, int, int]:
    return int(run.first.const), 0, int(run.last.const), 0, int(run.step)


def test_tiles_that_cut_a_head_are_apart_though_both_touch_it() -> None:
    frame = frame_of([(2, 12), (2, 3, 4)])
    left, right = (
        frame.project(access((2, 12), ((0, 2, 1), (at, 6, 1))), {}) for at in (0, 6)
    )  # heads of 4: the second is shared
    rows = np.array([[v for run in runs for v in _columns(run)] for runs in (left, right)], np.int64)
    table = region_table(rows, np.ones(2, bool), frame.shape, NO_PARTS)
    assert pairs(table) == {(0, 0), (1, 1)}


def test_the_number_of_pairs_is_linear_for_rows_of_a_matrix() -> None:
    many: list[Box] = [((row, 1, 1), (0, 64, 1)) for row in range(2000)]
    whole: Box = ((0, 2000, 1), (0, 64, 1))
    table = table_of([*many, whole], [True] * 2001, (2000, 64))
    assert table.count == 2001
    assert len(table.overlaps) == 3 * 2000 + 1

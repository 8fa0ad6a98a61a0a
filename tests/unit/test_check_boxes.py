"""Overlap of strided boxes, against sets of bytes."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from table_builder import build

from mpmd.schedule.proof.boxes import Boxes, meet, normalise
from mpmd.schedule.proof.decode import Column, decode
from mpmd.schedule.proof.footprints import Footprints
from mpmd.schedule.proof.late import Knowledge
from mpmd.schedule.proof.overlap import Judge, overlapping
from mpmd.schedule.proof.scalars import Bounds

Box = tuple[int, int, list[int], list[int]]
"""offset, item, extents, strides in bytes."""


NO_SCALARS = Judge(Knowledge((), (Bounds.of_launch(decode(build(cores=[[]], rows=[]))),), ()))


def fixed(base: Column, boxes: Boxes) -> Footprints:
    """Footprints that no launch scalar moves."""
    zero = np.zeros(len(boxes), np.int64)
    return Footprints(base, zero, zero, zero, zero - 1, zero > 0, boxes, boxes, ((),), ((),))


def contents(box: Box) -> set[int]:
    offset, item, extents, strides = box
    places = product(*map(range, extents))
    starts = [offset + sum(i * s for i, s in zip(at, strides, strict=True)) for at in places]
    return {start + byte for start in starts for byte in range(item)}


def normal(boxes: list[Box]) -> Boxes:
    rank = max((len(b[2]) for b in boxes), default=0)
    extents = [b[2] + [1] * (rank - len(b[2])) for b in boxes]
    strides = [b[3] + [0] * (rank - len(b[3])) for b in boxes]
    column = [np.array(values, np.int64) for values in ([b[0] for b in boxes], [b[1] for b in boxes])]
    shape = len(boxes), rank
    return normalise(column[0], column[1], np.array(extents).reshape(shape), np.array(strides).reshape(shape))


def random_box(rng: random.Random) -> Box:
    """A view of a small row-major tensor: tiles, steps, transposes; sometimes strides without reason."""
    item = rng.choice([1, 2, 4])
    shape = [rng.randint(1, 5) for _ in range(rng.randint(0, 3))]
    strides = [item * int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    if rng.random() < 0.2:
        strides = [rng.randint(-9, 9) for _ in shape]
    offset, extents = 100, []
    for axis, extent in enumerate(shape):
        start = rng.randrange(extent)
        step = rng.randint(1, 3)
        offset += start * strides[axis]
        extents.append(rng.randint(1, -(-(extent - start) // step)))
        strides[axis] *= step
    order = list(range(len(shape)))
    rng.shuffle(order)
    return offset, item, [extents[k] for k in order], [strides[k] for k in order]


@pytest.mark.parametrize("seed", range(4))
def test_boxes_meet_iff_they_share_a_byte(seed: int) -> None:
    """Exact for nested strides, steps, negative strides, transposes, and strides without reason."""
    rng = random.Random(seed)
    boxes = [random_box(rng) for _ in range(120)]
    normalised = normal(boxes)
    sets = [contents(box) for box in boxes]
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(120), np.arange(120)))
    shared = [bool(sets[i] & sets[j]) for i, j in zip(a, b, strict=True)]
    assert meet(normalised, a, b).tolist() == shared
    assert 0.05 < np.mean(shared) < 0.95


def test_normal_form_keeps_the_bytes() -> None:
    """Merging axes changes no byte, and a contiguous tile becomes one run."""
    rng = random.Random(9)
    boxes = [random_box(rng) for _ in range(500)]
    normalised = normal(boxes)
    for k, box in enumerate(boxes):
        again = (int(normalised.offset[k]), 1, normalised.extents[k].tolist(), normalised.strides[k].tolist())
        assert contents(again) == contents(box)
        assert (min(contents(box)), max(contents(box)) + 1) == (again[0], int(normalised.end[k]))
    whole = normal([(0, 4, [3, 5, 7], [140, 28, 4])])
    assert whole.extents.tolist() == [[420]]


def grid(rows: int, columns: int, height: int, width: int, *, transposed: bool = False) -> list[Box]:
    """The tiles of a matrix of bytes."""
    pitch = columns * width
    extents, strides = ([width, height], [1, pitch]) if transposed else ([height, width], [pitch, 1])
    corners = [r * height * pitch + c * width for r in range(rows) for c in range(columns)]
    return [(corner, 1, extents, strides) for corner in corners]


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_those_that_share_bytes_with_one_written(seed: int) -> None:
    """The sweep finds each pair once, whichever way it looks for candidates."""
    rng = random.Random(seed)
    boxes = [random_box(rng) for _ in range(60)] + grid(5, 4, 2, 3) + grid(5, 2, 2, 6, transposed=True)
    written = np.array([rng.random() < 0.4 for _ in boxes])
    base = np.array([rng.randrange(2) for _ in boxes])
    sets = [contents(box) for box in boxes]
    expected = {
        (i, j)
        for i in range(len(boxes))
        for j in range(i)
        if base[i] == base[j] and (written[i] or written[j]) and sets[i] & sets[j]
    }
    normalised = normal(boxes)
    a, b = overlapping(fixed(base, normalised), written, NO_SCALARS)
    pairs = [(max(i, j), min(i, j)) for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected


def test_many_tiles_of_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles of a large matrix overlap the bands that cross them and nothing else, in little time."""
    tiles = grid(60, 60, 4, 8)
    bands: list[Box] = [(r * 4 * 480, 1, [4, 480], [480, 1]) for r in range(60)]
    wrapping: list[Box] = [(r * 480 + 476, 1, [8], [1]) for r in range(0, 200, 4)]
    boxes = tiles + bands + wrapping
    normalised = normal(boxes)
    written = np.arange(len(boxes)) < len(tiles)
    prints = fixed(np.zeros(len(boxes), np.int64), normalised)
    a, b = overlapping(prints, written, NO_SCALARS)
    sets = [contents(box) for box in boxes]
    expected = {(i, j) for i in range(3600) for j in range(3600, len(boxes)) if sets[i] & sets[j]}
    found = {(min(i, j), max(i, j)) for i, j in zip(a.tolist(), b.tolist(), strict=True)}
    assert found == expected
    monkeypatch.setattr("mpmd.schedule.proof.overlap._FEW", 10**9)  # the other way of looking
    a, b = overlapping(prints, written, NO_SCALARS)
    assert {(min(i, j), max(i, j)) for i, j in zip(a.tolist(), b.tolist(), strict=True)} == expected


@pytest.mark.parametrize("wraps", [False, True])
def test_columns_of_a_matrix_are_told_apart_by_their_place_in_a_row(wraps: bool) -> None:
    """Their hulls all overlap; what crosses the end of a row is found once, though it is in two pieces."""
    columns = grid(1, 500, 4, 2)
    readers: list[Box] = [(7, 1, [4, 2], [1000, 1]), (100, 1, [4, 3], [1000, 1])]
    if wraps:
        readers.append((999, 1, [2], [1]))
    boxes = columns + readers
    written = np.arange(len(boxes)) < len(columns)
    sets = [contents(box) for box in boxes]
    expected = {(i, j) for i in range(500) for j in range(500, len(boxes)) if sets[i] & sets[j]}
    a, b = overlapping(fixed(np.zeros(len(boxes), np.int64), normal(boxes)), written, NO_SCALARS)
    pairs = [(min(i, j), max(i, j)) for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    assert len(pairs) == len(set(pairs)) and set(pairs) == expected

"""Loops over runtime and ragged pieces, and loops that end early: what is recorded, and what is refused."""

import mpmd
from mpmd import In, InOut, Out, f32, i32, i64
from mpmd.errors import BoundsError, DirectionError, LanguageError, TypeMismatch
from mpmd.lang.program import Loop, Node, Segments, Split, TileLoop
from mpmd.lang.text.printer import print_program
from mpmd.lang.types import TensorSpec
from tests.unit.traced_tasks import copy, update
from tests.unit.tracing import declared, refusal, traced

N, K = mpmd.dims("N K")
I4, I5 = TensorSpec(i32, (4,)), TensorSpec(i64, (3, 5))
F = TensorSpec(f32, (64,))


@declared
def stop_at(x: In[f32, N], done: Out[i32, 1]): ...


def heads(function, *shapes) -> list[str]:
    """The `for` lines of a program's text, without spans."""
    lines = print_program(traced(function, *shapes)).splitlines()
    return [line.partition("@")[0].strip() for line in lines if line.strip().startswith("for ")]


def calls_of(function, *shapes) -> list[str]:
    lines = print_program(traced(function, *shapes)).splitlines()
    return [line.partition(" @")[0].strip() for line in lines if line.strip().startswith("call ")]


def test_tiles_of_a_runtime_extent_are_bounded_by_the_shortest_axis_they_index() -> None:
    def kernel(x: In[f32, N], y: InOut[f32, K], n: i32):
        for t in mpmd.tiles(n, 16):
            copy(x[t], y[t])

    assert heads(kernel, (64,), (48,), None) == ["for t in tiles(n, 16 most 48)"]
    assert calls_of(kernel, (64,), (48,), None) == [
        "call copy(x[t.start:+t.size], y[t.start:+t.size]) where N=t.size"
    ]


def test_the_users_bound_wins_over_the_axes() -> None:
    def kernel(x: In[f32, N], y: InOut[f32, N], n: i32):
        for t in mpmd.tiles(n, most=32, drain=True):
            copy(x[t], y[t])

    assert heads(kernel, (64,), (64,), None) == ["for t in tiles(n most 32) drain"]


def test_an_expression_is_bounded_by_what_its_symbols_range_over() -> None:
    def kernel(x: In[f32, N], y: InOut[f32, N]):
        for i in mpmd.loop(8):
            for t in mpmd.tiles(i + 1, 2):
                copy(x[t], y[t])

    assert heads(kernel, (64,), (64,)) == ["for i in loop(8)", "for t in tiles(i + 1, 2 most 8)"]


def test_pieces_of_a_piece_begin_where_it_begins() -> None:
    def kernel(x: In[f32, N], y: InOut[f32, N], n: i32):
        for s in mpmd.split(n, 4):
            for t in mpmd.tiles(s, 8):
                copy(x[t], y[t.start : t.start + t.size])

    assert heads(kernel, (64,), (64,), None) == [
        "for s in split(n, 4 most 64)",
        "for t in tiles(s.size, 8 most 16)",
    ]
    assert calls_of(kernel, (64,), (64,), None) == [
        "call copy(x[s.start + t.start:+t.size], y[s.start + t.start:+t.size]) where N=t.size"
    ]


def test_halos_of_pieces_stay_inside_of_the_piece_that_they_divide() -> None:
    def kernel(x: In[f32, N], y: InOut[f32, N]):
        for s in mpmd.tiles(64, 32):
            for t in mpmd.tiles(s, 8):
                update(y[t.grow(1, 0)])

    assert calls_of(kernel, (64,), (64,)) == [
        "call update(y[max(0, t.start - 1) + s.start:+-max(0, t.start - 1) + t.start + 8]) "
        "where N=-max(0, t.start - 1) + t.start + 8"
    ]


def test_even_parts_of_a_constant_extent_have_a_constant_size() -> None:
    def kernel(x: In[f32, N], y: Out[f32, N]):
        for p in mpmd.split(64, 4):
            copy(x[p], y[p])

    assert heads(kernel, (64,), (64,)) == ["for p in split(64, 4)"]
    assert calls_of(kernel, (64,), (64,)) == ["call copy(x[p.start:+16], y[p.start:+16]) where N=16"]


def test_segments_have_a_start_and_a_size_and_are_divided_into_tiles() -> None:
    def kernel(x: In[f32, N], offsets: In[i64, 3, K], y: InOut[f32, N]):
        for s in mpmd.segments(offsets[1], 24):
            for t in mpmd.tiles(s):
                copy(x[t], y[t])

    shapes = ((64,), I5, (64,))
    assert heads(kernel, *shapes) == [
        "for s in segments(offsets[1, 0:+5], 4, 24)",
        "for t in tiles(s.size most 24)",
    ]


def test_a_loop_may_end_early_and_have_a_runtime_count() -> None:
    def kernel(x: In[f32, N], n: i32, y: InOut[f32, N]):
        done = mpmd.empty((1,), i32)
        for _ in mpmd.loop(n, until=done[0]):
            update(y)
            stop_at(y, done)

    assert heads(kernel, (64,), None, (64,)) == ["for _ in loop(n until done[0])"]


def test_what_has_no_iteration_is_not_recorded() -> None:
    def kernel(x: In[f32, N], none: In[i32, 1], y: Out[f32, N]):
        copy(x, y)
        for s in mpmd.segments(none, 8):
            update(y[s])
        for p in mpmd.split(0, 8):
            update(y[p])
        for _ in mpmd.loop(0):
            update(y)

    assert heads(kernel, (8,), TensorSpec(i32, (1,)), (8,)) == []


def nodes(function, *shapes) -> list[type[Node]]:
    return [type(node) for node in traced(function, *shapes).body]


def test_each_loop_is_a_node_of_its_own() -> None:
    def kernel(y: InOut[f32, N], offsets: In[i32, 4]):
        for t in mpmd.tiles(N):
            update(y[t])
        for p in mpmd.split(N, 2):
            update(y[p])
        for s in mpmd.segments(offsets, 4):
            update(y[s])
        for _ in mpmd.loop(2):
            update(y)

    assert nodes(kernel, (64,), I4) == [TileLoop, Split, Segments, Loop]


# -- refusals ---------------------------------------------------------------------------------------


def test_an_extent_without_a_bound_is_refused() -> None:
    def kernel(y: InOut[f32, N], n: i32):
        for t in mpmd.tiles(n, 16):
            update(y[t.start : t.start + t.size])

    assert refusal(LanguageError, lambda: traced(kernel, (64,), None)) == [
        "the extent n of mpmd.tiles has no bound",
        "mpmd.tiles(n, 16): known only at launch, and the body indexes no axis with the piece",
        "say how many elements it has at most: mpmd.tiles(…, most=4096)",
    ]


def test_a_bound_below_a_constant_extent_is_refused() -> None:
    def kernel(y: InOut[f32, N]):
        for t in mpmd.tiles(N, 16, most=32):
            update(y[t])

    assert refusal(LanguageError, lambda: traced(kernel, (64,))) == [
        "mpmd.tiles has 64 elements, but 'most' says 32",
        "mpmd.tiles(N, 16, most=32): most=32",
        "leave 'most' out: it bounds an extent that is known only at launch",
    ]


def test_a_split_into_no_parts_is_refused() -> None:
    def kernel(y: InOut[f32, N]):
        for p in mpmd.split(N, 0):
            update(y[p])

    assert refusal(LanguageError, lambda: traced(kernel, (64,)))[0] == (
        "mpmd.split makes at least 1 part, not 0"
    )


def test_offsets_are_one_axis_of_integers_at_a_known_place() -> None:
    def floats(y: InOut[f32, N], offsets: In[f32, N]):
        for s in mpmd.segments(offsets, 4):
            update(y[s])

    def number(y: InOut[f32, N], offsets: In[f32, N]):
        for s in mpmd.segments(4, 4):
            update(y[s])

    def moving(y: InOut[f32, N], offsets: In[i64, 3, 5]):
        for i in mpmd.loop(3):
            for s in mpmd.segments(offsets[i], 4):
                update(y[s])

    def none(y: InOut[f32, N], offsets: In[i64, 3, 5]):
        for s in mpmd.segments(offsets[0, 2:2], 4):
            update(y[s])

    assert refusal(TypeMismatch, lambda: traced(floats, (64,), (64,))) == [
        "the offsets of mpmd.segments are f32 with 1 axes",
        "mpmd.segments(offsets, 4): 'offsets' is given here",
        "offsets have one axis, of i32 or i64: segment k is offsets[k] to offsets[k + 1]",
    ]
    assert refusal(LanguageError, lambda: traced(number, (64,), (64,))) == [
        "mpmd.segments is given 4, which is not a tensor of the kernel",
        "mpmd.segments(4, 4): ",
        "the offsets are a tensor of i32 or i64, one more than there are segments",
    ]
    assert refusal(LanguageError, lambda: traced(moving, (64,), I5)) == [
        "the offsets of mpmd.segments must lie at a place that is known while the kernel is traced",
        "mpmd.segments(offsets[i], 4): 'offsets' is taken from i",
        "index it with constants, or have a task copy it to a tensor of its own",
    ]
    assert refusal(TypeMismatch, lambda: traced(none, (64,), I5)) == [
        "mpmd.segments is given no offsets",
        "mpmd.segments(offsets[0, 2:2], 4): 'offsets' has no elements",
        "n segments have n + 1 offsets",
    ]


def test_offsets_that_are_only_added_to_cannot_be_read() -> None:
    def kernel(y: InOut[f32, N], offsets: mpmd.Accum[i32, 4]):
        for s in mpmd.segments(offsets, 4):
            update(y[s])

    assert refusal(DirectionError, lambda: traced(kernel, (64,), I4)) == [
        "'offsets' is Accum, but the offsets of mpmd.segments must be read",
        "mpmd.segments(offsets, 4): 'offsets' is read here",
        "an Accum tensor is only added to; declare 'offsets' as InOut in the kernel",
    ]


def test_a_segment_has_no_halo() -> None:
    def kernel(y: InOut[f32, N], offsets: In[i32, 4]):
        for s in mpmd.segments(offsets, 4):
            update(y[s.grow(1, 1)])

    assert refusal(LanguageError, lambda: traced(kernel, (64,), I4)) == [
        "'s' is a segment, which has no halo",
        "s.grow(1, 1): grown here",
        "its neighbours are other segments; take tiles of it, and grow those",
    ]


def test_until_is_one_integer_that_the_body_writes() -> None:
    def unwritten(y: InOut[f32, N], done: In[i32, 4]):
        for _ in mpmd.loop(9, until=done[0]):
            update(y)

    def many(y: InOut[f32, N], done: In[i32, 4]):
        for _ in mpmd.loop(9, until=done):
            update(y)

    def floating(y: InOut[f32, N], done: In[i32, 4]):
        for _ in mpmd.loop(9, until=y[0]):
            update(y)

    def number(y: InOut[f32, N], done: In[i32, 4]):
        for _ in mpmd.loop(9, until=True):
            update(y)

    assert refusal(LanguageError, lambda: traced(unwritten, (64,), I4)) == [
        "no call in the body of the loop writes 'done', on which its end depends",
        "mpmd.loop(9, until=done[0]): 'until' stays what it is",
        "pass it to a task of the body, as Out or InOut",
    ]
    assert refusal(TypeMismatch, lambda: traced(many, (64,), I4)) == [
        "'until' is i32[4], not one integer or bool",
        "mpmd.loop(9, until=done): 'done' is given here",
        "give one element: until=done[0]; the loop ends when it is not zero",
    ]
    assert refusal(TypeMismatch, lambda: traced(floating, (64,), I4))[0] == (
        "'until' is f32[], not one integer or bool"
    )
    assert refusal(LanguageError, lambda: traced(number, (64,), I4)) == [
        "'until' is True, which is not an element of a tensor",
        "mpmd.loop(9, until=True): ",
        "give the element that a task of the body sets: until=done[0]",
    ]


def test_a_number_of_iterations_is_an_integer() -> None:
    def kernel(y: InOut[f32, N], x: f32):
        for _ in mpmd.loop(x):
            update(y)

    assert refusal(LanguageError, lambda: traced(kernel, (64,), None)) == [
        "<symbolic x> is not a number of iterations",
        "mpmd.loop(x): ",
        "give an integer, a dim, or an integer scalar of the kernel",
    ]


def test_an_out_is_covered_by_pieces_that_may_reach_all_of_it() -> None:
    """With the axis as its bound a runtime loop may write all; with a lower one it never does."""

    def whole(x: In[f32, N], y: Out[f32, N], n: i32):
        for t in mpmd.tiles(n, 16):
            copy(x[t], y[t])

    def part(x: In[f32, N], y: Out[f32, N], n: i32):
        for t in mpmd.tiles(n, 16, most=32):
            copy(x[t], y[t])

    def ragged(x: In[f32, N], y: Out[f32, N], offsets: In[i32, 4]):
        for s in mpmd.segments(offsets, 32):
            copy(x[s], y[s])

    traced(whole, (64,), (64,), None)
    traced(ragged, (64,), (64,), I4)
    assert refusal(DirectionError, lambda: traced(part, (64,), (64,), None)) == [
        "'y' is Out, but no call of 'part' writes y[32:64]",
        "y: written in part",
        "write all of it, or declare 'y' as InOut: what is not written then survives",
    ]


def test_offsets_and_flags_are_written_before_they_are_read() -> None:
    def segments(y: InOut[f32, N]):
        offsets = mpmd.empty((5,), i32)
        for s in mpmd.segments(offsets, 32):
            update(y[s])

    def other(y: InOut[f32, N]):
        done = mpmd.empty((2,), i32)
        for _ in mpmd.loop(9, until=done[1]):
            stop_at(y, done[:1])

    assert refusal(DirectionError, lambda: traced(segments, (64,))) == [
        "'offsets' is read before any call of 'segments' has written it",
        "mpmd.segments(offsets, 32): mpmd.segments reads its offsets",
        "call a task that writes 'offsets' first",
    ]
    assert refusal(DirectionError, lambda: traced(other, (64,))) == [
        "'done' at [1] is read before any call of 'other' has written it",
        "mpmd.loop(9, until=done[1]): mpmd.loop reads 'until'",
        "call a task that writes 'done' first",
    ]


def test_a_tile_beyond_its_axis_is_refused_where_it_is_certain() -> None:
    def kernel(x: In[f32, N], y: InOut[f32, K]):
        for p in mpmd.split(N, 4):
            copy(x[p], y[p])

    assert refusal(BoundsError, lambda: traced(kernel, (64,), (48,)))[0] == (
        "<tile p> is out of bounds for axis 0 of 'y'"
    )


def test_names_are_not_carried_through_pieces() -> None:
    def kernel(y: InOut[f32, N], offsets: In[i32, 4]):
        at = 0
        for s in mpmd.segments(offsets, 8):
            update(y[at : at + 4])
            at = s.start

    assert refusal(LanguageError, lambda: traced(kernel, (64,), I4))[:2] == [
        "'at' is carried from one iteration of a symbolic loop to the next",
        "at: bound again here",
    ]


def test_a_symbolic_loop_is_not_left_by_break() -> None:
    def kernel(y: InOut[f32, N], n: i32):
        for _ in mpmd.loop(n):
            update(y)
            break

    assert refusal(LanguageError, lambda: traced(kernel, (64,), None))[:2] == [
        "a symbolic loop is left before its body ends",
        "mpmd.loop(n): ",
    ]


def test_a_bound_is_a_constant() -> None:
    def kernel(y: InOut[f32, N], n: i32):
        for t in mpmd.tiles(n, 16, most=n):
            update(y[t])

    assert refusal(LanguageError, lambda: traced(kernel, (64,), None)) == [
        "'n' is not known while the kernel is traced",
        "mpmd.tiles(n, 16, most=n): must be a constant",
        "sizes, bounds and numbers of pieces are constants; only the extent may be known at launch",
    ]

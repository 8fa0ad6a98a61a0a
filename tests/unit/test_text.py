"""The text form: it round-trips, it is stable, and bad text is refused with its line."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpmd.errors import NO_SPAN, LanguageError, Span
from mpmd.lang import index as ix
from mpmd.lang import program as prog
from mpmd.lang.index import Index, symbol
from mpmd.lang.kernel.views import c_strides
from mpmd.lang.ops import OPS
from mpmd.lang.text.printer import parse_program, print_program, print_task
from mpmd.lang.tile import (
    Apply,
    Axis,
    Branch,
    Carry,
    Gather,
    Load,
    Loop,
    Param,
    Result,
    Stmt,
    Store,
    TaskDef,
    TileType,
)
from mpmd.lang.types import DTYPES, Direction, f32, i32, i64

# -- generated programs ---------------------------------------------------------------------------

names = st.sampled_from(["T", "H", "x", "load", "min", "range", "größe", "call", "in_", "float", "word"])
symbols = st.one_of(names, st.sampled_from(["f.start", "f.size", "j.index", "%3", "%12", "max"]))
value_ids = st.integers(0, 99)
dtypes = st.sampled_from(list(DTYPES.values()))
spans = st.one_of(
    st.just(NO_SPAN),
    st.builds(
        Span,
        st.sampled_from(["mlp.py", 'odd "name"\\.py', "a b/ü.py"]),
        st.integers(0, 999),
        st.integers(0, 80),
        st.integers(0, 999),
        st.integers(0, 80),
    ),
)


def _combine(children: st.SearchStrategy[Index]) -> st.SearchStrategy[Index]:
    operations = [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a // b,
        lambda a, b: a % b,
        ix.minimum,
        ix.maximum,
        ix.ceildiv,
    ]
    return st.builds(lambda f, a, b: f(a, b), st.sampled_from(operations), children, children)


indices = st.recursive(
    st.one_of(st.integers(-20, 4096).map(Index), symbols.map(symbol)), _combine, max_leaves=5
)
extents = st.one_of(st.integers(0, 64).map(Index), indices)
tile_types = st.builds(TileType, dtypes, st.lists(extents, max_size=3).map(tuple))


def tuples(elements: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(elements, max_size=most).map(tuple)


attr_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),
        st.text(max_size=5),
        dtypes,
        indices,
    ),
    tuples,
    max_leaves=4,
)
axes = st.builds(Axis, indices, extents, st.integers(1, 4), st.booleans())
regions = tuples(axes)


@st.composite
def applies(draw: st.DrawFn) -> Apply:
    op = draw(st.sampled_from(list(OPS)))
    args = tuple(draw(value_ids) for _ in range(OPS[op].arity))
    attrs = draw(tuples(st.tuples(names, attr_values), 2))
    return Apply(draw(value_ids), draw(tile_types), op, args, attrs, draw(spans))


simple: st.SearchStrategy[Any] = st.one_of(
    applies(),
    st.builds(Load, value_ids, tile_types, names, regions, spans),
    st.builds(Gather, value_ids, tile_types, names, value_ids, spans),
    st.builds(Store, names, regions, value_ids, st.booleans(), spans),
)
carries = st.builds(Carry, names, tile_types, value_ids, value_ids, value_ids, value_ids)
results = st.builds(Result, value_ids, tile_types, value_ids, value_ids)


def _tile_loop(name: str, stop: Index, size: int, carried: Any, body: Any, span: Span) -> Loop:
    return Loop(name, ix.ZERO, stop, size, size, carried, body, span)


def _blocks(stmts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = tuples(stmts)
    steps = st.integers(-3, 4)
    return st.one_of(
        st.builds(Loop, names, indices, indices, steps, st.none(), tuples(carries, 2), body, spans),
        st.builds(_tile_loop, names, indices, st.integers(1, 512), tuples(carries, 2), body, spans),
        st.builds(Branch, value_ids, body, body, tuples(results, 2), spans),
    )


stmts: st.SearchStrategy[Stmt] = st.recursive(simple, _blocks, max_leaves=6)
params = st.one_of(
    st.builds(Param, names, st.sampled_from(Direction), dtypes, tuples(extents), spans, st.booleans()),
    st.builds(Param, names, st.none(), dtypes, st.just(()), spans),
)
tasks = st.builds(TaskDef, names, tuples(params, 4), tuples(stmts, 4), spans)


@st.composite
def tensors(draw: st.DrawFn, number: int) -> prog.Tensor:
    shape = draw(tuples(st.integers(0, 64)))
    strides = draw(st.one_of(st.just(c_strides(shape)), st.just(tuple(-s for s in shape))))
    base = draw(st.integers(0, number - 1)) if number and draw(st.booleans()) else None
    direction = draw(st.one_of(st.none(), st.sampled_from(Direction)))
    return prog.Tensor(number, draw(names), draw(dtypes), shape, strides, direction, base, draw(spans))


@st.composite
def views(draw: st.DrawFn, known: list[prog.Tensor]) -> prog.View:
    tensor = draw(st.sampled_from(known))
    region = tuple(draw(axes) for _ in tensor.shape)
    kept = list(range(sum(axis.keep for axis in region)))
    return prog.View(tensor.id, region, tuple(draw(st.permutations(kept))))


def channels(count: int) -> st.SearchStrategy[tuple[prog.Channel, ...]]:
    def numbered(number: int) -> st.SearchStrategy[prog.Channel]:
        shape = tuples(st.integers(0, 64))
        return st.builds(prog.Channel, st.just(number), names, dtypes, shape, st.integers(1, 9), spans)

    return st.tuples(*map(numbered, range(count)))


@st.composite
def programs(draw: st.DrawFn) -> prog.Program:
    known = [draw(tensors(number)) for number in range(draw(st.integers(1, 4)))]
    defined = draw(st.lists(tasks, min_size=1, max_size=3))
    joined = draw(channels(draw(st.integers(1, 3))))
    scalar_args = st.builds(prog.ScalarArg, st.one_of(indices, st.floats(allow_nan=False), names))
    ends = st.builds(prog.ChannelArg, st.integers(0, len(joined) - 1))
    maybe_near = st.one_of(st.none(), st.integers(0, len(known) - 1))
    kinds = st.one_of(st.none(), st.sampled_from(["vector", 'a "cube"']))
    placements = st.builds(prog.Placement, kinds, st.one_of(st.none(), indices), maybe_near).filter(
        lambda placement: placement != prog.Placement()
    )

    @st.composite
    def calls(draw: st.DrawFn) -> prog.Call:
        task = draw(st.sampled_from(defined))
        args = tuple(draw(st.one_of(views(known), scalar_args, ends)) for _ in task.params)
        binds = draw(tuples(st.tuples(names, indices)))
        return prog.Call(task, args, binds, draw(spans), draw(st.one_of(st.none(), placements)))

    def loops(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        maybe, some, body = st.one_of(st.none(), st.integers(1, 512)), st.integers(1, 512), tuples(nodes)
        drain, until = st.booleans(), st.one_of(st.none(), views(known))
        return st.one_of(
            st.builds(prog.TileLoop, names, indices, maybe, body, spans, maybe, drain),
            st.builds(prog.Split, names, indices, some, body, spans, maybe, drain),
            st.builds(prog.Segments, names, views(known), some, some, body, spans),
            st.builds(prog.Loop, names, indices, body, spans, until),
        )

    body = draw(tuples(st.recursive(calls(), loops, max_leaves=4)))
    scalars = draw(tuples(st.builds(prog.Scalar, names, dtypes, spans), 2))
    given, span = draw(tuples(names)), draw(spans)
    return prog.Program(draw(names), tuple(known), scalars, given, body, span, joined)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_text_round_trips(program: prog.Program) -> None:
    """parse(print(p)) == p, attributes of every kind and spans included."""
    text = print_program(program)
    again = parse_program(text)
    assert repr(again) == repr(program)
    assert again == program
    assert print_program(again) == text


@pytest.mark.parametrize("op", OPS)
def test_every_op_round_trips(op: str) -> None:
    """Completeness: each row of the op table can be printed and read."""
    args = tuple(range(OPS[op].arity))
    stmt = Apply(9, TileType(f32), op, args, (("axis", 0), ("value", -math.inf)), NO_SPAN)
    program = _program((stmt,))
    assert parse_program(print_program(program)) == program


# -- by example -------------------------------------------------------------------------------------

T, H = symbol("T"), symbol("H")


def _span(line: int, col: int = 4, width: int = 8) -> Span:
    return Span("mlp.py", line, col, line, col + width)


def _program(body: tuple[Stmt, ...]) -> prog.Program:
    task = TaskDef("scale", (), body, _span(3))
    return prog.Program("k", (), (), (), (prog.Call(task, (), (), _span(9)),), _span(8))


def _example() -> prog.Program:
    whole = (Axis(ix.ZERO, T), Axis(ix.ZERO, H))
    tile = TileType(f32, (T, H))
    scale = TaskDef(
        "scale",
        (
            Param("x", Direction.IN, f32, (T, H), _span(4)),
            Param("by", None, i32, (), _span(4, 20)),
            Param("y", Direction.OUT, f32, (T, H), _span(4, 30)),
        ),
        (
            Load(0, tile, "x", whole, _span(5)),
            Apply(1, TileType(f32), "const", (), (("value", 0.5),), _span(5, 16, 3)),
            Loop(
                "i",
                ix.ZERO,
                symbol("by"),
                1,
                None,
                (Carry("acc", tile, 0, 2, 3, 4),),
                (Apply(3, tile, "mul", (2, 1), (), _span(7)),),
                _span(6),
            ),
            Apply(5, TileType(f32, (H, T)), "transpose", (4,), (("order", (1, 0)),), _span(8)),
            Apply(
                6,
                TileType(f32, (T * H,)),
                "reshape",
                (5,),
                (("shape", (T * H,)),),
                _span(8),
            ),
            Store("y", whole, 4, False, _span(9)),
        ),
        _span(4, 0),
    )
    x = prog.Tensor(0, "x", f32, (16, 64), (64, 1), Direction.IN, None, _span(12))
    y = prog.Tensor(1, "y", f32, (16, 64), (1, 16), Direction.OUT, None, _span(12))
    h = prog.Tensor(2, "h", f32, (1024,), (1,), None, 0, _span(13))
    columns = symbol("f.start"), symbol("f.size")
    call = prog.Call(
        scale,
        (
            prog.View(0, (Axis(ix.ZERO, Index(16)), Axis(*columns)), (1, 0)),
            prog.ScalarArg(symbol("pos") * 2 + 1),
            prog.View(1, (Axis(symbol("pos"), ix.ONE, keep=False), Axis(*columns, step=2)), (0,)),
        ),
        (("T", Index(16)), ("H", columns[1])),
        _span(15),
    )
    loop = prog.TileLoop("f", Index(64), None, (call,), _span(14))
    scalar = prog.Scalar("pos", i64, _span(12))
    return prog.Program("mlp", (x, y, h), (scalar,), ("x", "pos", "y"), (loop,), _span(12, 0))


EXAMPLE = """\
mpmd 1
file 0 "mlp.py"

task scale(
  x: In f32[T, H] @0:4:4-4:12,
  by: i32 @0:4:20-4:28,
  y: Out f32[T, H] @0:4:30-4:38
) @0:4:0-4:8 {
  %0: f32[T, H] = load x[0:+T, 0:+H] @0:5:4-5:12
  %1: f32[] = const value=0.5 @0:5:16-5:19
  for i in range(0, by, 1) @0:6:4-6:12 {
    carry acc: f32[T, H] = %0 inside %2 next %3 out %4
    %3: f32[T, H] = mul %2, %1 @0:7:4-7:12
  }
  %5: f32[H, T] = transpose %4 order=(1, 0) @0:8:4-8:12
  %6: f32[(H * T)] = reshape %5 shape=([(H * T)]) @0:8:4-8:12
  store y[0:+T, 0:+H] = %4 @0:9:4-9:12
}

kernel mlp(x, pos, y) @0:12:0-12:8 {
  tensor x: In f32[16, 64] @0:12:4-12:12
  tensor y: Out f32[16, 64] strides (1, 16) @0:12:4-12:12
  tensor h: f32[1024] of x @0:13:4-13:12
  scalar pos: i64 @0:12:4-12:12
  for f in tiles(64) @0:14:4-14:12 {
    call scale(x[0:+16, f.start:+f.size] order (1, 0), 2*pos + 1, y[pos, f.start:+f.size:2]) where \
T=16, H=f.size @0:15:4-15:12
  }
}
"""


def test_text_of_an_example() -> None:
    assert print_program(_example()) == EXAMPLE


def test_example_round_trips() -> None:
    assert parse_program(EXAMPLE) == _example()


def test_text_of_loops_channels_and_placement() -> None:
    """Loops over runtime and ragged pieces, repetition with an end, a gang placed by hand."""
    x = prog.Tensor(0, "x", f32, (64,), (1,), Direction.INOUT, None, _span(2))
    offsets = prog.Tensor(1, "offsets", i32, (5,), (1,), Direction.IN, None, _span(2))
    ends = TaskDef("ends", (Param("c", Direction.SEND, f32, (T,), _span(1)),), (), _span(1))
    near = prog.Placement("vector", symbol("t.index") % 4, 0)
    call = prog.Call(ends, (prog.ChannelArg(0),), (("T", symbol("t.size")),), _span(9), near)
    body: tuple[prog.Node, ...] = (call,)
    body = (prog.TileLoop("t", symbol("s.size"), 16, body, _span(8), most=32, drain=True),)
    body = (prog.Segments("s", prog.View(1, (Axis(ix.ZERO, Index(5)),), (0,)), 4, 32, body, _span(7)),)
    body = (prog.Split("p", symbol("n"), 3, body, _span(6), most=64),)
    flag = prog.View(1, (Axis(Index(4), ix.ONE, keep=False),), ())
    body = (prog.Loop("i", symbol("n"), body, _span(5), flag),)
    channel = prog.Channel(0, "c", f32, (16,), 2, _span(4))
    scalar = prog.Scalar("n", i32, _span(2))
    program = prog.Program(
        "ragged", (x, offsets), (scalar,), ("x", "offsets", "n"), body, _span(3), (channel,)
    )
    text = print_program(program)
    assert text[text.index("  scalar") :] == RAGGED
    assert parse_program(text) == program


RAGGED = """\
  scalar n: i32 @0:2:4-2:12
  channel c: f32[16] depth 2 @0:4:4-4:12
  for i in loop(n until offsets[4]) @0:5:4-5:12 {
    for p in split(n, 3 most 64) @0:6:4-6:12 {
      for s in segments(offsets[0:+5], 4, 32) @0:7:4-7:12 {
        for t in tiles(s.size, 16 most 32) drain @0:8:4-8:12 {
          call ends(&c) where T=t.size on "vector" core ((t.index % 4)) near x @0:9:4-9:12
        }
      }
    }
  }
}
"""


def test_task_alone_prints_as_in_its_program() -> None:
    assert print_task(_example().tasks[0]).strip() in EXAMPLE


def test_comments_and_line_breaks_carry_no_meaning() -> None:
    text = EXAMPLE.replace(" = mul", "\n\n ; doubled\n= mul")
    assert parse_program(text) == _example()


def test_tasks_of_one_name_are_told_apart() -> None:
    one, two = (TaskDef("scale", (), (), _span(line)) for line in (1, 2))
    body = tuple(prog.Call(task, (), (), _span(9)) for task in (one, two, one))
    program = prog.Program("k", (), (), (), body, _span(8))
    text = print_program(program)
    assert text.count("task scale#0(") == text.count("task scale#1(") == 1
    assert parse_program(text) == program


def test_text_is_stable_over_hash_seeds() -> None:
    code = (
        "from tests.unit.test_text import _example, print_program; print(print_program(_example()), end='')"
    )
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout == EXAMPLE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "= mul %2, %1",
            "= mull %2, %1",
            "error[language]: there is no op 'mull'\n  --> k.mpmd:13:21\n  hint: did you mean 'mul'?",
        ),
        (
            "= mul %2, %1",
            "= mul %2",
            "error[language]: 'mul' takes 2 operands, not 1\n  --> k.mpmd:13:21",
        ),
        (
            "call scale(",
            "call scales(",
            "error[language]: there is no task 'scales'\n  --> k.mpmd:26:10\n  hint: did you mean 'scale'?",
        ),
        (
            "y[pos, f.start:+f.size:2]",
            "y[pos]",
            "error[language]: 'y' has 2 axes, its region 1\n  --> k.mpmd:26:67",
        ),
        (
            ", 2*pos + 1",
            "",
            "error[language]: task 'scale' takes 3 arguments, not 2\n  --> k.mpmd:26:10",
        ),
        (
            "x: In f32",
            "x: Inn f32",
            "error[language]: there is no direction 'Inn'\n  --> k.mpmd:5:6\n  hint: did you mean 'In'?",
        ),
        (
            "by: i32",
            "by: int32",
            "error[language]: there is no dtype 'int32'\n  --> k.mpmd:6:7\n  hint: did you mean 'i32'?",
        ),
        (
            "by: i32 @0:4",
            "by: i32 @7:4",
            "error[language]: there is no file 7 in the table at the top\n  --> k.mpmd:6:11",
        ),
        (
            "tensor y: Out",
            "tensor x: Out",
            "error[language]: a second tensor 'x'\n  --> k.mpmd:22:10",
        ),
        (
            "f32[1024] of x",
            "f32[T] of x",
            "error[language]: tensor 'h' has extents that are not integers\n  --> k.mpmd:23:10",
        ),
        (
            "mpmd 1",
            "mpmd 2",
            "error[language]: the text has format 2; this reads format 1\n  --> k.mpmd:1:6",
        ),
        (
            "inside %2",
            "within %2",
            "error[language]: unexpected 'within' in the text of a program\n  --> k.mpmd:12:31\n"
            "  hint: expected 'inside'",
        ),
        (
            "order=(1, 0) @0:8:4-8:12",
            "order=(1, 0)",
            "error[language]: unexpected '%6' in the text of a program\n  --> k.mpmd:16:3\n"
            "  hint: expected a name or a span (@0:1:0-1:5)",
        ),
    ],
)
def test_bad_text_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(LanguageError) as caught:
        parse_program(EXAMPLE.replace(old, new, 1), name="k.mpmd")
    assert str(caught.value) == message


def test_text_that_ends_too_early_is_refused() -> None:
    with pytest.raises(LanguageError) as caught:
        parse_program(EXAMPLE.rstrip().removesuffix("}"), name="k.mpmd")
    assert str(caught.value) == (
        "error[language]: the text of a program ends too early\n  --> k.mpmd:28:1\n"
        "  hint: expected 'call', 'for' or '}'"
    )

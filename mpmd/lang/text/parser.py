"""Reads the text form of a `Program`.

In:  text as `text/printer.py` prints it, or as a person wrote it.
Out: the program; a `LanguageError` with line and column of the text where it is not one.
Not here: printing (`text/printer.py`), the grammar (`grammar.lark`), type rules (`task/check.py`).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from mpmd.errors import LanguageError, Span
from mpmd.lang import index as ix
from mpmd.lang import program as prog
from mpmd.lang.index import Index
from mpmd.lang.kernel.views import c_strides
from mpmd.lang.ops import OPS
from mpmd.lang.tile import (
    Apply,
    Axis,
    Branch,
    Carry,
    Gather,
    Load,
    Loop,
    Param,
    Receive,
    Result,
    Send,
    Stmt,
    Store,
    TaskDef,
    TileType,
)
from mpmd.lang.types import DTYPES, Direction

FORMAT = 1
"""The version of the text form, on its first line."""

DEFAULT_NAME = "<program>"

_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None, **DTYPES}
_DIRECTIONS = {direction.value: direction for direction in Direction}


def parse_program(text: str, *, name: str = DEFAULT_NAME) -> prog.Program:
    """The program that `text` says; `name` stands for the text in errors."""
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(error, text, name) from None
    try:
        return _Builder(name).transform(tree)
    except VisitError as error:
        raise error.orig_exc from None


@cache
def _grammar() -> Lark:
    text = resources.files("mpmd.lang.text").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", maybe_placeholders=False)


_TERMINALS = {
    "INT": "an integer",
    "FLOAT": "a number",
    "NAME": "a name",
    "VALUE": "a value (%3)",
    "SPAN": "a span (@0:1:0-1:5)",
    "STRING": "a string",
    "MIN": "min(",
    "MAX": "max(",
    "$END": "the end",
}


def _syntax_error(error: UnexpectedInput, text: str, name: str) -> LanguageError:
    if isinstance(error, UnexpectedToken):
        ended, found, expected = error.token.type == "$END", str(error.token), error.accepts or error.expected
    else:
        assert isinstance(error, UnexpectedCharacters)
        word = re.compile(r"%?\w+|.").match(text, error.pos_in_stream)
        ended, found, expected = False, word.group() if word else error.char, error.allowed
    lines = text.split("\n")
    line, col = (len(lines), len(lines[-1])) if ended else (error.line, error.column - 1)
    return LanguageError(
        "the text of a program ends too early" if ended else f"unexpected '{found}' in the text of a program",
        span=Span(name, line, col, line, col + (0 if ended else len(found))),
        hints=(f"expected {_alternatives(expected or ())}",),
    )


def _alternatives(terminals: Iterable[str]) -> str:
    literals = {terminal.name: terminal.pattern.value for terminal in _grammar().terminals}
    texts = sorted(_TERMINALS.get(t) or f"'{literals.get(t, t)}'" for t in terminals)
    return " or ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


@v_args(inline=True)
class _Builder(Transformer):
    """Turns the parse tree into a program, bottom-up; tables are read before what refers to them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.files: dict[int, str] = {}
        self.tasks: dict[str, TaskDef] = {}
        self.tensors: dict[str, prog.Tensor] = {}
        self.scalars: list[prog.Scalar] = []
        self.channels: dict[str, prog.Channel] = {}

    def _error(self, token: Token, message: str, hint: str = "") -> LanguageError:
        line, col = token.line or 0, (token.column or 1) - 1
        span = Span(self.name, line, col, line, col + len(token))
        return LanguageError(message, span=span, hints=(hint,) if hint else ())

    def _lookup(self, table: dict[str, Any], token: Token, what: str) -> Any:
        if str(token) in table:
            return table[str(token)]
        close = difflib.get_close_matches(str(token), list(table), n=1)
        hint = f"did you mean '{close[0]}'?" if close else ""
        raise self._error(token, f"there is no {what} '{token}'", hint)

    def start(self, version: Token, *children: Any) -> prog.Program:
        if int(version) != FORMAT:
            raise self._error(version, f"the text has format {version}; this reads format {FORMAT}")
        return children[-1]

    def file(self, number: Token, path: Token) -> None:
        self.files[int(number)] = json.loads(path)

    def SPAN(self, token: Token) -> Span:
        file, line, middle, end_col = token[1:].split(":")
        col, end_line = middle.split("-")
        if int(file) not in self.files:
            raise self._error(token, f"there is no file {file} in the table at the top")
        return Span(self.files[int(file)], int(line), int(col), int(end_line), int(end_col))

    def _tuple(self, *items: Any) -> tuple[Any, ...]:
        return items

    params = indices = block = region = nodes = args = binds = attr_tuple = _tuple

    def names(self, *tokens: Token) -> tuple[str, ...]:
        return tuple(map(str, tokens))

    def values(self, *tokens: Token) -> tuple[int, ...]:
        return tuple(map(_value_id, tokens))

    def integers(self, *tokens: Token) -> tuple[int, ...]:
        return tuple(map(int, tokens))

    # -- tasks

    def task(self, name: Token, params: tuple[Param, ...], span: Span, body: tuple[Stmt, ...]) -> None:
        if str(name) in self.tasks:
            raise self._error(name, f"a second task '{name}'")
        self.tasks[str(name)] = TaskDef(_base_name(name), params, body, span)

    def scalar_param(self, name: Token, dtype: Token, span: Span) -> Param:
        return Param(str(name), None, self._lookup(DTYPES, dtype, "dtype"), (), span)

    def tensor_param(self, name: Token, direction: Token, type_: TileType, span: Span) -> Param:
        return Param(str(name), self._direction(direction), type_.dtype, type_.shape, span)

    def unordered_param(self, name: Token, direction: Token, type_: TileType, span: Span) -> Param:
        return replace(self.tensor_param(name, direction, type_, span), unordered=True)

    def _direction(self, token: Token) -> Direction:
        return self._lookup(_DIRECTIONS, token, "direction")

    def tile_type(self, dtype: Token, shape: tuple[Index, ...]) -> TileType:
        return TileType(self._lookup(DTYPES, dtype, "dtype"), shape)

    def apply(self, out: Token, type_: TileType, op: Token, args: tuple[int, ...], *rest: Any) -> Apply:
        definition = self._lookup(OPS, op, "op")
        if len(args) != definition.arity:
            raise self._error(op, f"'{op}' takes {definition.arity} operands, not {len(args)}")
        return Apply(_value_id(out), type_, str(op), args, rest[:-1], rest[-1])

    def load(self, out: Token, type_: TileType, param: Token, region: tuple[Axis, ...], span: Span) -> Load:
        return Load(_value_id(out), type_, str(param), region, span)

    def gather(self, out: Token, type_: TileType, param: Token, index: Token, span: Span) -> Gather:
        return Gather(_value_id(out), type_, str(param), _value_id(index), span)

    def store(self, param: Token, region: tuple[Axis, ...], value: Token, span: Span) -> Store:
        return Store(str(param), region, _value_id(value), False, span)

    def accumulate(self, param: Token, region: tuple[Axis, ...], value: Token, span: Span) -> Store:
        return Store(str(param), region, _value_id(value), True, span)

    def send(self, param: Token, value: Token, span: Span) -> Send:
        return Send(str(param), _value_id(value), span)

    def receive(self, out: Token, type_: TileType, param: Token, span: Span) -> Receive:
        return Receive(_value_id(out), type_, str(param), span)

    def loop_block(self, *items: Any) -> tuple[tuple[Carry, ...], tuple[Stmt, ...]]:
        carried = tuple(item for item in items if isinstance(item, Carry))
        return carried, items[len(carried) :]

    def range_loop(self, name: Token, start: Index, stop: Index, step: Token, span: Span, block: Any) -> Loop:
        carried, body = block
        return Loop(str(name), start, stop, int(step), None, carried, body, span)

    def tile_loop(self, name: Token, stop: Index, size: Token, span: Span, block: Any) -> Loop:
        carried, body = block
        return Loop(str(name), ix.ZERO, stop, int(size), int(size), carried, body, span)

    def branch(
        self,
        condition: Token,
        span: Span,
        then: tuple[Stmt, ...],
        otherwise: tuple[Stmt, ...],
        *results: Result,
    ) -> Branch:
        return Branch(_value_id(condition), then, otherwise, results, span)

    def carry(
        self, name: Token, type_: TileType, init: Token, inside: Token, after: Token, out: Token
    ) -> Carry:
        return Carry(str(name), type_, *map(_value_id, (init, inside, after, out)))

    def merge(self, out: Token, type_: TileType, then: Token, otherwise: Token) -> Result:
        return Result(_value_id(out), type_, _value_id(then), _value_id(otherwise))

    def picked(self, start: Index) -> Axis:
        return Axis(start, ix.ONE, keep=False)

    def sliced(self, start: Index, extent: Index, step: Token | int = 1) -> Axis:
        return Axis(start, extent, int(step))

    def dropped(self, start: Index, extent: Index, step: Token) -> Axis:
        return Axis(start, extent, int(step), keep=False)

    def attr(self, name: Token, value: Any) -> tuple[str, Any]:
        return str(name), value

    def integer(self, token: Token) -> int:
        return int(token)

    def number(self, token: Token) -> float:
        return float(token)

    def string(self, token: Token) -> str:
        return json.loads(token)

    def word(self, token: Token) -> Any:
        return self._lookup(_WORDS, token, "dtype or constant")

    # -- kernels

    def kernel(self, name: Token, params: tuple[str, ...], span: Span, *parts: Any) -> prog.Program:
        tensors, scalars = tuple(self.tensors.values()), tuple(self.scalars)
        channels = tuple(self.channels.values())
        return prog.Program(str(name), tensors, scalars, params, parts[-1], span, channels)

    def local(
        self, name: Token, type_: TileType, seen: Any, base: int | None, strides: Any, span: Span
    ) -> None:
        self._declare(name, None, type_, seen, base, strides, span)

    def argument(
        self,
        name: Token,
        direction: Token,
        type_: TileType,
        seen: Any,
        base: int | None,
        strides: Any,
        span: Span,
    ) -> None:
        self._declare(name, self._direction(direction), type_, seen, base, strides, span)

    def _declare(
        self,
        name: Token,
        direction: Direction | None,
        type_: TileType,
        seen: tuple[Index, ...],
        base: int | None,
        strides: tuple[int, ...] | None,
        span: Span,
    ) -> None:
        if str(name) in self.tensors:
            raise self._error(name, f"a second tensor '{name}'")
        shape = self._constant_shape(name, type_, "tensor")
        self.tensors[str(name)] = prog.Tensor(
            id=len(self.tensors),
            name=_base_name(name),
            dtype=type_.dtype,
            shape=shape,
            strides=c_strides(shape) if strides is None else strides,
            direction=direction,
            base=base,
            span=span,
            extents=seen,
        )

    def _constant_shape(self, name: Token, type_: TileType, what: str) -> tuple[int, ...]:
        if not all(extent.is_const for extent in type_.shape):
            raise self._error(name, f"{what} '{name}' has extents that are not integers")
        return tuple(extent.const for extent in type_.shape)

    def seen(self, extents: tuple[Index, ...] | None = None) -> tuple[Index, ...]:
        return extents or ()

    def base(self, name: Token | None = None) -> int | None:
        return None if name is None else self._lookup(self.tensors, name, "tensor").id

    def strides(self, values: tuple[int, ...] | None = None) -> tuple[int, ...] | None:
        return values

    def scalar(self, name: Token, dtype: Token, most: int | None, span: Span) -> None:
        self.scalars.append(prog.Scalar(str(name), self._lookup(DTYPES, dtype, "dtype"), span, most))

    def channel(self, name: Token, type_: TileType, depth: Token, span: Span) -> None:
        if str(name) in self.channels:
            raise self._error(name, f"a second channel '{name}'")
        shape = self._constant_shape(name, type_, "channel")
        number = len(self.channels)
        self.channels[str(name)] = prog.Channel(
            number, _base_name(name), type_.dtype, shape, int(depth), span
        )

    def call(
        self,
        name: Token,
        args: tuple[prog.Arg, ...],
        binds: Any,
        placement: prog.Placement | None,
        span: Span,
    ) -> prog.Call:
        task: TaskDef = self._lookup(self.tasks, name, "task")
        if len(args) != len(task.params):
            raise self._error(name, f"task '{name}' takes {len(task.params)} arguments, not {len(args)}")
        return prog.Call(task, args, binds, span, placement)

    def placement(self, on: str | None, core: Index | None, near: int | None) -> prog.Placement | None:
        return None if on is core is near is None else prog.Placement(on, core, near)

    def on(self, kind: Token | None = None) -> str | None:
        return None if kind is None else json.loads(kind)

    def core(self, number: Index | None = None) -> Index | None:
        return number

    def pieces(
        self,
        name: Token,
        extent: Index,
        size: int | None,
        most: int | None,
        drain: bool,
        span: Span,
        body: Any,
    ) -> prog.TileLoop:
        return prog.TileLoop(str(name), extent, size, body, span, most, drain)

    def split(
        self, name: Token, extent: Index, parts: Token, most: int | None, drain: bool, *rest: Any
    ) -> prog.Split:
        span, body = rest
        return prog.Split(str(name), extent, int(parts), body, span, most, drain)

    def segments(
        self, name: Token, offsets: prog.View, count: Token, capacity: Token, span: Span, body: Any
    ) -> prog.Segments:
        return prog.Segments(str(name), offsets, int(count), int(capacity), body, span)

    def repeat(self, name: Token, count: Index, until: prog.View | None, span: Span, body: Any) -> prog.Loop:
        return prog.Loop(str(name), count, body, span, until)

    def optional_integer(self, value: Token | None = None) -> int | None:
        return None if value is None else int(value)

    def drain(self, word: Token | None = None) -> bool:
        return word is not None

    def until(self, flag: prog.View | None = None) -> prog.View | None:
        return flag

    def view(self, name: Token, region: tuple[Axis, ...], order: tuple[int, ...] | None = None) -> prog.View:
        tensor: prog.Tensor = self._lookup(self.tensors, name, "tensor")
        if len(region) != len(tensor.shape):
            raise self._error(name, f"'{name}' has {len(tensor.shape)} axes, its region {len(region)}")
        kept = sum(axis.keep for axis in region)
        return prog.View(tensor.id, region, tuple(range(kept)) if order is None else order)

    def integer_arg(self, value: Index) -> prog.ScalarArg:
        return prog.ScalarArg(value)

    def float_arg(self, value: Token) -> prog.ScalarArg:
        return prog.ScalarArg(float(value))

    def channel_arg(self, name: Token) -> prog.ChannelArg:
        return prog.ChannelArg(self._lookup(self.channels, name, "channel").id)

    def scalar_arg(self, name: Token) -> prog.ScalarArg:
        return prog.ScalarArg(str(name))

    def bind(self, name: Token, value: Index) -> tuple[str, Index]:
        return str(name), value

    # -- integer expressions

    def constant(self, token: Token) -> Index:
        return Index(int(token))

    def symbol(self, token: Token) -> Index:
        return ix.symbol(str(token))

    def add(self, a: Index, b: Index) -> Index:
        return a + b

    def sub(self, a: Index, b: Index) -> Index:
        return a - b

    def mul(self, a: Index, b: Index) -> Index:
        return a * b

    def floordiv(self, a: Index, b: Index) -> Index:
        return a // b

    def mod(self, a: Index, b: Index) -> Index:
        return a % b

    def negated(self, a: Index) -> Index:
        return -a

    def minimum(self, _: Token, a: Index, b: Index) -> Index:
        return ix.minimum(a, b)

    def maximum(self, _: Token, a: Index, b: Index) -> Index:
        return ix.maximum(a, b)


def _value_id(token: Token) -> int:
    return int(token[1:])


def _base_name(label: Token) -> str:
    return str(label).partition("#")[0]

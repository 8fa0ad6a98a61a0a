"""What users name in tasks and kernels: dims, directions, operations, loops, the `task` decorator.

In:  the user's module, as Python runs it.
Out: objects that the task parser recognises (`OpFunction`, `Dim`, `tiles`, …), and calls that go to
     the `Interpreter` that is active: the tracer, or the debugger.
Not here: what they mean (`task/parser.py`, `kernel/trace.py`), how a type checker sees them
(`mpmd/__init__.pyi`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from difflib import get_close_matches
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from mpmd.errors import Diagnostic, LanguageError
from mpmd.lang.frames import caller_span, function_span, user_frame
from mpmd.lang.index import Index, Sym
from mpmd.lang.types import DTYPES, Direction, DType, TensorAnnotation

if TYPE_CHECKING:
    from mpmd.lang.tile import TaskDef


class Interpreter(Protocol):
    """Whoever gives the surface its meaning while a kernel runs as Python."""

    def extent(self, dim: str) -> Any:
        """The extent that a dim is bound to."""
        ...

    def call(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None: ...

    def inline(self, function: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A kernel called by the kernel that runs."""
        ...

    def apply(self, operation: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any: ...

    def empty(self, shape: Any, dtype: Any) -> Any: ...

    def tiles(self, extent: Any, size: Any, most: Any, drain: bool) -> Iterator[Any]: ...

    def split(self, extent: Any, parts: Any, most: Any, drain: bool) -> Iterator[Any]: ...

    def segments(self, offsets: Any, capacity: Any) -> Iterator[Any]: ...

    def loop(self, count: Any, until: Any) -> Iterator[Any]: ...

    def channel(self, dtype: Any, shape: Any, depth: Any) -> Any: ...


ACTIVE: ContextVar[Interpreter | None] = ContextVar("mpmd_interpreter", default=None)
"""The interpreter of the kernel that is running as Python, if one is."""


class Dim(Index):
    """A named extent. While a kernel is traced it stands for the integer it is bound to.

    Anywhere else it is the `Index` that is one symbol, and arithmetic with it gives an `Index`.
    """

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(0, ((Sym(name), 1),))

    @property
    def name(self) -> str:
        return str(self.terms[0][0])

    @property
    def index(self) -> Index:
        """The symbol itself, whether or not a kernel is being traced."""
        return Index(self.const, self.terms)

    @property
    def value(self) -> Any:
        """The extent, while a kernel runs as Python; the symbol otherwise."""
        interpreter = ACTIVE.get()
        return self.index if interpreter is None else interpreter.extent(self.name)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[type[Dim], tuple[str]]:
        return Dim, (self.name,)

    def __index__(self) -> int:
        if ACTIVE.get() is None:
            raise LanguageError(
                f"dim '{self.name}' has no value here",
                span=caller_span(),
                label="used as an integer",
                hints=("a dim is bound while a kernel is traced; use it inside of a task or a kernel",),
            )
        return self.value.__index__()

    def __int__(self) -> int:
        return self.__index__()

    def __float__(self) -> float:
        return float(self.__index__())

    def __bool__(self) -> bool:
        return bool(self.value) if ACTIVE.get() else True

    def __hash__(self) -> int:
        return hash(self.index)

    def __eq__(self, other: object) -> Any:
        return self.value == _value(other)

    def __lt__(self, other: Any) -> Any:
        return self.__index__() < _value(other)

    def __le__(self, other: Any) -> Any:
        return self.__index__() <= _value(other)

    def __gt__(self, other: Any) -> Any:
        return self.__index__() > _value(other)

    def __ge__(self, other: Any) -> Any:
        return self.__index__() >= _value(other)

    def __add__(self, other: Any) -> Any:
        return self.value + _value(other)

    def __radd__(self, other: Any) -> Any:
        return _value(other) + self.value

    def __sub__(self, other: Any) -> Any:
        return self.value - _value(other)

    def __rsub__(self, other: Any) -> Any:
        return _value(other) - self.value

    def __mul__(self, other: Any) -> Any:
        return self.value * _value(other)

    def __rmul__(self, other: Any) -> Any:
        return _value(other) * self.value

    def __floordiv__(self, other: Any) -> Any:
        return self.value // _value(other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _value(other) // self.value

    def __mod__(self, other: Any) -> Any:
        return self.value % _value(other)

    def __rmod__(self, other: Any) -> Any:
        return _value(other) % self.value

    def __truediv__(self, other: Any) -> Any:
        return self.__index__() / _value(other)

    def __rtruediv__(self, other: Any) -> Any:
        return _value(other) / self.__index__()

    def __pow__(self, other: Any) -> Any:
        return self.__index__() ** _value(other)

    def __neg__(self) -> Any:
        return -self.value


def _value(operand: Any) -> Any:
    return operand.value if isinstance(operand, Dim) else operand


def dims(names: str) -> tuple[Dim, ...]:
    """Named extents: `T, H = mpmd.dims("T H")`."""
    words = names.replace(",", " ").split()
    for word in words:
        if not word.isidentifier():
            raise LanguageError(
                f"'{word}' cannot name a dim",
                span=caller_span(),
                hints=('dims are named like variables: mpmd.dims("T H")',),
            )
    return tuple(Dim(word) for word in words)


class Marker:
    """Direction of a parameter: `In[f32, T, H]` annotates a tensor, `Send[f32, M, N]` an end of a channel."""

    __slots__ = ("direction", "unordered")

    def __init__(self, direction: Direction, *, unordered: bool = False) -> None:
        self.direction = direction
        self.unordered = unordered

    def __repr__(self) -> str:
        return self.direction.value + ('(order="any")' if self.unordered else "")

    def __call__(self, *, order: str) -> Marker:
        """`Accum(order="any")`: additions may be combined in any order."""
        if self.direction is not Direction.ACCUM:
            raise self._error(f"{self} takes no order", 'only Accum has one: Accum(order="any")[f32, N]')
        if order not in ("program", "any"):
            raise self._error(
                f"{order!r} is no order of additions",
                'order="any" leaves it open; without it, additions are combined in program order',
            )
        return Marker(self.direction, unordered=order == "any")

    def __getitem__(self, item: Any) -> TensorAnnotation:
        dtype, *extents = item if isinstance(item, tuple) else (item,)
        if not isinstance(dtype, DType):
            raise self._error(f"'{_shown(dtype)}' is not an element type", _dtype_hint(dtype))
        if not extents:
            raise self._error(
                f"'{self}[{dtype}]' has no shape",
                f"write one extent per axis, {self}[{dtype}, T, H]; a 0-d tensor is {self}[{dtype}, ()], "
                f"a scalar is just {dtype}",
            )
        if extents == [()]:
            extents = []
        shape = tuple(self._extent(e) for e in extents)
        return TensorAnnotation(self.direction, dtype, shape, self.unordered)

    def _extent(self, extent: Any) -> Index:
        if isinstance(extent, Dim):
            return extent.index
        if isinstance(extent, Index):
            return extent
        if isinstance(extent, int) and not isinstance(extent, bool) and extent >= 0:
            return Index(extent)
        raise self._error(
            f"'{_shown(extent)}' is not an extent",
            'an extent is a dim of mpmd.dims("…"), an expression of dims, or an integer that is not negative',
        )

    def _error(self, message: str, hint: str) -> Diagnostic:
        return LanguageError(message, span=caller_span(), hints=(hint,))


In = Marker(Direction.IN)
Out = Marker(Direction.OUT)
InOut = Marker(Direction.INOUT)
Accum = Marker(Direction.ACCUM)
Const = Marker(Direction.CONST)
Send = Marker(Direction.SEND)
Recv = Marker(Direction.RECV)


def _shown(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _dtype_hint(value: Any) -> str:
    close = get_close_matches(_shown(value).strip("'").replace("float", "f").replace("int", "i"), DTYPES, n=1)
    found = f"did you mean '{close[0]}'? " if close else ""
    return f"{found}the element types are {', '.join(DTYPES)}"


class OpFunction:
    """`mpmd.exp` and its like: names for the task parser, by which it picks rows of the op table."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"mpmd.{self.name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for argument in (*args, *kwargs.values()):
            apply = getattr(argument, "__mpmd_apply__", None)
            if apply is not None:
                return apply(self.name, args, kwargs)
        interpreter = ACTIVE.get()
        if interpreter is not None:
            return interpreter.apply(self.name, args, kwargs)
        raise LanguageError(
            f"mpmd.{self.name} works on tiles, inside of a task",
            span=caller_span(),
            label="called outside of a task",
            hints=("move the call into a function under @mpmd.task",),
        )


class Task:
    """A tile program: the user's function, and its parsed definition."""

    def __init__(self, function: FunctionType, definition: TaskDef) -> None:
        self.function = function
        self.definition = definition
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<task {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        interpreter = ACTIVE.get()
        if interpreter is None:
            raise LanguageError(
                f"task '{self.__name__}' is called outside of a kernel",
                span=caller_span(),
                hints=("tasks are called by a function under @mpmd.kernel",),
            )
        interpreter.call(self, args, kwargs)


def task(function: Callable[..., Any]) -> Task:
    """Parses the function's source as a tile program, at once, so that errors come early."""
    from mpmd.lang.task.parser import parse_task  # the parser stands on this module

    plain = plain_function(function, "task")
    resolve_annotations(plain, user_frame())
    outer = ACTIVE.set(None)  # a task made while a kernel is traced keeps its dims symbolic
    try:
        return Task(plain, parse_task(plain))
    finally:
        ACTIVE.reset(outer)


class Inline:
    """A function whose body becomes part of the tasks that call it; from a kernel it is plain Python."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<inline function {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def inline(function: Callable[..., Any]) -> Inline:
    """Makes a function callable from tasks: it is parsed into each of them, in place of the call."""
    return Inline(plain_function(function, "inline"))


def plain_function(function: object, what: str) -> FunctionType:
    """The decorated object, which must be a function with source (not a lambda, class or method)."""
    if isinstance(function, FunctionType) and function.__name__ != "<lambda>":
        return function
    raise LanguageError(
        f"@mpmd.{what} is for functions made with 'def', not for {_shown(function)}",
        span=caller_span(),
        hints=(f"write '@mpmd.{what}' above a 'def'",),
    )


def resolve_annotations(function: FunctionType, scope: FrameType | None) -> None:
    """Evaluates annotations that are text (`from __future__ import annotations`), in place.

    They are evaluated where the function is defined, as long as that scope is alive.
    """
    local: dict[str, Any] = dict(scope.f_locals) if scope is not None else {}
    for name, annotation in list(function.__annotations__.items()):
        if isinstance(annotation, str):
            function.__annotations__[name] = _evaluated(annotation, name, function, local)


def _evaluated(text: str, parameter: str, function: FunctionType, local: dict[str, Any]) -> Any:
    try:
        return eval(text, function.__globals__, local)
    except NameError as error:
        raise LanguageError(
            f"the annotation of '{parameter}' uses '{error.name}', which is not defined here",
            span=function_span(function),
            label=f"'{error.name}' is unknown",
            hints=("define dims and dtypes before the function that is annotated with them",),
        ) from None


def tiles(
    extent: Any, size: int | None = None, *, most: int | None = None, drain: bool = False
) -> Iterator[Any]:
    """The pieces of an axis: `for t in mpmd.tiles(F)` runs once, with a symbolic tile.

    `extent` may be known only at launch, then `most` bounds it; or it is itself a piece.
    """
    return _active("tiles").tiles(extent, size, most, drain)


def split(extent: Any, parts: int, *, most: int | None = None, drain: bool = False) -> Iterator[Any]:
    """Even pieces of an axis, so many: `for p in mpmd.split(n, 4)` runs once, with a symbolic piece."""
    return _active("split").split(extent, parts, most, drain)


def segments(offsets: Any, capacity: int) -> Iterator[Any]:
    """Ragged pieces: piece `k` is `offsets[k]` to `offsets[k + 1]`, and has at most `capacity` elements."""
    return _active("segments").segments(offsets, capacity)


def loop(count: Any, *, until: Any = None) -> Iterator[Any]:
    """Repetition inside of the launch: `for i in mpmd.loop(n)` runs once, with a symbolic number.

    It ends early after an iteration that leaves the one element of `until` other than zero.
    """
    return _active("loop").loop(count, until)


def empty(shape: Any, dtype: Any) -> Any:
    """A tensor that lives inside of the kernel."""
    return _active("empty").empty(shape, dtype)


def channel(dtype: Any, shape: Any, *, depth: Any = 2) -> Any:
    """A queue of `depth` tiles between two tasks, which then run at the same time."""
    return _active("channel").channel(dtype, shape, depth)


def _active(name: str) -> Interpreter:
    interpreter = ACTIVE.get()
    if interpreter is None:
        raise LanguageError(
            f"mpmd.{name} is called outside of a kernel",
            span=caller_span(),
            hints=("kernels are functions under @mpmd.kernel",),
        )
    return interpreter

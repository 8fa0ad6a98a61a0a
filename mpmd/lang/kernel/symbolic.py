"""Numbers that a kernel does not know while it is traced: runtime scalars, tile bounds, loop counters.

In:  an `Index`, or the name of a float scalar.
Out: `SymInt` and `SymFloat`, with which the kernel's Python computes; `as_extent`, back to an `Index`.
Not here: tensors (`kernel/views.py`), what the symbols range over (`kernel/ranges.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

from mpmd.errors import LanguageError
from mpmd.lang.frames import caller_span
from mpmd.lang.index import Index
from mpmd.lang.surface import Dim
from mpmd.lang.types import DType


class Symbolic:
    """A value that Python control flow cannot look at."""

    __slots__ = ()

    def __str__(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<symbolic {self}>"

    def __bool__(self) -> bool:
        raise self._refusal("tested as a condition")

    def __index__(self) -> int:
        raise self._refusal("used as a Python integer")

    def __int__(self) -> int:
        raise self._refusal("used as a Python integer")

    def __float__(self) -> float:
        raise self._refusal("used as a Python float")

    def __iter__(self) -> NoReturn:
        raise self._refusal("iterated over")

    def __hash__(self) -> int:
        raise self._refusal("used as a key")

    def __eq__(self, other: object) -> bool:
        raise self._refusal("compared")

    def __ne__(self, other: object) -> bool:
        raise self._refusal("compared")

    def __lt__(self, other: object) -> bool:
        raise self._refusal("compared")

    def __le__(self, other: object) -> bool:
        raise self._refusal("compared")

    def __gt__(self, other: object) -> bool:
        raise self._refusal("compared")

    def __ge__(self, other: object) -> bool:
        raise self._refusal("compared")

    def __truediv__(self, other: object) -> NoReturn:
        raise self._refusal("divided with /", "use // for integers; compute with floats in a task")

    __rtruediv__ = __truediv__

    def _refusal(self, label: str, hint: str = "") -> LanguageError:
        default = "pass it to a task and decide there: a task may branch on its scalars"
        return LanguageError(
            f"'{self}' is not known while the kernel is traced",
            span=caller_span(),
            label=label,
            hints=(hint or default,),
        )


class SymInt(Symbolic):
    """An integer expression: `pos + 1`, `f.start`, `2*i`."""

    __slots__ = ("index",)

    def __init__(self, index: Index) -> None:
        self.index = index

    def __str__(self) -> str:
        return str(self.index)

    def __add__(self, other: object) -> Any:
        return self._combine(operator.add, other)

    def __radd__(self, other: object) -> Any:
        return self._combine(operator.add, other)

    def __sub__(self, other: object) -> Any:
        return self._combine(operator.sub, other)

    def __rsub__(self, other: object) -> Any:
        return self._combine(lambda a, b: b - a, other)

    def __mul__(self, other: object) -> Any:
        return self._combine(operator.mul, other)

    def __rmul__(self, other: object) -> Any:
        return self._combine(operator.mul, other)

    def __floordiv__(self, other: object) -> Any:
        return self._combine(operator.floordiv, other, divides=True)

    def __rfloordiv__(self, other: object) -> Any:
        return self._combine(lambda a, b: b // a, other)

    def __mod__(self, other: object) -> Any:
        return self._combine(operator.mod, other, divides=True)

    def __rmod__(self, other: object) -> Any:
        return self._combine(lambda a, b: b % a, other)

    def __neg__(self) -> Any:
        return simplest(-self.index)

    def _combine(
        self, operation: Callable[[Index, Index], Index], other: object, *, divides: bool = False
    ) -> Any:
        operand = as_extent(other)
        if operand is None:
            return NotImplemented
        if divides and operand.is_const and operand.const == 0:
            raise self._refusal("divided by zero", "the divisor is the constant 0")
        return simplest(operation(self.index, operand))


class SymFloat(Symbolic):
    """A float scalar of the kernel; it can only be passed on to a task."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str, dtype: DType) -> None:
        self.name = name
        self.dtype = dtype

    def __str__(self) -> str:
        return self.name

    def _arithmetic(self, *_: object) -> NoReturn:
        raise self._refusal("used in arithmetic", "pass the float to a task and compute there")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _arithmetic
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = _arithmetic


def simplest(index: Index) -> int | SymInt:
    """A constant as an int, so that Python can use it; anything else as a `SymInt`."""
    return index.const if index.is_const else SymInt(index)


def as_extent(value: object) -> Index | None:
    """The `Index` of a Python integer, dim or symbolic integer; None for anything else."""
    if isinstance(value, SymInt):
        return value.index
    if isinstance(value, Dim):
        return as_extent(value.value)
    if isinstance(value, Index):
        return value
    if isinstance(value, Symbolic):
        return None
    try:
        return Index(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        return None

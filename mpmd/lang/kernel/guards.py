"""What a kernel's Python reads from outside of its parameters, as a key that changes when they do.

In:  a kernel's function.
Out: `Guards`: the values of the globals and closure variables that its code names, and whether they hold.
Not here: the key on disk (it hashes the traced program).

Numbers, strings, dtypes, tasks and functions are watched by identity, lists, dicts and tuples by what is in
them; functions of the same package are followed into their own globals. Not watched: attributes of
objects and of modules, and what a task reads, which is fixed when it is parsed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from mpmd.lang.surface import Task

_MISSING = object()


class Guards:
    """A snapshot. `key` is equal for equal values; `hold` is a quick test against what is there now."""

    __slots__ = ("_cells", "_containers", "_globals", "_package", "key")

    def __init__(self, function: FunctionType) -> None:
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._containers: list[tuple[Any, Hashable]] = []
        self._package = _package(function)
        names: list[Hashable] = []
        for name, value in self._read(function, set()):
            names.append((name, _frozen(value)))
        self.key: Hashable = tuple(names)

    def hold(self) -> bool:
        """Whether everything that was read is still what it was."""
        for scope, name, value in self._globals:
            if scope.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if _contents(cell) is not value:
                return False
        return not self._containers or all(_frozen(box) == frozen for box, frozen in self._containers)

    def _read(self, function: FunctionType, seen: set[CodeType]) -> Iterator[tuple[str, Any]]:
        """The names that the function and the functions it names read, with their values."""
        if function.__code__ in seen:
            return
        seen.add(function.__code__)
        for code in _codes(function.__code__):
            for name in code.co_names:
                if name in function.__globals__:
                    value = function.__globals__[name]
                    self._globals.append((function.__globals__, name, value))
                    yield from self._follow(name, value, seen)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            value = _contents(cell)
            self._cells.append((cell, value))
            yield from self._follow(name, value, seen)

    def _follow(self, name: str, value: Any, seen: set[CodeType]) -> Iterator[tuple[str, Any]]:
        yield name, value
        if isinstance(value, (list, dict)):
            self._containers.append((value, _frozen(value)))
        inner = value if isinstance(value, Task) else getattr(value, "__wrapped__", value)
        if isinstance(inner, FunctionType) and _package(inner) == self._package:
            yield from self._read(inner, seen)


def guard_values(function: FunctionType) -> Hashable:
    """The values that the function reads from outside, as a key."""
    return Guards(function).key


def _package(function: FunctionType) -> str:
    return (function.__module__ or "").partition(".")[0]


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _MISSING


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of what is nested in it (lambdas, comprehensions)."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _frozen(value: Any) -> Hashable:
    """Something hashable that is equal for equal values; the identity of what has no simple value."""
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(_frozen(item) for item in value))
    if isinstance(value, dict):
        return ("dict", *((_frozen(key), _frozen(item)) for key, item in value.items()))
    if isinstance(value, (int, float, str, bytes, type(None))):
        return type(value).__name__, value
    if isinstance(value, ModuleType):
        return "module", value.__name__
    return _Identity(value)


class _Identity:
    """Equal only for the same object, which it keeps alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return object.__hash__(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value

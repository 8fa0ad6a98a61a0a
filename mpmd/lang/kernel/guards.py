"""What a kernel's Python reads from outside of its parameters, as a key that changes when they do.

In:  a kernel's function.
Out: `Guards`: the values of the globals, closure variables, defaults and attributes that its code names, and
     whether they hold.
Not here: the key on disk (it hashes the traced program).

Numbers, strings, dtypes, tasks and functions are watched by identity, lists, dicts, sets, tuples and small
arrays by what is in them; functions of the same package are followed into their own globals. Of modules and
of objects the attributes are watched that the code names, and those that their methods name. Not watched:
large arrays, what a method reaches through other names than its own object's, and what a task reads, which is
fixed when it is parsed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from types import CellType, CodeType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

import numpy as np

from mpmd.lang.surface import Task

_MISSING = object()

_SMALL = 1 << 16
"""Bytes of an array whose elements are watched."""

_SIMPLE = (int, float, complex, str, bytes, type(None))

Read = tuple[str, Any]


class Guards:
    """A snapshot. `key` is equal for equal values; `hold` is a quick test against what is there now."""

    __slots__ = ("_cells", "_containers", "_names", "_package", "_slots", "_watched", "key")

    def __init__(self, function: FunctionType) -> None:
        self._names: list[tuple[Mapping[str, Any], str, Any]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._slots: list[tuple[MemberDescriptorType, Any, Any]] = []
        self._containers: list[tuple[Any, Hashable]] = []
        self._package = _package(function)
        self._watched: set[tuple[int, str]] = set()  # attributes, by their objects, which stay alive
        self.key: Hashable = tuple((name, _frozen(value)) for name, value in self._read(function, set()))

    def hold(self) -> bool:
        """Whether everything that was read is still what it was."""
        for scope, name, value in self._names:
            if scope.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if _contents(cell) is not value:
                return False
        for slot, owner, value in self._slots:
            if _slot(slot, owner) is not value:
                return False
        return not self._containers or all(_frozen(box) == frozen for box, frozen in self._containers)

    # -- functions -----------------------------------------------------------------------------

    def _read(self, function: FunctionType, seen: set[CodeType]) -> Iterator[Read]:
        """The names that the function and the functions it names read, with their values."""
        if function.__code__ in seen:
            return
        seen.add(function.__code__)
        names = _names_of(function)
        for name in names:
            if name in function.__globals__:
                value = function.__globals__[name]
                self._names.append((function.__globals__, name, value))
                yield from self._follow(name, value, names, seen)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            value = _contents(cell)
            self._cells.append((cell, value))
            yield from self._follow(name, value, names, seen)
        yield from self._defaults(function, names, seen)

    def _defaults(self, function: FunctionType, names: list[str], seen: set[CodeType]) -> Iterator[Read]:
        if not function.__defaults__ and not function.__kwdefaults__:
            return
        self._containers.append((_Defaults(function), _frozen(_Defaults(function))))
        named = [("default", value) for value in function.__defaults__ or ()]
        for name, value in (*named, *(function.__kwdefaults__ or {}).items()):
            yield from self._follow(name, value, names, seen)

    def _follow(self, name: str, value: Any, names: list[str], seen: set[CodeType]) -> Iterator[Read]:
        yield name, value
        if _is_container(value):
            self._containers.append((value, _frozen(value)))
        if isinstance(value, (list, tuple, dict, set, frozenset)):
            for item in value.values() if isinstance(value, dict) else value:
                if not isinstance(item, _SIMPLE):
                    yield from self._follow(name, item, names, seen)
            return
        inner = value if isinstance(value, Task) else getattr(value, "__wrapped__", value)
        if isinstance(inner, FunctionType):
            if _package(inner) == self._package:
                yield from self._read(inner, seen)
        elif _has_watched_attributes(value):
            yield from self._attributes(value, names, seen)

    # -- attributes ----------------------------------------------------------------------------

    def _attributes(self, owner: Any, names: list[str], seen: set[CodeType]) -> Iterator[Read]:
        """The attributes of a module, a class or an object that code names."""
        for name in names:
            if (id(owner), name) in self._watched:
                continue
            self._watched.add((id(owner), name))
            value = self._looked_up(owner, name)
            if value is _MISSING:
                continue
            method = _function_of(value)
            if method is None or isinstance(owner, ModuleType):
                yield from self._follow(name, value, names, seen)
            else:  # it may look at its object's attributes
                yield name, value
                yield from self._attributes(owner, _names_of(method), seen)

    def _looked_up(self, owner: Any, name: str) -> Any:
        """What the attribute is; from here on it is watched, and that nothing hides it."""
        for scope in _scopes(owner):
            value = scope.get(name, _MISSING)
            if value is not _MISSING or scope is _own(owner):
                self._names.append((scope, name, value))
            if isinstance(value, MemberDescriptorType):
                held = _slot(value, owner)
                self._slots.append((value, owner, held))
                return held
            if value is not _MISSING:
                return value
        return _MISSING


def guard_values(function: FunctionType) -> Hashable:
    """The values that the function reads from outside, as a key."""
    return Guards(function).key


class _Defaults:
    """The defaults of a function, which can be replaced."""

    __slots__ = ("function",)

    def __init__(self, function: FunctionType) -> None:
        self.function = function

    @property
    def values(self) -> tuple[Any, Any]:
        return self.function.__defaults__, self.function.__kwdefaults__


def _names_of(function: FunctionType) -> list[str]:
    """The globals and attributes that the function's code names, each once."""
    return list(dict.fromkeys(name for code in _codes(function.__code__) for name in code.co_names))


def _function_of(value: Any) -> FunctionType | None:
    """The Python function that an attribute of a class runs."""
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return inner if isinstance(inner, FunctionType) else None


def _has_watched_attributes(value: Any) -> bool:
    """Modules, classes and objects of users; not those of this package, nor what has no attributes to set."""
    module = value.__name__ if isinstance(value, ModuleType) else _home(value)
    return module.partition(".")[0] not in ("mpmd", "builtins", "numpy")


def _home(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    return str(kind.__module__)


def _own(owner: Any) -> Mapping[str, Any] | None:
    return getattr(owner, "__dict__", None) if not isinstance(owner, type) else None


def _scopes(owner: Any) -> Iterator[Mapping[str, Any]]:
    """Where an attribute is looked for, in order."""
    own = _own(owner)
    if own is not None:
        yield own
    if not isinstance(owner, ModuleType):
        for kind in (owner if isinstance(owner, type) else type(owner)).__mro__:
            yield kind.__dict__


def _slot(slot: MemberDescriptorType, owner: Any) -> Any:
    try:
        return slot.__get__(owner)
    except AttributeError:
        return _MISSING


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


def _is_container(value: Any) -> bool:
    """Whether its contents can change while it stays the same object."""
    if isinstance(value, (list, dict, set)):
        return True
    if isinstance(value, np.ndarray):
        return value.nbytes <= _SMALL
    return isinstance(value, tuple) and any(map(_is_container, value))


def _frozen(value: Any) -> Hashable:
    """Something hashable that is equal for equal values; the identity of what has no simple value."""
    if isinstance(value, _Defaults):
        return ("defaults", *map(_frozen, value.values))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(_frozen(item) for item in value))
    if isinstance(value, dict):
        return ("dict", *((_frozen(key), _frozen(item)) for key, item in value.items()))
    if isinstance(value, (set, frozenset)):
        return "set", tuple(_frozen(item) for item in value)  # code may see their order
    if isinstance(value, _SIMPLE):
        return type(value).__name__, repr(value)  # which tells −0.0 from 0.0
    if isinstance(value, np.ndarray) and value.nbytes <= _SMALL and not value.dtype.hasobject:
        return "array", value.dtype.str, value.shape, value.tobytes()
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

"""Kernel parameters that hold several tensors: dataclasses, lists, tuples and dicts of them.

In:  a parameter's annotation, such as `list[Layer]`; the values that are passed for it.
Out: a `Form`; the leaves of a value, each with a flat name (`layers_3_wq`); a value of the same make from
other leaves.
Not here: what a leaf may be (`kernel/signature.py`), arrays (`runtime`).
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Union

from mpmd.errors import Diagnostic, LanguageError, Span
from mpmd.lang.types import DType, TensorAnnotation


@dataclass(frozen=True, slots=True)
class Record:
    """An instance of a dataclass; all of its fields are forms."""

    cls: type
    fields: tuple[tuple[str, Form], ...]

    def __str__(self) -> str:
        return f"an instance of {self.cls.__name__}"


@dataclass(frozen=True, slots=True)
class Items:
    """`list[item]` or `tuple[item, ...]`: any number."""

    kind: type
    item: Form

    def __str__(self) -> str:
        return f"a {self.kind.__name__}"


@dataclass(frozen=True, slots=True)
class Row:
    """`tuple[a, b]`: one of each."""

    items: tuple[Form, ...]

    def __str__(self) -> str:
        return f"a tuple of {len(self.items)}"


@dataclass(frozen=True, slots=True)
class Table:
    """`dict[str, item]`."""

    item: Form

    def __str__(self) -> str:
        return "a dict"


Leaf = Union[TensorAnnotation, DType]
Form = Union[TensorAnnotation, DType, Record, Items, Row, Table]


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of a value: how it was reached, what it is declared as, and the leaf."""

    path: tuple[str, ...]
    annotation: Leaf
    value: Any

    @property
    def name(self) -> str:
        return "_".join(self.path)


# -- annotations ------------------------------------------------------------------------------------


def form_of(
    annotation: Any, span: Span, scope: FrameType | None, inside: tuple[type, ...] = ()
) -> Form | None:
    """The form that an annotation says; None where it says something else."""
    if isinstance(annotation, TensorAnnotation) and annotation.direction.is_channel:
        raise LanguageError(
            "an end of a channel is no parameter of a kernel",
            span=span,
            hints=(
                "make the channel inside, c = mpmd.channel(dtype, shape, depth=2), and pass it to tasks; "
                "a plain function that the kernel calls may take it",
            ),
        )
    if isinstance(annotation, (TensorAnnotation, DType)):
        return annotation
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return _record(annotation, span, scope, inside)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict and len(args) == 2 and args[0] in (str, int):
        item = form_of(args[1], span, scope, inside)
        return None if item is None else Table(item)
    if origin is list or (origin is tuple and len(args) == 2 and args[1] is Ellipsis):
        item = form_of(args[0], span, scope, inside)
        return None if item is None else Items(origin, item)
    if origin is tuple:
        items = [form_of(arg, span, scope, inside) for arg in args]
        known = tuple(item for item in items if item is not None)
        return Row(known) if len(known) == len(items) else None
    return None


def _record(cls: type, span: Span, scope: FrameType | None, inside: tuple[type, ...]) -> Record:
    if cls in inside:
        raise LanguageError(
            f"'{cls.__name__}' contains itself",
            span=span,
            label="has no end",
            hints=("how deep a parameter goes is fixed by its annotation",),
        )
    fields = []
    for field in dataclasses.fields(cls):
        if isinstance(field.type, str):
            field.type = _evaluated(field.type, field.name, cls, span, scope)
        form = form_of(field.type, span, scope, (*inside, cls))
        if form is None:
            raise LanguageError(
                f"field '{field.name}' of '{cls.__name__}' is annotated with something else than a tensor",
                span=span,
                label=f"declared as {cls.__name__}",
                hints=(f"write {field.name}: In[f32, T, H]; a constant is better a global or a closure",),
            )
        fields.append((field.name, form))
    return Record(cls, tuple(fields))


def _evaluated(text: str, field: str, cls: type, span: Span, scope: FrameType | None) -> Any:
    """An annotation that is text, as its class would see it."""
    owner = next(c for c in cls.__mro__ if field in inspect.get_annotations(c))
    names = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    try:
        return eval(text, dict(names), {} if scope is None else dict(scope.f_locals))
    except NameError as error:
        raise LanguageError(
            f"field '{field}' of '{cls.__name__}' uses '{error.name}', which is not defined here",
            span=span,
            label=f"declared as {cls.__name__}",
            hints=("define dims and dtypes before the class that is annotated with them",),
        ) from None


# -- values -----------------------------------------------------------------------------------------

Refuse = Callable[[str, str], Diagnostic]
"""Makes the error for a value: its name, and what is wrong with it."""


def parts(path: tuple[str, ...], form: Form, value: Any, refuse: Refuse) -> Iterator[Part]:
    """The leaves of a value, in order."""
    if isinstance(form, (TensorAnnotation, DType)):
        yield Part(path, form, value)
        return
    for step, item_form, item in _steps("_".join(path), form, value, refuse):
        yield from parts((*path, step), item_form, item, refuse)


def _steps(name: str, form: Form, value: Any, refuse: Refuse) -> Iterator[tuple[str, Form, Any]]:
    """What a value holds: name, form and value of each."""
    if isinstance(form, Record):
        if not isinstance(value, form.cls):
            raise refuse(name, _instead(form, value))
        for field, item in form.fields:
            yield field, item, getattr(value, field)
    elif isinstance(form, Table):
        if not isinstance(value, dict):
            raise refuse(name, _instead(form, value))
        for key, item in value.items():
            if not f"_{key}".isidentifier():
                raise refuse(name, f"has the key {key!r}, which cannot be part of a name")
            yield str(key), form.item, item
    elif isinstance(form, Row):
        if not isinstance(value, tuple) or len(value) != len(form.items):
            raise refuse(name, _instead(form, value))
        for number, (item_form, item) in enumerate(zip(form.items, value, strict=True)):
            yield str(number), item_form, item
    elif isinstance(form, Items):
        if not isinstance(value, form.kind):
            raise refuse(name, _instead(form, value))
        for number, item in enumerate(value):
            yield str(number), form.item, item


def _instead(form: Form, value: Any) -> str:
    given = f"a tuple of {len(value)}" if isinstance(value, tuple) else f"a {type(value).__name__}"
    return f"is {form}, but {given} is given"


def rebuilt(form: Form, value: Any, leaves: Iterator[Any]) -> Any:
    """A value of the same make, with other leaves in the same order."""
    if isinstance(form, (TensorAnnotation, DType)):
        return next(leaves)
    if isinstance(form, Record):
        made = object.__new__(form.cls)  # its own __init__ may do what only arrays permit
        for field, item in form.fields:
            object.__setattr__(made, field, rebuilt(item, getattr(value, field), leaves))
        return made
    if isinstance(form, Table):
        return {key: rebuilt(form.item, item, leaves) for key, item in value.items()}
    if isinstance(form, Row):
        return tuple(rebuilt(f, item, leaves) for f, item in zip(form.items, value, strict=True))
    return form.kind(rebuilt(form.item, item, leaves) for item in value)

"""Where a call must run, by hand: `on="vector"`, `core=3`, `near=h` at the call of a task.

In:  a task, and the keyword arguments of a call. Out: those that are the task's, and a `Placement`.
Not here: whether a machine has such a core, and obeying it (`schedule`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpmd.errors import LanguageError, Span
from mpmd.lang.index import Index
from mpmd.lang.kernel.symbolic import as_extent
from mpmd.lang.kernel.views import TensorView
from mpmd.lang.program import Placement, TensorId
from mpmd.lang.tile import TaskDef

WORDS = ("on", "core", "near")


def split_placement(
    task: TaskDef, kwargs: Mapping[str, Any], span: Span
) -> tuple[dict[str, Any], Placement | None]:
    """The arguments of the task, and where it must run. A parameter of the task keeps its name."""
    names = {param.name for param in task.params}
    placed = {word: kwargs[word] for word in WORDS if word in kwargs and word not in names}
    given = {name: value for name, value in kwargs.items() if name not in placed}
    placement = Placement(
        on=_kind(placed.get("on"), span),
        core=_core(placed.get("core"), span),
        near=_near(placed.get("near"), span),
    )
    return given, None if placement == Placement() else placement


def _kind(on: Any, span: Span) -> str | None:
    if on is None or isinstance(on, str):
        return on
    raise LanguageError(
        f"'on' is {on!r}, which is not a kind of core",
        span=span,
        hints=('name the kind of core, as the machine does: on="vector"',),
    )


def _core(core: Any, span: Span) -> Index | None:
    if core is None:
        return None
    number = None if isinstance(core, bool) else as_extent(core)
    if number is None or (number.is_const and number.const < 0):
        raise LanguageError(
            f"'core' is {core!r}, which is not the number of a core",
            span=span,
            hints=("cores are counted from 0: core=3, or core=t.index % 4 in a loop over pieces",),
        )
    return number


def _near(near: Any, span: Span) -> TensorId | None:
    if near is None:
        return None
    if not isinstance(near, TensorView):
        raise LanguageError(
            f"'near' is {near!r}, which is not a tensor of the kernel",
            span=span,
            hints=("give the tensor whose part this call uses: near=h",),
        )
    return near.tensor.id

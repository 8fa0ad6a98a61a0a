"""How each reduction is called in the header library.

In:  nothing. Out: `REDUCTIONS`, one row per reduction op. Not here: the loops around the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmd.lang.types import DType, accumulator


@dataclass(frozen=True, slots=True)
class ReductionText:
    """`name` is the header's function for an axis along the vectors, `kind` its first template argument.

    `element_type` gives the type in which elements are taken; `least_bytes` the least lane width.
    """

    name: str
    kind: str
    element_type: Callable[[DType], DType]
    least_bytes: int = 4

    @property
    def across(self) -> str:
        """The function for a reduced axis across the vectors."""
        return f"{self.name}_each"


def _same(dtype: DType) -> DType:
    return dtype


def _fold(op: str, element_type: Callable[[DType], DType]) -> ReductionText:
    return ReductionText("fold", f"mpmd::{op}", element_type)


def _find(larger: str) -> ReductionText:
    return ReductionText("find", larger, _same, least_bytes=8)


REDUCTIONS: dict[str, ReductionText] = {
    "sum": _fold("Sum", accumulator),
    "prod": _fold("Prod", accumulator),
    "max": _fold("Max", _same),
    "min": _fold("Min", _same),
    "any": _fold("Any", _same),
    "all": _fold("All", _same),
    "argmax": _find("true"),
    "argmin": _find("false"),
}

"""How each reduction is called in the header library.

In:  nothing. Out: `REDUCTIONS`, one row per reduction op. Not here: the loops around the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmd.lang.types import DType, accumulator


@dataclass(frozen=True, slots=True)
class ReductionText:
    """`along` and `across` begin the call for a reduced axis along the vectors and across them.

    `element_type` gives the type in which elements are taken; `least_bytes` the least lane width.
    """

    along: str
    across: str
    element_type: Callable[[DType], DType]
    least_bytes: int = 4


def _same(dtype: DType) -> DType:
    return dtype


def _fold(op: str, element_type: Callable[[DType], DType]) -> ReductionText:
    return ReductionText(f"fold<mpmd::{op}", f"fold_each<mpmd::{op}", element_type)


def _find(larger: str) -> ReductionText:
    return ReductionText(f"find<{larger}", f"find_each<{larger}", _same, least_bytes=8)


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

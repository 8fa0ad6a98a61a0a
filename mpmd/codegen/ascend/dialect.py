"""What index expressions need to know of this target's C++; its tiles are written by modules of their own.

In:  –. Out: `scope_of`. Not here: tiles (`vector.py`, `cube.py`).
"""

from __future__ import annotations

from mpmd.codegen.cpp.dialect import Dialect
from mpmd.codegen.cpp.scope import Scope
from mpmd.partition.graph import Function

_DIALECT = Dialect(
    "Ascend C", {}, "__aicore__ inline", rows="", fold_row="", put_row="", meet="", dot_scratch=0
)


def scope_of(function: Function) -> Scope:
    """The names and the bounds of what a function's index expressions are made of."""
    return Scope.of(function, _DIALECT)

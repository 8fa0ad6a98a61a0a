"""What differs in the text of task functions between the targets that are written in C++.

In:  nothing. Out: `Dialect`; each target's emitter has one. Not here: the header libraries, which have the
same names and meanings for all of them; the text around the functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """`target` is what users call it; `functions` are the header's, by elementwise op, and an op that is
    missing there is one that the target cannot do.

    `qualifiers` stand before a function. `rows` is the head of a loop over `{i}` below `{n}` whose rows may
    be folded in any order; in it `fold_row` follows the name of a reduction, and `put_row` stores a result.
    `meet` is the statement with which the threads of a core meet, where a core is several: between two
    steps of which one needs the other's elements. `dot_scratch` is what products need of a core's scratch.
    """

    target: str
    functions: Mapping[str, str]
    qualifiers: str
    rows: str
    fold_row: str
    put_row: str
    meet: str
    dot_scratch: int

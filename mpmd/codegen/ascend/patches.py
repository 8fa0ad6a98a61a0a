"""What of the words each launch decides, as data for a launcher in C++ (`host/launch_values.h`).

In:  the sections of the tables. Out: the words before a launch decides anything, and how it decides.
Not here: the same in Python (`codegen/launch_values.py`), which the simulator's launches use.

    6 words     scalars of the launch, derived ones, terms, guards, patches, loops' counts
    derived     op, lhs const, first term, end term, rhs const, first term, end term
    terms       number of a scalar, coefficient
    guards      const, first term, end term, lo, hi
    patches     word, scalar, coefficient: word += coefficient × scalar
    counts      word, const, first term, end term, most: word = the iterations of a loop
"""

from __future__ import annotations

import numpy as np

from mpmd.codegen.ascend.words import END, HEAD, LOOP, STEP, Words, most_iterations, words
from mpmd.codegen.launch_values import LaunchValues
from mpmd.codegen.sections import Sections


def undecided(t: Sections, cores: int) -> Words:
    """The words of a launch that has decided nothing: no scalars, no iterations."""
    return words(t, _values(t, np.zeros(len(t.loops), np.int64)), cores)


def patches(t: Sections, cores: int) -> Words:
    """Counts of loops are found by writing each loop's number in their place."""
    numbered = words(t, _values(t, np.arange(1, len(t.loops) + 1)), cores)
    first_step, last_step = int(numbered[HEAD]), int(numbered[HEAD + int(numbered[0])])
    at = np.arange(first_step, last_step, STEP)
    at = at[np.isin(numbered[at], (LOOP, END))] + 1
    most = most_iterations(t)
    counts = [(place, *t.loops[numbered[place] - 1, :3].tolist(), most[numbered[place] - 1]) for place in at]
    moved = t.patches.astype(np.int64)
    moved[:, 0] += last_step
    head = [t.scalars, len(t.derived), len(t.terms), len(t.guards), len(moved), len(counts)]
    parts = (head, t.derived, t.terms, t.guards, moved, counts)
    return np.concatenate([np.asarray(part, np.int64).reshape(-1) for part in parts])


def _values(t: Sections, counts: Words) -> LaunchValues:
    return LaunchValues(np.zeros(t.scalars + len(t.derived), np.int64), t.words, counts)

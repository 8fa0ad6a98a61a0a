"""Which contents of a tensor a data symbol sees: how many writes to it come before, in program order.

In:  the instances of all call sites. Out: the same instances, with `versions` and `volatile`; a site whose
     instances see different contents is divided.
Not here: the values (`accesses.py`), regions placed by them (`regions.py`).

Two instances that read one integer at one version read the same value, so that regions placed by it can
be compared. Writes are counted by tensor, whatever part they write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mpmd.lang.program import Call, Program, TensorId, View
from mpmd.partition.accesses import root_of
from mpmd.partition.affine import Column
from mpmd.partition.expand import SiteInstances
from mpmd.partition.graph import IntColumn
from mpmd.partition.unroll import Datum


def versioned(sites: Sequence[SiteInstances], program: Program) -> tuple[SiteInstances, ...]:
    """The sites with the versions that their data symbols see."""
    read = {root for site in sites for root in _roots_read(site, program)}
    if not read:
        return tuple(sites)
    writers = {root: _writers(root, sites, program) for root in sorted(read)}
    return tuple(part for site in sites for part in _divided(site, writers, sites, program))


def _divided(
    site: SiteInstances,
    writers: dict[TensorId, IntColumn],
    sites: Sequence[SiteInstances],
    program: Program,
) -> Iterator[SiteInstances]:
    roots = _roots_read(site, program)
    if not roots:
        yield site
        return
    volatile = frozenset(root for root in roots if _is_volatile(root, site, sites, program))
    seen = np.stack([np.searchsorted(writers[root], site.ids) for root in roots], axis=1)
    for version in np.unique(seen, axis=0):
        rows = (seen == version).all(axis=1)
        yield replace(
            site,
            ids=site.ids[rows],
            columns={name: _rows_of(value, rows) for name, value in site.columns.items()},
            versions=dict(zip(roots, version.tolist(), strict=True)),
            volatile=volatile,
        )


def _rows_of(value: Column, rows: np.ndarray) -> Column:
    return value if isinstance(value, int) else value[rows]


def _roots_read(site: SiteInstances, program: Program) -> list[TensorId]:
    """The tensors (roots) that the data symbols of a site lie in."""
    tensors = {
        definition.view.tensor
        for piece in site.pieces
        for _, definition in piece.symbols
        if isinstance(definition, Datum)
    }
    return sorted({root_of(program.tensors[tensor], program).id for tensor in tensors})


def _writers(root: TensorId, sites: Sequence[SiteInstances], program: Program) -> IntColumn:
    """The instances that write to a tensor, ascending."""
    ids = [site.ids for site in sites if root in _roots_written(site.call, program)]
    return np.sort(np.concatenate(ids)) if ids else np.zeros(0, np.int64)


def _is_volatile(
    root: TensorId, site: SiteInstances, sites: Sequence[SiteInstances], program: Program
) -> bool:
    """Whether the loop that repeats a site writes to a tensor."""
    if site.repeated is None:
        return False
    inside = (other for other in sites if other.repeated is site.repeated)
    return any(root in _roots_written(other.call, program) for other in inside)


def _roots_written(call: Call, program: Program) -> set[TensorId]:
    return {
        root_of(program.tensors[arg.tensor], program).id
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, View) and param.direction is not None and param.direction.writes
    }

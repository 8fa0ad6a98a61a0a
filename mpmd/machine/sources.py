"""Where the figures of a machine come from: each has a source, or the machine is refused.

In:  a `Machine`, and by figure the document, the measurement or the assumption it is from.
Out: the machine with its `sources`. Not here: the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mpmd.machine.model import Machine, Source
from mpmd.machine.text import figures


def sourced(machine: Machine, origins: Mapping[str, str]) -> Machine:
    """The machine with a `Source` for each figure; `origins` names all of them and no others.

    An origin may be of all figures of one kind of cores or primitive: `sm` stands for `sm.…`.
    """
    shown = figures(machine)
    found = {name: origins.get(name, origins.get(name.partition(".")[0], "")) for name in shown}
    missing = [name for name, origin in found.items() if not origin]
    unknown = [name for name in origins if not any(f == name or f.startswith(name + ".") for f in shown)]
    if missing or unknown:
        raise ValueError(f"{machine.name}: no source for {missing}, and no figure for {unknown}")
    return replace(machine, sources=tuple(Source(name, shown[name], found[name]) for name in shown))

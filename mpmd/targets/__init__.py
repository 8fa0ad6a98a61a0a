"""The targets, by name. Each is a module that says all about itself in `TARGET`; none knows another.

In:  a name. Out: a `Target`; the module is loaded when it is asked for.
Not here: what a target is (`protocol.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module

from mpmd.errors import Span, UnsupportedOp
from mpmd.targets.protocol import Target

TARGETS: Mapping[str, str] = {
    "cpu": "mpmd.targets.cpu",
    "cuda": "mpmd.targets.cuda",
    "cuda-sim": "mpmd.targets.cuda_sim",
    "ascend": "mpmd.targets.ascend",
    "ascend-sim": "mpmd.targets.ascend_sim",
}


def target(name: str, *, span: Span) -> Target:
    """The target of that name; `UnsupportedOp` at `span` if there is none."""
    if name not in TARGETS:
        near = difflib.get_close_matches(name, TARGETS, n=1)
        raise UnsupportedOp(
            f"there is no target {name!r}",
            span=span,
            label=f"target={name!r}",
            hints=(f"did you mean {near[0]!r}?",) if near else (f"the targets are {', '.join(TARGETS)}",),
        )
    return import_module(TARGETS[name]).TARGET

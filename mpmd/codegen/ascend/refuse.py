"""What this target lacks, said with the user's line.

In:  what, where. Out: the diagnostic. Not here: when.
"""

from __future__ import annotations

from mpmd.errors import Span, UnsupportedOp


def refuse(what: str, span: Span, hint: str = "compile the kernel with target='cpu'") -> UnsupportedOp:
    """An error to raise: Ascend C cannot do `what`, or this compiler cannot write it down."""
    return UnsupportedOp(
        f"target 'ascend' has no way to do {what} yet", span=span, label="needed here", hints=(hint,)
    )

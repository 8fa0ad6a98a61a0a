"""What becomes of the value of the expression that a frame is evaluating: is it named, is it iterated over?

In:  the user's frame, in the middle of a call. Out: the name of a variable, or None.
Not here: places in the source (`frames.py`).
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType


def bound_to(frame: FrameType | None) -> str | None:
    """The variable to which the value is bound next, if it is bound to just one."""
    return None if frame is None else _bound_next(frame.f_code, frame.f_lasti)


def iterated_as(frame: FrameType | None) -> str | None:
    """The variable of the `for` that iterates over the value next ("t" if it has no single one), or None."""
    return None if frame is None else _iterated_next(frame.f_code, frame.f_lasti)


@lru_cache(maxsize=1024)
def _bound_next(code: CodeType, offset: int) -> str | None:
    return _bound_name(next(_following(code, offset), None))


@lru_cache(maxsize=1024)
def _iterated_next(code: CodeType, offset: int) -> str | None:
    following = _following(code, offset)
    first = next(following, None)
    if first is None or first.opname != "GET_ITER":
        return None
    second = next(following, None)  # FOR_ITER, unless a comprehension takes the iterator
    bound = next(following, None) if second is not None and second.opname == "FOR_ITER" else None
    return _bound_name(bound) or "t"


def _following(code: CodeType, offset: int) -> Iterator[dis.Instruction]:
    return (i for i in _instructions(code) if i.offset > offset and i.opname != "CACHE")


@lru_cache(maxsize=64)
def _instructions(code: CodeType) -> tuple[dis.Instruction, ...]:
    return tuple(dis.get_instructions(code))


def _bound_name(instruction: dis.Instruction | None) -> str | None:
    if instruction is None or not instruction.opname.startswith("STORE_"):
        return None
    name = instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval
    return name if isinstance(name, str) and name.isidentifier() else None

"""Where in the user's file a call comes from.

In:  the running Python stack, or a function object.
Out: a `Span` (with columns, where the interpreter kept them), or the user's frame itself.
Not here: the text of a diagnostic (`errors.py`).
"""

from __future__ import annotations

import functools
import inspect
import itertools
import linecache
import os
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from mpmd.errors import NO_SPAN, Diagnostic, Span

_LANG = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PIPELINE = os.path.join(os.path.dirname(os.path.dirname(_LANG)), "pipeline.py")


def user_frame() -> FrameType | None:
    """The innermost frame outside of the tracer: the user's line (the library counts as a user)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_internal(frame.f_code):
        frame = frame.f_back
    return frame


def caller_span() -> Span:
    """The place of the expression that the user's innermost frame is evaluating."""
    frame = user_frame()
    return NO_SPAN if frame is None else frame_span(frame)


def frame_span(frame: FrameType) -> Span:
    """The place of the instruction that a frame has reached."""
    file = frame.f_code.co_filename
    line, end_line, col, end_col = _positions(frame.f_code, frame.f_lasti)
    if line is None or col is None or end_line is None or end_col is None:
        return Span(file, frame.f_lineno)
    return Span(file, line, _characters(file, line, col), end_line, _characters(file, end_line, end_col))


@functools.lru_cache(maxsize=4096)
def _positions(code: CodeType, offset: int) -> tuple[int | None, int | None, int | None, int | None]:
    """Lines and columns (in bytes) of an instruction, as far as the interpreter kept them.

    Equal code may be of several files: what depends on the file is not kept here.
    """
    positions = next(itertools.islice(code.co_positions(), offset // 2, None), None)
    return positions or (None, None, None, None)


def function_span(function: Callable[..., Any]) -> Span:
    """The `def` line of a function: from its name to the end of the line."""
    code = inspect.unwrap(function).__code__
    for line in range(code.co_firstlineno, code.co_firstlineno + 100):
        text = linecache.getline(code.co_filename, line)
        col = text.find(f"def {code.co_name}")
        if col >= 0:
            return Span(code.co_filename, line, col + 4, line, col + 4 + len(code.co_name))
        if not text:
            break
    return Span(code.co_filename, code.co_firstlineno)


def place(error: Diagnostic, span: Span) -> None:
    """Gives a diagnostic that no user line made its place."""
    if error.span == NO_SPAN:
        error.span = span


def _is_internal(code: CodeType) -> bool:
    return code.co_filename.startswith(_LANG) or code.co_filename == _PIPELINE


def _characters(file: str, line: int, byte_offset: int) -> int:
    """A column in characters, from one in UTF-8 bytes."""
    text = linecache.getline(file, line)
    return len(text.encode()[:byte_offset].decode(errors="ignore")) if text else byte_offset

"""How the language's names, types and numbers are written in C++.

In:  names, dtypes, Python numbers. Out: text. Not here: expressions (`scope.py`).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mpmd.lang.ops import OPS
from mpmd.lang.types import DType

# Words of C++, and the names that the emitter uses itself.
_RESERVED = frozenset((
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case",
    "catch", "char", "char8_t", "char16_t", "char32_t", "class", "co_await", "co_return", "co_yield",
    "compl", "concept", "const", "const_cast", "consteval", "constexpr", "constinit", "continue",
    "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export",
    "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
    "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private",
    "protected", "public", "register", "reinterpret_cast", "requires", "return", "short", "signed",
    "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using",
    "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "core", "row", "mpmd", "main",
    "functions", "L", "r",
))  # fmt: skip
_OURS = re.compile(r"[instv]\d+|.*_stride\d+|.*_(start|size|index)|_.*|.*__.*|mpmd_.*|MPMD_.*")


def identifier(name: str) -> str:
    """A C++ name for a user's name: itself wherever C++ and the emitter leave it free."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"u{ord(c):x}" for c in name)
    if plain in _RESERVED or _OURS.fullmatch(plain):
        return f"my{plain}" if plain.startswith("_") else f"{plain}_of_task" if "__" in plain else f"{plain}_"
    return plain


def comment(text: str) -> str:
    """A line comment; the text cannot continue it."""
    return "// " + text.replace("\n", " ").rstrip("\\")


def quoted(path: str) -> str:
    """A string literal, as `#line` takes it."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ctype(dtype: DType) -> str:
    return "bool" if dtype.name == "bool" else f"mpmd::{dtype.name}"


def lane_bytes(dtype: DType) -> int:
    """What an element of this type takes in a vector: 16-bit floats are computed in f32, bools are masks."""
    return max(4, dtype.itemsize)


def literal(value: Any, dtype: DType) -> str:
    """A number as the language converts it to `dtype`."""
    number = OPS["const"].reference((), {"value": value}, dtype.numpy)
    if dtype.name == "bool":
        return "true" if number else "false"
    if dtype.name in ("f16", "bf16"):
        return f"mpmd::{dtype.name}{{{int(number.view(np.uint16)):#06x}}}"
    if dtype.is_float:
        return _float_literal(number, dtype)
    return _integer_literal(int(number), dtype)


def _float_literal(number: np.ndarray[Any, Any], dtype: DType) -> str:
    if np.isnan(number):
        return f"mpmd::nan<{ctype(dtype)}>()"
    if np.isinf(number):
        return f"{'-' if number < 0 else ''}mpmd::infinity<{ctype(dtype)}>()"
    return str(number[()]) + ("f" if dtype.name == "f32" else "")


def _integer_literal(number: int, dtype: DType) -> str:
    if dtype.name == "i64":
        return f"({number + 1}LL - 1)" if number == -(2**63) else f"{number}LL"
    if dtype.name == "i32":
        return f"({number + 1} - 1)" if number == -(2**31) else str(number)
    return f"static_cast<{ctype(dtype)}>({number})"

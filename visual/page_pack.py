"""Integer columns as few bytes, and a document that refers to them as text for a page.

In:  columns, a JSON document. Out: base64 of one deflated blob, which `web/src/unpack.js` reads.
Not here: what the columns mean (`page_data.py`).

A column is split into planes, all lowest bytes first, because the bytes of one plane resemble each other.
The blob is the length of the document, the document, then the planes.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Reference = dict[str, int]
"""Of a column: where it begins, how many values and planes it has, whether it holds differences, and whether
its values need more than 32 bits."""

_LENGTH_BYTES = 4
_PLANES_OF_AN_INT32 = 3
"""Whose folded values fit, signs and all."""


class Blob:
    """The planes of all columns, one behind the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: npt.ArrayLike, *, rising: bool = False) -> Reference:
        """Puts a column in. `rising`: neighbours are close, so that differences take fewer bytes."""
        column = np.asarray(values, np.int64)
        planes = _planes(np.diff(column, prepend=0) if rising else column)
        reference = {
            "at": self._size,
            "count": len(column),
            "planes": len(planes),
            "rising": int(rising),
            "wide": int(len(planes) > _PLANES_OF_AN_INT32 or np.abs(column).max(initial=0) >= 1 << 31),
        }
        for plane in planes:
            self._parts.append(plane.tobytes())
            self._size += len(plane)
        return reference

    def text(self, document: dict[str, Any]) -> str:
        """The document and all columns."""
        head = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        whole = b"".join([len(head).to_bytes(_LENGTH_BYTES, "little"), head, *self._parts])
        return base64.b64encode(zlib.compress(whole, 9)).decode()


def _planes(values: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint8]]:
    """The bytes of the values, signs folded into the lowest bit: 0, −1, 1, −2 are 0, 1, 2, 3."""
    folded = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    count = max(1, -(-int(folded.max(initial=0)).bit_length() // 8))
    return [((folded >> np.uint64(8 * i)) & np.uint64(255)).astype(np.uint8) for i in range(count)]

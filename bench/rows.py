"""One form for every measurement: a `Row`, printed as a JSON object a line or as a table.

In:  measured samples. Out: rows. Not here: how to measure (`measure.py`), what (`compile.py`, …).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`ours` in `unit`; `ratio` to a peer (above 1: we are better) and `share` of a limit where they apply.

    `spread` is (largest − smallest) / median over the samples; `noisy` says that the machine was slower
    than its best by more than 15 % during the measurement, or that the spread exceeds 0.3.
    """

    case: str
    metric: str
    unit: str
    ours: float
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    limit: float | None = None
    share: float | None = None
    spread: float | None = None
    noisy: bool = False
    note: str | None = None


def spread(samples: Sequence[float]) -> float:
    return (max(samples) - min(samples)) / statistics.median(samples)


def print_rows(rows: Iterable[Row], *, as_json: bool) -> None:
    """Each row as soon as it is there, without the fields that do not apply."""
    for row in rows:
        fields = {
            key: round(value, 6) if isinstance(value, float) else value
            for key, value in asdict(row).items()
            if value is not None
        }
        if as_json:
            print(json.dumps(fields), flush=True)
        else:
            print(_line(row), flush=True)


def _line(row: Row) -> str:
    parts = [f"{row.case:30s} {row.metric:34s} {row.ours:12.4g} {row.unit:8s}"]
    if row.limit is not None and row.share is not None:
        parts.append(f"{row.share:6.1%} of {row.limit:.4g}")
    if row.peer is not None and row.peer_value is not None and row.ratio is not None:
        parts.append(f"{row.ratio:.2f}x {row.peer} ({row.peer_value:.4g})")
    if row.spread is not None:
        parts.append(f"spread {row.spread:.0%}")
    if row.noisy:
        parts.append("noisy")
    if row.note:
        parts.append(f"[{row.note}]")
    return "  ".join(parts)

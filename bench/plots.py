"""Plots of what benchmarks wrote: how compiling scales, and how near calls come to what the machine can do.

In:  JSON lines of `bench.scale` or `bench.roofline`. Out: an SVG file, or whatever the name of the file says;
     the same for the same lines. Not here: measuring.

    python -m bench.plots scale bench/results/scale.jsonl -o scale.svg
    python -m bench.plots roofline bench/results/roofline.jsonl -o roofline.svg

A roofline has a point for each call: operations per byte against operations per second, below what memory and
the arithmetic units allow (Williams, Waterman, Patterson, "Roofline", Communications of the ACM 2009).
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.scale import CORES, STAGES, TARGET_BYTES, TARGET_SECONDS, TARGET_TASKS
from mpmd.errors import ArgumentError, Diagnostic, Span, ToolchainError

Lines = Sequence[dict[str, Any]]

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#e15759", "#9c755f", "#edc948")
MARKS = "osD^v<>P"
KEYS = {
    "scale": ("tasks", "cores", "seconds", "peak"),
    "roofline": ("kernel", "call", "flops", "bytes", "seconds", "cores", "peak_flops", "peak_bandwidth"),
}
"""What each line must have."""


def scale(path: Path, measured: Lines) -> None:
    """Seconds and memory over tasks, both axes logarithmic: a line of slope 1 is linear."""
    pyplot = _pyplot()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for cores in sorted({one["cores"] for one in measured}):
        mine = [one for one in measured if one["cores"] == cores]
        tasks = [one["tasks"] for one in mine]
        total = [sum(one["seconds"][stage] for stage in STAGES) for one in mine]
        left.loglog(tasks, total, "o-", linewidth=2, label=f"all stages, {cores} cores")
        right.loglog(tasks, [one["peak"] / 1e9 for one in mine], "o-", label=f"{cores} cores")
    most = [one for one in measured if one["cores"] == max(CORES)]
    for stage in STAGES:
        seconds = [one["seconds"][stage] for one in most]
        left.loglog([one["tasks"] for one in most], seconds, ".:", label=f"{stage}, {max(CORES)} cores")
    left.plot(TARGET_TASKS, TARGET_SECONDS, "k*", label="target")
    right.plot(TARGET_TASKS, TARGET_BYTES / 1e9, "k*", label="target")
    for axes, what in ((left, "seconds of one core"), (right, "peak memory, GB")):
        _finish(axes, "tasks", what)
    _save(figure, path)


def roofline(path: Path, measured: Lines) -> None:
    """A point per call, below the roof of the machine on which it was measured."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(10.5, 6))
    peak = max(one["peak_flops"] for one in measured)
    bandwidth = max(one["peak_bandwidth"] for one in measured)
    points = [one for one in measured if one["flops"] and one["bytes"] and one["seconds"]]
    intensity = [one["flops"] / one["bytes"] for one in points]
    ridge = peak / bandwidth
    ends = (min([*intensity, ridge]) / 2, max([*intensity, ridge]) * 2)
    axes.loglog(
        [ends[0], ridge, ends[1]],
        [rate / 1e9 for rate in (ends[0] * bandwidth, peak, peak)],
        color="#1f2933",
        label=f"{bandwidth / 1e9:.3g} GB/s, {peak / 1e9:.3g} Gop/s",
    )
    kernels = dict.fromkeys(one["kernel"] for one in points)
    looks = {kernel: _look(number) for number, kernel in enumerate(kernels)}
    for one, at in zip(points, intensity, strict=True):
        rate = one["flops"] / one["seconds"] / 1e9
        axes.loglog(at, rate, markersize=6, **looks[one["kernel"]])
        axes.annotate(one["call"], (at, rate), fontsize=6.5, xytext=(5, 3), textcoords="offset points")
    for kernel, look in looks.items():
        axes.plot([], [], label=kernel, **look)
    _finish(axes, "operations per byte", "Gop/s of all cores")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    _save(figure, path)


def _look(number: int) -> dict[str, str]:
    """Of a kernel's points: a colour, and with the next kernels of that colour another mark."""
    mark = MARKS[number // len(COLOURS) % len(MARKS)]
    return {"color": COLOURS[number % len(COLOURS)], "marker": mark, "linestyle": ""}


KINDS: dict[str, Callable[[Path, Lines], None]] = {"scale": scale, "roofline": roofline}


def _finish(axes: Any, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})


def _pyplot() -> Any:
    """Matplotlib without a window; its texts stay texts, and its names the same every time."""
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
    except ModuleNotFoundError as missing:
        raise ToolchainError(
            "plots are drawn by Matplotlib, which is not installed",
            span=Span(__file__, 0),
            hints=("pip install 'mpmd[bench]'",),
        ) from missing
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "mpmd"}
    return importlib.import_module("matplotlib.pyplot")


def lines_of(kind: str, path: Path) -> Lines:
    """The lines of a file, which must be of that benchmark."""
    found: list[dict[str, Any]] = []
    try:
        texts = path.read_text().splitlines()
    except OSError as error:
        raise ArgumentError(
            f"cannot read {str(path)!r}: {error.strerror}", span=Span(str(path), 0), hints=(_made(kind),)
        ) from error
    for number, text in enumerate(texts, start=1):
        try:
            line: Any = json.loads(text)
        except ValueError:
            line = None
        missing = [key for key in KEYS[kind] if not isinstance(line, dict) or key not in line]
        if missing:
            raise ArgumentError(
                f"{str(path)!r} is not what bench.{kind} writes",
                span=Span(str(path), number, 0, number, 1),
                label=f"no {missing[0]!r} in this line",
                hints=(_made(kind),),
            )
        found.append(line)
    if not found:
        raise ArgumentError(f"{str(path)!r} is empty", span=Span(str(path), 0), hints=(_made(kind),))
    return found


def _made(kind: str) -> str:
    return f"`python -m bench.{kind} --out FOLDER` writes {kind}.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description="Plots of bench results.")
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("file", type=Path, help="JSON lines")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the picture: .svg, .png or .pdf")
    options = parser.parse_args(arguments)
    try:
        KINDS[options.kind](options.out, lines_of(options.kind, options.file))
    except Diagnostic as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

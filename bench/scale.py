"""How compile time and memory grow: decode graphs from a thousand tasks to a million, stage by stage.

In:  nothing. Out: rows, one per stage and size, and the peak memory of each size; `python -m bench.scale`
     also writes them and a plot into a folder. Not here: the plot (`plots.py`); code generation and the C++
     compiler, whose work does not grow with the number of tasks.

The kernel is SmolLM2's decode step with as many layers as give so many tasks, in tiles of eight rows. Each
measurement is a fresh process. Seconds are of one core's time (all of this is one thread), so that other
processes on the machine count as little as they can.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.rows import Row, print_rows

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CORES = (2, 132)
TARGET_TASKS, TARGET_SECONDS, TARGET_BYTES = 100_000, 10.0, 2e9
TILE = 8
TASKS_PER_LAYER = (960 + 576 + 1536 + 576) // TILE + 6
VOCABULARY, HEAD_TILE = 4096, 64
STAGES = ("partition", "placement", "memory", "insertion", "pruning", "steps", "tables", "check")
"""Those that the target is about; "trace", before them, is the user's own function."""


def rows() -> Iterator[Row]:
    for cores in CORES:
        for tasks in SIZES[:-1]:
            yield from _rows(_child(tasks, cores))


def _rows(measured: dict[str, Any]) -> Iterator[Row]:
    case = f"decode, {measured['tasks']} tasks, {measured['cores']} cores"
    total = sum(measured["seconds"][stage] for stage in STAGES)
    aimed = abs(measured["tasks"] - TARGET_TASKS) < TARGET_TASKS / 100
    limit = TARGET_SECONDS if aimed else None
    for stage, seconds in measured["seconds"].items():
        yield Row(case=case, metric=stage, unit="s", ours=seconds)
    yield Row(case, "all stages", "s", total, limit=limit, share=total / limit if limit else None)
    peak = measured["peak"]
    limit = TARGET_BYTES if aimed else None
    yield Row(case, "peak memory", "bytes", peak, limit=limit, share=peak / limit if limit else None)


def _child(tasks: int, cores: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.scale", "--one", str(tasks), str(cores)]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(child.stdout)


# -- one measurement -------------------------------------------------------------------------------


@dataclass
class _Clock:
    """Seconds of this process, by stage; a stage within another is taken out of that one."""

    seconds: dict[str, float] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)
    since: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._pass()
        self.within.append(name)
        try:
            yield
        finally:
            self._pass()
            self.within.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return call

    def _pass(self) -> None:
        now = time.process_time()
        if self.within:
            name = self.within[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self.since
        self.since = now


def measure(tasks: int, cores: int) -> dict[str, Any]:
    """All stages of one graph, once."""
    from mpmd.codegen.tables import pack
    from mpmd.partition.build import partition
    from mpmd.schedule import build, keep, memory
    from mpmd.schedule.check import check

    clock = _Clock()
    machine = _machine(cores)
    with clock.stage("trace"):
        program = _program(max(1, round(tasks / TASKS_PER_LAYER)))
    with clock.stage("partition"):
        graph = partition(program, machine, tiles=_tiles(program))
    inner = {"placement": (build, "stretches"), "insertion": (keep, "insert"), "pruning": (keep, "prune")}
    patches = [patch.object(m, f, clock.timed(stage, getattr(m, f))) for stage, (m, f) in inner.items()]
    with ExitStack() as stack:
        for one in [clock.stage("steps"), *patches]:
            stack.enter_context(one)
        scheduled = build.schedule(graph, machine, planning=clock.timed("memory", memory.plan))
    with clock.stage("tables"):
        tables = pack(scheduled)
    with clock.stage("check"):
        certificate = check(tables, machine)
    return {
        "tasks": len(graph),
        "cores": cores,
        "seconds": clock.seconds,
        "peak": _peak_bytes(),
        "waits": certificate.waits,
        "waits before pruning": scheduled.waits_before_pruning,
        "table bytes": len(tables),
        "makespan": scheduled.makespan,
    }


def decode_schedule(tasks: int, cores: int) -> Any:
    """The schedule of a graph with about so many tasks."""
    from mpmd.partition.build import partition
    from mpmd.schedule.build import schedule

    machine = _machine(cores)
    program = _program(max(1, round(tasks / TASKS_PER_LAYER)))
    return schedule(partition(program, machine, tiles=_tiles(program)), machine)


def _machine(cores: int) -> Any:
    """This CPU's rates per core, with so many cores."""
    from mpmd.machine.presets import this_cpu

    return this_cpu(cores)


def _program(layers: int) -> Any:
    """The decode step of a model with so many layers; no array is made."""
    import mpmd
    from examples.smollm2 import kernels
    from mpmd.lang.kernel.trace import trace
    from mpmd.pipeline import arguments, specs_of

    hidden, wide, capacity, half = 576, 1536, 2048, kernels.HEAD // 2
    cached = (layers, kernels.KV, capacity, kernels.HEAD)
    shapes = {
        "table": (VOCABULARY, hidden), "attention_norm": (layers, hidden), "qkv": (layers, 960, hidden),
        "out": (layers, hidden, hidden), "mlp_norm": (layers, hidden), "gate": (layers, wide, hidden),
        "up": (layers, wide, hidden), "down": (layers, hidden, wide), "final_norm": (hidden,),
        "cos": (capacity, half), "sin": (capacity, half),
    }  # fmt: skip
    weights: dict[str, Any] = {name: mpmd.spec(mpmd.f32, shape) for name, shape in shapes.items()}
    cache: list[Any] = [mpmd.spec(mpmd.f32, cached)] * 2
    one = mpmd.spec(mpmd.i32, (1,))
    decode: Any = kernels.decode
    given = (
        kernels.Weights(**weights),
        kernels.Cache(*cache),
        one,
        mpmd.spec(mpmd.f32, (1, VOCABULARY)),
        one,
        0,
    )
    return trace(decode.function, specs_of(decode, arguments(decode, given, {})))


def _tiles(program: Any) -> dict[str, int]:
    """Rows of a tile: `TILE`, but those of the head."""
    from mpmd.partition.tile import fixed_sizes

    *layers, head = fixed_sizes(program, {})
    return {**dict.fromkeys(layers, TILE), head: HEAD_TILE}


def _peak_bytes() -> int:
    # Not getrusage: its maximum starts from the parent's.
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


# -- the file -------------------------------------------------------------------------


def _write(folder: Path, measured: Sequence[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"date": time.strftime("%Y-%m-%d"), **one}) for one in measured]
    (folder / "scale.jsonl").write_text("\n".join(lines) + "\n")
    if importlib.util.find_spec("matplotlib") is not None:
        importlib.import_module("bench.plots").scale(folder / "scale.svg", measured)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale", description="Time and memory by stage and size."
    )
    parser.add_argument(
        "--one", nargs=2, type=int, metavar=("TASKS", "CORES"), help="measure here, print JSON"
    )
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--cores", nargs="*", type=int, default=CORES)
    parser.add_argument("--out", type=Path, help="a folder for the figures and the plot")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    measured = []
    for cores in options.cores:
        for tasks in options.sizes:
            measured.append(_child(tasks, cores))
            print_rows(_rows(measured[-1]), as_json=False)
    if options.out:
        _write(options.out, measured)


if __name__ == "__main__":
    main()

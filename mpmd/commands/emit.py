"""`mpmd emit SCRIPT --target NAME -o DIR`: the kernels of a script as text, tables and data.

In:  a script, the name of a target. Out: a folder per kernel: texts, tables, arguments, expected results.
Not here: compiling the texts; what a target's text looks like (`codegen`).

The script runs as it is; its kernels are then emitted for the target. Arguments are those of a kernel's first
call, or random where it was compiled for specs alone; expected results are the evaluator's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpmd.codegen.ascend.project import data, project
from mpmd.codegen.source import KernelSource
from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import each, show, unwritable
from mpmd.errors import Span
from mpmd.lang.evaluate import evaluate
from mpmd.lang.program import Program
from mpmd.partition.build import partition
from mpmd.pipeline import Compilation
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.targets import target as find_target
from mpmd.targets.protocol import Target


def emit(
    script: Path, arguments: list[str], *, target: str, cores: int | None, output: Path, as_json: bool
) -> int:
    """The exit status of the script."""
    chosen = find_target(target, span=Span(str(script), 1))
    outcome = run_script(script, arguments, quiet=as_json)
    found = require_kernels(outcome, script)
    try:
        written = [
            str(_write(done, chosen, cores, output / f"{number}-{done.kernel.__name__}"))
            for number, done in each(list(enumerate(found)), "emitting")
        ]
    except OSError as error:
        raise unwritable(output, error) from error
    show(["\n".join(written)], {"target": target, "folders": written}, as_json=as_json)
    return outcome.status


def _write(done: Compilation, target: Target, cores: int | None, folder: Path) -> Path:
    """The folder of one kernel."""
    program = done.compiled.program
    source = emitted(program, target, cores)
    texts = project(source) if source.target == "ascend" else source.files
    for name, text in texts:
        _file(folder / name).write_text(text, encoding="utf-8")
    values = _values(done, program)
    others = data(source, values) if source.target == "ascend" else (("tables.bin", source.tables),)
    for name, content in others:
        _file(folder / name).write_bytes(content)
    for tensor in program.arguments:
        _file(folder / "data" / f"{tensor.name}.bin").write_bytes(values[tensor.name].tobytes())
    evaluate(program, values)
    for tensor in program.arguments:
        if tensor.direction is not None and tensor.direction.writes:
            path = _file(folder / "data" / f"{tensor.name}.expected.bin")
            path.write_bytes(values[tensor.name].tobytes())
    return folder


def emitted(program: Program, target: Target, cores: int | None) -> KernelSource:
    """The text and the tables of a program for a target, which need not run here."""
    machine = target.machine(cores)
    source = target.emit(schedule(partition(target.prepare(program, machine), machine), machine))
    check(source.tables, machine, names=source.launch)
    return source


def _values(done: Compilation, program: Program) -> dict[str, Any]:
    """Arguments by name: copies of those that were given, random numbers for the others."""
    given: Mapping[str, Any] = dict(zip(done.specs, done.arguments, strict=True))
    random = np.random.default_rng(0)
    values: dict[str, Any] = {}
    for tensor in program.arguments:
        array = given.get(tensor.name)
        if isinstance(array, np.ndarray) and array.shape == tensor.shape:
            values[tensor.name] = np.array(array, copy=True)
        else:
            values[tensor.name] = random.standard_normal(tensor.shape).astype(tensor.dtype.numpy)
    for scalar in program.scalars:
        values[scalar.name] = given[scalar.name]
    return values


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

"""`mpmd run SCRIPT`: run it, and say what was compiled.

In:  a script. Out: one line per kernel: where it runs, tasks, cores, sync, memory, times.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import Table, duration, megabytes, show
from mpmd.pipeline import Compilation, by_default
from mpmd.schedule.steps import StepOp


def run(script: Path, arguments: list[str], *, target: str, as_json: bool) -> int:
    """The exit status of the script, whose kernels go to `target` unless they say otherwise."""
    with by_default(target):
        outcome = run_script(script, arguments, quiet=as_json)
    facts = [facts_of(done) for done in require_kernels(outcome, script)]
    rows = [
        (
            f["kernel"],
            f["target"],
            str(f["tasks"]),
            str(f["cores"]),
            str(f["waits"]),
            megabytes(f["arena_bytes"]),
            duration(f["predicted_seconds"]),
            duration(f["compile_seconds"]),
        )
        for f in facts
    ]
    head = ("kernel", "target", "tasks", "cores", "waits", "arena", "predicted", "compiled in")
    show([Table(head, rows)], facts, as_json=as_json)
    return outcome.status


def facts_of(done: Compilation) -> dict[str, Any]:
    """What is known of a kernel before it runs."""
    planned = done.compiled.schedule
    return {
        "kernel": done.kernel.__name__,
        "target": done.compiled.source.target,
        "file": str(planned.graph.program.span.file),
        "line": planned.graph.program.span.line,
        "tasks": len(planned.graph),
        "dependences": len(planned.graph.deps),
        "cores": planned.cores,
        "waits": int((planned.op == StepOp.WAIT).sum()),
        "waits_before_pruning": planned.waits_before_pruning,
        "barriers": int((planned.op == StepOp.BARRIER).sum()),
        "arena_bytes": planned.memory.arena_bytes,
        "predicted_seconds": planned.makespan,
        "compile_seconds": done.seconds,
    }

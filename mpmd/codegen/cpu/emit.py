"""Target "cpu": a schedule as one C++ file, the header library beside it, and the tables.

In:  a `Schedule`. Out: a `KernelSource`. Not here: compilers and threads (`runtime`).
The text depends on the program's functions alone, never on how many instances or layers there are.
"""

from __future__ import annotations

from importlib import resources

from mpmd.codegen.cpp.function import RESTORE, write_function
from mpmd.codegen.cpp.names import comment, quoted
from mpmd.codegen.cpp.storage import DOT_SCRATCH
from mpmd.codegen.emitter import Lines
from mpmd.codegen.notes import guard_notes, late_guard_notes, step_notes
from mpmd.codegen.source import (
    ArgumentInfo,
    FirstExtent,
    KernelSource,
    LaunchInfo,
    ScalarInfo,
    StepNote,
    stamped_entry,
)
from mpmd.codegen.tables import pack
from mpmd.lang.program import Program, Tensor
from mpmd.lang.types import Direction
from mpmd.schedule.steps import Schedule

ENTRY = "mpmd_kernel"
HEADERS = ("mpmd/driver.h", "mpmd/row.h", "mpmd/dot.h", "mpmd/check.h")


def emit(schedule: Schedule) -> KernelSource:
    """The source of a kernel for this target."""
    graph = schedule.graph
    text, scratch_bytes, checks = _kernel_text(schedule)
    launch = LaunchInfo(
        kernel=graph.program.name,
        order=graph.program.params,
        arguments=_arguments(graph.program),
        scalars=tuple(ScalarInfo(s.name, s.dtype, s.span, s.most) for s in graph.program.scalars),
        cores=schedule.cores,
        arena_bytes=schedule.memory.arena_bytes,
        scratch_bytes=scratch_bytes,
        guards=guard_notes(graph),
        steps=step_notes(schedule),
        checks=(*checks, *late_guard_notes(graph)),
    )
    files = ((f"{graph.program.name}.cpp", text), *headers())
    return KernelSource("cpu", files, pack(schedule, first_note=len(checks)), ENTRY, launch)


def headers() -> tuple[tuple[str, str], ...]:
    """The header library, by the names under which it is included."""
    folder = resources.files("mpmd.codegen.cpu") / "include" / "mpmd"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".h"))
    return tuple((f"mpmd/{name}", (folder / name).read_text(encoding="utf-8")) for name in names)


def _first(tensor: Tensor) -> FirstExtent | None:
    if not tensor.extents:
        return None
    (atom, factor), *_ = tensor.extents[0].terms
    return FirstExtent(str(atom), factor, tensor.extents[0].const)


def _arguments(program: Program) -> tuple[ArgumentInfo, ...]:
    return tuple(
        ArgumentInfo(t.name, t.dtype, t.shape, t.strides, t.direction or Direction.IN, t.span, _first(t))
        for t in program.arguments
        if t.base is None
    )


def _kernel_text(schedule: Schedule) -> tuple[str, int, tuple[StepNote, ...]]:
    """The C++ file, the scratch bytes that a core needs, and the run-time checks in it."""
    program = schedule.graph.program
    lines = Lines()
    lines(comment(f"Kernel '{program.name}'. Which core runs which function on which data is in the tables."))
    for header in HEADERS:
        lines(f'#include "{header}"')
    lines(f"static_assert(mpmd::dot_scratch_bytes <= {DOT_SCRATCH});")
    scratch_bytes, checks = 0, list[StepNote]()
    for function in schedule.graph.functions:
        written = write_function(function, len(checks))
        lines()
        lines.extend(written.lines)
        scratch_bytes = max(scratch_bytes, written.scratch_bytes)
        checks += written.checks
    lines()
    names = ", ".join(function.name for function in schedule.graph.functions)
    lines(f"static const mpmd::Function functions[] = {{{names}}};")
    lines()
    for entry, driver in ((ENTRY, "run_core"), (stamped_entry(ENTRY), "run_core<mpmd::Stamped>")):
        with lines.block(
            f'extern "C" __attribute__((visibility("default"))) void {entry}(mpmd::Core* core) {{'
        ):
            lines(f"mpmd::{driver}(*core, functions);")
    return _restored(lines.text(), f"{program.name}.cpp"), scratch_bytes, tuple(checks)


def _restored(text: str, name: str) -> str:
    """The text with every mark replaced by a directive that returns to the generated file."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line == RESTORE:
            lines[number - 1] = f"#line {number + 1} {quoted(name)}"
    return "\n".join(lines)

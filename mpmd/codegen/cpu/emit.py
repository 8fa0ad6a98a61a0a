"""Target "cpu": a schedule as one C++ file, the header library beside it, and the tables.

In:  a `Schedule`. Out: a `KernelSource`. Not here: compilers and threads (`runtime`).
The text depends on the program's functions alone, never on how many instances or layers there are.
"""

from __future__ import annotations

from importlib import resources

from mpmd.codegen.cpp.dialect import Dialect
from mpmd.codegen.cpp.function import restored
from mpmd.codegen.cpp.kernel import KernelText, write_functions
from mpmd.codegen.cpp.lambda_text import FUNCTIONS
from mpmd.codegen.cpp.names import comment
from mpmd.codegen.emitter import Lines
from mpmd.codegen.launch_info import launch_info
from mpmd.codegen.source import KernelSource, stamped_entry
from mpmd.codegen.tables import pack
from mpmd.schedule.steps import Schedule

ENTRY = "mpmd_kernel"
HEADERS = ("mpmd/driver.h", "mpmd/row.h", "mpmd/dot.h", "mpmd/check.h")
DOT_SCRATCH = 1536 * 4 * 64 + (1536 + 64) * 240
"""`dot_scratch_bytes` of dot.h for the widest vectors."""

DIALECT = Dialect(
    target="CPU",
    functions=FUNCTIONS,
    qualifiers="static",
    rows="for (mpmd::Word {i} = 0; {i} < {n}; ++{i}) {{",
    fold_row="",
    put_row="put",
    meet="",
    dot_scratch=DOT_SCRATCH,
)


def emit(schedule: Schedule) -> KernelSource:
    """The source of a kernel for this target."""
    graph = schedule.graph
    written = write_functions(schedule, DIALECT)
    launch = launch_info(schedule, max(written.scratch_bytes, default=0), written.checks)
    files = ((f"{graph.program.name}.cpp", _text(schedule, written)), *headers())
    return KernelSource("cpu", files, pack(schedule, first_note=len(written.checks)), ENTRY, launch)


def headers() -> tuple[tuple[str, str], ...]:
    """The header library, by the names under which it is included."""
    folder = resources.files("mpmd.codegen.cpu") / "include" / "mpmd"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".h"))
    return tuple((f"mpmd/{name}", (folder / name).read_text(encoding="utf-8")) for name in names)


def _text(schedule: Schedule, written: KernelText) -> str:
    program = schedule.graph.program
    lines = Lines()
    lines(comment(f"Kernel '{program.name}'. Which core runs which function on which data is in the tables."))
    for header in HEADERS:
        lines(f'#include "{header}"')
    lines(f"static_assert(mpmd::dot_scratch_bytes <= {DOT_SCRATCH});")
    lines.extend(written.lines)
    lines()
    names = ", ".join(function.name for function in schedule.graph.functions)
    lines(f"static const mpmd::Function functions[] = {{{names}}};")
    lines()
    for entry, driver in ((ENTRY, "run_core"), (stamped_entry(ENTRY), "run_core<mpmd::Stamped>")):
        with lines.block(
            f'extern "C" __attribute__((visibility("default"))) void {entry}(mpmd::Core* core) {{'
        ):
            lines(f"mpmd::{driver}(*core, functions);")
    return restored(lines.text(), f"{program.name}.cpp")

"""Target "cuda": a schedule as one CUDA C++ file, the header library beside it, and the tables.

In:  a `Schedule`. Out: a `KernelSource`; the same tables as for every target.
Not here: the tables as the device reads them (`device_tables.py`), compilers and launches (`runtime`).

A core is a block of threads; all blocks of the one kernel are there at the same time. The text names no
header of CUDA or of C++, so that nvcc and NVRTC both compile it: with the folder of the headers, or joined
into one text.
"""

from __future__ import annotations

import re
from importlib import resources

from mpmd.codegen.cpp.dialect import Dialect
from mpmd.codegen.cpp.function import restored
from mpmd.codegen.cpp.kernel import KernelText, write_functions
from mpmd.codegen.cpp.lambda_text import FUNCTIONS
from mpmd.codegen.cpp.names import comment, quoted
from mpmd.codegen.emitter import Lines
from mpmd.codegen.launch_info import launch_info
from mpmd.codegen.source import KernelSource
from mpmd.codegen.tables import pack
from mpmd.schedule.steps import Schedule

ENTRY = "mpmd_kernel"
HEADERS = ("mpmd/driver.h", "mpmd/dot.h")
_INCLUDE = re.compile(r'#include "(mpmd/\w+\.h)"')

DIALECT = Dialect(
    target="CUDA",
    functions=FUNCTIONS,
    qualifiers="static __device__",
    rows="for (mpmd::Word {i} = mpmd::first_row(); {i} < {n}; {i} += mpmd::rows_apart) {{",
    fold_row="_row",
    put_row="put_row",
    meet="mpmd::device::barrier();",
    dot_scratch=0,
)


def emit(schedule: Schedule) -> KernelSource:
    """The source of a kernel for this target."""
    graph = schedule.graph
    written = write_functions(schedule, DIALECT)
    launch = launch_info(schedule, max(written.scratch_bytes, default=0), written.checks)
    files = ((f"{graph.program.name}.cu", _text(schedule, written)), *headers())
    return KernelSource("cuda", files, pack(schedule, first_note=len(written.checks)), ENTRY, launch)


def headers() -> tuple[tuple[str, str], ...]:
    """The header library, by the names under which it is included."""
    folder = resources.files("mpmd.codegen.cuda") / "include" / "mpmd"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".h"))
    return tuple((f"mpmd/{name}", (folder / name).read_text(encoding="utf-8")) for name in names)


def joined(source: KernelSource) -> str:
    """The kernel and the headers that it includes as one text, for compilers that know no folders."""
    texts = dict(source.files)
    main = source.files[0][0]
    seen = set[str]()
    lines: list[str] = []

    def take(name: str) -> None:
        lines.append(f"#line 1 {quoted(name)}")
        for number, line in enumerate(texts[name].splitlines(), start=1):
            match = _INCLUDE.fullmatch(line)
            if match and match[1] not in seen:
                seen.add(match[1])
                take(match[1])
                lines.append(f"#line {number + 1} {quoted(name)}")
            else:
                lines.append("" if match or line == "#pragma once" else line)

    take(main)
    return "\n".join(lines) + "\n"


def _text(schedule: Schedule, written: KernelText) -> str:
    program = schedule.graph.program
    lines = Lines()
    lines(comment(f"Kernel '{program.name}'. Which core runs which function on which data is in the tables."))
    for header in HEADERS:
        lines(f'#include "{header}"')
    lines.extend(written.lines)
    lines()
    with lines.block("struct Functions {", "};"):
        head = "MPMD_INLINE void operator()(mpmd::Core& core, int function, const mpmd::Word* row) const {"
        with lines.block(head), lines.block("switch (function) {"):
            functions = zip(schedule.graph.functions, written.scratch_bytes, strict=True)
            for number, (function, scratch) in enumerate(functions):
                lines(f"case {number}:")
                lines(f"  mpmd::give_scratch<{scratch}>(core);")
                lines(f"  return {function.name}(core, row);")
    lines()
    parameters = "const mpmd::Launch* launch, int stretch, mpmd::Word iteration"
    with lines.block(f"MPMD_KERNEL {ENTRY}({parameters}) {{"):
        lines("mpmd::run_core(launch, stretch, iteration, Functions{});")
    return restored(lines.text(), f"{program.name}.cu")

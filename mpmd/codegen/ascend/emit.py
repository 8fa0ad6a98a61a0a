"""Target "ascend": a schedule as one mixed kernel in Ascend C, the header library beside it, and the tables.

In:  a `Schedule` for a machine of cube and vector cores. Out: a `KernelSource`.
Not here: projects and launchers (`project.py`), running (`runtime/ascend_sim`), an NPU.
The text depends on the program's functions alone, never on how many instances there are.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from mpmd.codegen.ascend.cube import CubeText
from mpmd.codegen.ascend.dialect import scope_of
from mpmd.codegen.ascend.function import RESTORE, write_vector_function
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.single import may_be_single
from mpmd.codegen.cpp.names import comment, quoted
from mpmd.codegen.emitter import Lines
from mpmd.codegen.launch_info import launch_info
from mpmd.codegen.source import KernelSource, StepNote
from mpmd.codegen.tables import pack
from mpmd.partition.graph import Function
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, StepOp

ENTRY = "mpmd_kernel"
KERNEL = "kernel.cpp"
MOST_BASES = 32
"""`kBases` of core.h."""


def emit(schedule: Schedule) -> KernelSource:
    """The source of a kernel for this target; `UnsupportedOp` for what it cannot do."""
    _refuse_what_is_lacking(schedule)
    checks = list[StepNote]()
    files = ((KERNEL, _kernel_text(schedule, checks)), *headers())
    launch = replace(launch_info(schedule, 0, tuple(checks)), cores=schedule.machine.cores)
    return KernelSource("ascend", files, pack(schedule, first_note=len(checks)), ENTRY, launch)


def headers() -> tuple[tuple[str, str], ...]:
    """The header library, by the names under which it is included."""
    folder = resources.files("mpmd.codegen.ascend") / "include" / "mpmd"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".h"))
    return tuple((f"mpmd/{name}", (folder / name).read_text(encoding="utf-8")) for name in names)


def _kernel_text(schedule: Schedule, checks: list[StepNote]) -> str:
    """The text; what it checks at run time is appended to `checks`."""
    program, functions = schedule.graph.program, schedule.graph.functions
    lines = Lines()
    lines(comment(f"Kernel '{program.name}'. Which core runs which function on which data is in the tables."))
    for header in ("mpmd/driver.h", "mpmd/functions.h", "mpmd/cube.h"):
        lines(f'#include "{header}"')
    cubes = _of_cubes(schedule)
    for number, function in enumerate(functions):
        lines()
        if number in cubes:
            lines.extend(
                CubeText(function, scope_of(function), may_be_single(schedule.graph, number)).write()
            )
        else:
            lines.extend(write_vector_function(function, checks))
    for name, cube in (("Cube", True), ("Vector", False)):
        lines()
        lines.extend(_dispatch(name, [(n, f) for n, f in enumerate(functions) if (n in cubes) == cube]))
    lines()
    lines(f'extern "C" __schedmode__(1) __global__ __mix__(1, 2) void {ENTRY}(mpmd::Launch launch)')
    with lines.block("{"):
        lines("AscendC::InitSocState();")
        lines("if ASCEND_IS_AIC { mpmd::run_core<Cube>(launch, mpmd::this_core()); }")
        lines("if ASCEND_IS_AIV { mpmd::run_core<Vector>(launch, mpmd::this_core()); }")
    return _restored(lines.text())


def _of_cubes(schedule: Schedule) -> frozenset[int]:
    """The functions that run on cube cores, by number."""
    graph, machine = schedule.graph, schedule.machine
    kinds: dict[int, set[str]] = {}
    for task, core in enumerate(schedule.core.tolist()):
        site = graph.sites[graph.site[task]]
        kinds.setdefault(site.function, set()).add(machine.kinds[machine.kind_of(core)].name)
    for site in graph.sites:
        if len(kinds.get(site.function, ())) > 1:
            raise refuse(f"task '{site.call.task.name}' on cores of several kinds", site.call.span)
    return frozenset(function for function, names in kinds.items() if "cube" in names)


def _dispatch(name: str, functions: list[tuple[int, Function]]) -> Lines:
    """The functions of one kind of core, by their numbers in the tables."""
    lines = Lines()
    with lines.block(f"struct {name} {{", "};"):
        head = "static __aicore__ inline void run"
        if not functions:
            lines(f"{head}(const mpmd::Launch&, mpmd::Word, mpmd::Row) {{}}")
            return lines
        with lines.block(f"{head}(const mpmd::Launch& launch, mpmd::Word function, mpmd::Row row) {{"):
            for number, function in functions:
                lines(f"if (function == {number}) return {function.name}(launch, row);")
    return lines


def _restored(text: str) -> str:
    """The text with every mark replaced by a directive that returns to the generated file."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line == RESTORE:
            lines[number - 1] = f"#line {number + 1} {quoted(KERNEL)}"
    return "\n".join(lines)


def _refuse_what_is_lacking(schedule: Schedule) -> None:
    program = schedule.graph.program
    if ((schedule.op == StepOp.BARRIER) & (schedule.b == LAUNCH_ENDS)).any():
        raise refuse("launches one after the other (fusion='none')", program.span)
    if len(program.arguments) >= MOST_BASES:
        raise refuse(f"kernels of more than {MOST_BASES - 1} tensors", program.span)

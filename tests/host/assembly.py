"""Tables and kernels put together by hand, so that the runtime is tested without the other stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from mpmd.codegen.source import ArgumentInfo, KernelSource, LaunchInfo, ScalarInfo, StepNote
from mpmd.codegen.tables import HEADER_WORDS, MAGIC, VERSION
from mpmd.errors import Span
from mpmd.lang.types import Direction, DType, f32
from mpmd.runtime.build import build
from mpmd.runtime.load import Executable

RUN, SIGNAL, WAIT, BARRIER, LOOP, END, DRAIN = range(7)
ITERATION, ELEMENT, GUARD, SKIP, PATCH = range(5, 10)
HERE = Span("kernel.py", 7, 4)

Step = tuple[int, int, int]
Linear = tuple[int, tuple[tuple[int, int], ...]]
LateOp = tuple[int | Linear, ...]
"""Kind, then its fields in the order of the tables, each linear sum as one."""


def section(values: object, dtype: str) -> bytes:
    data = np.array(values, dtype=dtype).tobytes()
    return data + b"\0" * (-len(data) % 8)


def tables(
    cores: Sequence[Sequence[Step]],
    rows: Sequence[tuple[int, Sequence[int]]],
    *,
    params: Sequence[int],
    bases: Sequence[int],
    events: int = 0,
    scalars: int = 0,
    derived: Sequence[tuple[int, Linear, Linear]] = (),
    guards: Sequence[tuple[Linear, int, int]] = (),
    patches: Sequence[tuple[int, int, int]] = (),
    local: Sequence[tuple[int, int]] = (),
    arena: int = 0,
    programs: Sequence[Sequence[LateOp]] = (),
    row_program: Mapping[int, int] = {},
    loops: Sequence[tuple[Linear, tuple[int, int, int]]] = (),
    drains: Sequence[Sequence[int]] = (),
    rings: Sequence[tuple[int, int, int, int, int]] = (),
    uses: Sequence[tuple[int, int, int, int]] = (),
) -> bytes:
    """`params[f]` is how many tensors function f takes: (base, offset) pairs that open its rows.

    `local` are local tensors as (place in the arena, bytes); without any the arena is one.
    `loops` are (count, (base, offset, bytes) of the flag, or `NEVER`); the rest is as in the tables.
    """
    terms: list[tuple[int, int]] = []

    def linear(value: Linear) -> tuple[int, int, int]:
        first = len(terms)
        terms.extend(value[1])
        return value[0], first, len(terms)

    steps = [(*step, -1) for core in cores for step in core]
    totals = [sum(b for op, a, b, _ in steps if op == SIGNAL and a == event) for event in range(events)]
    words = [word for _, row in rows for word in row]
    param_rows = [(3, 4, 2 * i, 2 * i + 1, 0, 0) for count in params for i in range(count)]
    derived_rows = [(op, *linear(lhs), *linear(rhs)) for op, lhs, rhs in derived]
    guard_rows = [(*linear(value), lo, hi) for value, lo, hi in guards]
    local = local or ([(0, arena)] if arena else [])
    base_rows = [(0, size, 0) for size in bases] + [(1, size, place) for place, size in local]
    ops = [late_op(op, linear) for program in programs for op in program]
    loop_rows = [
        (*linear(count), *flag, barriers_in(cores[0], number), 0)
        for number, (count, flag) in enumerate(loops)
    ]
    event_loop = [loop_of(cores, event) for event in range(events)]
    sections = [
        section(np.cumsum([0, *map(len, cores)]), "<i4"),
        section(steps, "<i4"),
        section(totals, "<i4"),
        section(np.cumsum([0, *(len(row) for _, row in rows)]), "<i8"),
        section([function for function, _ in rows], "<i4"),
        section(words, "<i8"),
        section(np.cumsum([0, *params]), "<i4"),
        section(param_rows, "<i4"),
        b"",
        section(base_rows, "<i8"),
        section(derived_rows, "<i8"),
        section(terms, "<i8"),
        section(guard_rows, "<i8"),
        section(patches, "<i8"),
        section([row_program.get(row, -1) for row in range(len(rows))], "<i4"),
        section(np.cumsum([0, *map(len, programs)]), "<i4"),
        section(ops, "<i8"),
        section(loop_rows, "<i8"),
        section(event_loop, "<i4"),
        section([0] * events, "<i4"),
        section([-1] * events, "<i4"),
        section(np.cumsum([0, *map(len, drains)]), "<i4"),
        section([row for drain in drains for row in drain], "<i4"),
        section([(*ring, 0) for ring in rings], "<i8"),
        section(uses, "<i8"),
    ]
    total = HEADER_WORDS * 8 + sum(map(len, sections))
    header = [
        MAGIC, VERSION, len(cores), len(steps), events, barriers_in(cores[0], -1), len(rows), len(words),
        len(params),
        len(param_rows), 0, len(base_rows), scalars, len(derived_rows), len(terms), len(guard_rows),
        len(patches), arena, total, len(programs), len(ops), len(loops), len(drains), sum(map(len, drains)),
        len(rings), len(uses),
    ]  # fmt: skip
    return section(header + [0] * (HEADER_WORDS - len(header)), "<i8") + b"".join(sections)


NEVER = (-1, 0, 0)
"""The flag of a loop that only its count ends."""


def late_op(op: LateOp, linear: Callable[[Linear], tuple[int, int, int]]) -> tuple[int, ...]:
    fields: list[int] = []
    for field in op:
        fields += linear(field) if isinstance(field, tuple) else (field,)
    return (*fields, *[0] * (8 - len(fields)))


def loop(number: int, *body: Step) -> list[Step]:
    """A loop around steps."""
    return [(LOOP, number, 0), *body, (END, number, len(body))]


def _with_loops(core: Sequence[Step]) -> Iterator[tuple[Step, int]]:
    """Steps, each with the loop that it is in, or −1."""
    inside = -1
    for step in core:
        inside = -1 if step[0] == END else inside
        yield step, inside
        inside = step[1] if step[0] == LOOP else inside


def barriers_in(core: Sequence[Step], loop: int) -> int:
    return sum(step[0] == BARRIER and inside == loop for step, inside in _with_loops(core))


def loop_of(cores: Sequence[Sequence[Step]], event: int) -> int:
    for core in cores:
        for (op, a, _), inside in _with_loops(core):
            if op in (SIGNAL, WAIT) and a == event:
                return inside
    return -1


def argument(
    name: str,
    *shape: int,
    dtype: DType = f32,
    direction: Direction = Direction.IN,
    strides: tuple[int, ...] | None = None,
) -> ArgumentInfo:
    c_order = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    return ArgumentInfo(name, dtype, shape, c_order if strides is None else strides, direction, HERE)


def kernel(
    functions: str,
    names: Sequence[str],
    table: bytes,
    arguments: Sequence[ArgumentInfo],
    *,
    scalars: Sequence[ScalarInfo] = (),
    scratch: int = 0,
    arena: int = 0,
    guards: Sequence[str] = (),
    checks: Sequence[str] = (),
    steps: int = 0,
    cores: int = 1,
) -> KernelSource:
    """The source of a kernel whose functions `names` are defined by the text `functions`."""
    text = (
        '#include "mpmd/driver.h"\n'
        "using mpmd::Core;\nusing mpmd::Word;\n"
        + functions
        + f"\nstatic const mpmd::Function functions[] = {{{', '.join(names)}}};\n"
        'extern "C" __attribute__((visibility("default"))) void mpmd_kernel(mpmd::Core* core) '
        "{ mpmd::run_core(*core, functions); }\n"
        'extern "C" __attribute__((visibility("default"))) void mpmd_kernel_stamped(mpmd::Core* core) '
        "{ mpmd::run_core<mpmd::Stamped>(*core, functions); }\n"
    )
    note = [StepNote(f"step {i} of the plan", Span("kernel.py", 10 + i)) for i in range(steps)]
    launch = LaunchInfo(
        kernel="toy",
        order=(*(a.name for a in arguments), *(s.name for s in scalars)),
        arguments=tuple(arguments),
        scalars=tuple(scalars),
        cores=cores,
        arena_bytes=arena,
        scratch_bytes=scratch,
        guards=tuple(StepNote(text, HERE) for text in guards),
        steps=tuple(note),
        checks=tuple(StepNote(text, HERE) for text in checks),
    )
    return KernelSource("cpu", (("toy.cpp", text),), table, "mpmd_kernel", launch)


# y[0] = x[0] + 1, as one function: row = base of x, offset, base of y, offset.
ADD_ONE = """
static void add_one(Core& core, const Word* row) {
  const float* x = (const float*)((const char*)core.base[row[0]] + row[1]);
  float* y = (float*)((char*)core.base[row[2]] + row[3]);
  *y = *x + 1;
}
"""


def chain(cores: int, rounds: int) -> KernelSource:
    """Core after core adds one, `rounds` times round: x → arena → … → y, each step behind a signal."""
    hops = cores * rounds
    plan: list[list[Step]] = [[] for _ in range(cores)]
    rows = []
    for hop in range(hops):
        source = (0, 0) if hop == 0 else (2, 64 * (hop - 1))
        target = (1, 0) if hop == hops - 1 else (2, 64 * hop)
        rows.append((0, (*source, *target)))
        core = plan[hop % cores]
        if hop:
            core.append((WAIT, hop - 1, 1))
        core.append((RUN, hop, 0))
        if hop < hops - 1:
            core.append((SIGNAL, hop, 1))
    arena = 64 * hops
    table = tables(plan, rows, params=[2], bases=[4, 4], events=hops - 1, arena=arena)
    arguments = [argument("x", 1), argument("y", 1, direction=Direction.OUT)]
    return kernel(ADD_ONE, ["add_one"], table, arguments, cores=cores, arena=arena, steps=3 * hops)


def lost_signal() -> KernelSource:
    """Core 1 waits for two signals, and one is given; core 0 then waits for core 1."""
    plan = [[(RUN, 0, 0), (SIGNAL, 0, 1), (WAIT, 1, 1)], [(WAIT, 0, 2), (RUN, 1, 0), (SIGNAL, 1, 1)]]
    rows = [(0, (0, 0, 2, 0)), (0, (2, 0, 1, 0))]
    table = tables(plan, rows, params=[2], bases=[4, 4], events=2, arena=64)
    arguments = [argument("x", 1), argument("y", 1, direction=Direction.OUT)]
    return kernel(ADD_ONE, ["add_one"], table, arguments, cores=2, steps=6)


def copy_kernel(dtype=f32, shape=(2, 3), strides=None, direction=Direction.IN) -> KernelSource:
    """y = x, item by item in C order of a 2×3 array; x may have other strides."""
    rows, columns = shape
    first, second = strides or (columns, 1)
    copy = f"""
    static void copy(Core& core, const Word* row) {{
      const char* x = (const char*)core.base[row[0]];
      char* y = (char*)core.base[row[2]];
      for (int i = 0; i < {rows}; ++i)
        for (int j = 0; j < {columns}; ++j)
          __builtin_memcpy(y + (i * {columns} + j) * {dtype.itemsize}, x + (i * {first} + j * {second}) * {dtype.itemsize}, {dtype.itemsize});
    }}
    """  # noqa: E501
    span = ((rows - 1) * first + (columns - 1) * second + 1) * dtype.itemsize
    table = tables(
        [[(RUN, 0, 0)]], [(0, (0, 0, 1, 0))], params=[2], bases=[span, rows * columns * dtype.itemsize]
    )
    arguments = [
        argument("x", *shape, dtype=dtype, strides=strides, direction=direction),
        argument("y", *shape, dtype=dtype, direction=Direction.OUT),
    ]
    return kernel(copy, ["copy"], table, arguments)


def array() -> np.ndarray:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def load(source: KernelSource) -> Executable:
    return build(source, strict=True).load()


def one() -> np.ndarray:
    return np.zeros(1, np.float32)

"""The judge of CUDA texts: correct kernels pass, and each broken law is told with its place.

Laws are broken one at a time: in the header library, in the tables, or by passing over a barrier.
"""

from __future__ import annotations

import numpy as np
import pytest

import mpmd
from mpmd.errors import ArgumentError, BoundsError, ToolchainError
from mpmd.runtime import toolchain
from mpmd.runtime.cuda_sim.compile import compile_text
from mpmd.runtime.cuda_sim.executable import executable
from mpmd.runtime.cuda_sim.findings import LAWS, Report, Violation
from mpmd.runtime.toolchain import Toolchain
from tests.host.simulated_launch import Simulated, simulated
from tests.host.target_programs import case
from tests.mutants import sync_mutants
from tests.tables import WAIT, Sections

SEEDS = range(16)
MUTATED = {"hello": None, "mlp f32": {"f": 16, "n": 16}, "stencil": None}


@pytest.fixture(scope="module")
def hello() -> Simulated:
    return simulated("hello")


@pytest.fixture(scope="module")
def mlp() -> Simulated:
    return simulated("mlp f32", {"f": 16, "n": 16})


def first(changed: Simulated, seed: int = 0) -> Report:
    found = changed.launch(seed)
    assert found.reports, "nothing was found"
    assert found.reports[0].kind in LAWS
    return found.reports[0]


# -- correct kernels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correct_kernel_breaks_no_law(mlp: Simulated, seed: int) -> None:
    assert mlp.launch(seed, launches=2).reports == ()


def test_the_same_seed_gives_the_same_run(mlp: Simulated) -> None:
    assert mlp.launch(3) == mlp.launch(3)


def test_texts_compile_without_a_warning(mlp: Simulated) -> None:
    assert compile_text(mlp.source, strict=True).entry == "mpmd_kernel"


# -- sync ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", MUTATED)
def test_every_sync_mutant_of_the_tables_is_flagged(program: str) -> None:
    """Under one of the seeds; none is redundant. Poison: a task came before the one that writes its input."""
    kernel = simulated(program, MUTATED[program])
    mutants = list(sync_mutants(kernel.source.tables))
    verdicts = {what: kernel.with_tables(tables).flagged(SEEDS) for what, tables, _ in mutants}
    assert mutants
    assert set(verdicts.values()) <= {"race", "deadlock", "poison"}, verdicts


def test_a_race_names_the_lines_of_both_tasks(hello: Simulated) -> None:
    what, tables, _ = next(iter(sync_mutants(hello.source.tables)))
    assert what.startswith("remove the signal")
    report = first(hello.with_tables(tables))
    assert report.kind == "race"
    assert report.file.endswith("examples/hello.py")
    assert "reads the arena of local tensors at byte" in report.message
    assert "examples/hello.py:" in report.message


def test_a_wait_that_nobody_serves_is_a_deadlock(hello: Simulated) -> None:
    sections = Sections.load(hello.source.tables)
    for steps in sections.cores:
        steps[:] = [(op, a, b + (op == WAIT), reason) for op, a, b, reason in steps]
    report = first(hello.with_tables(sections.store()))
    assert report.kind == "deadlock"
    assert report.message.startswith(
        "no thread can go on: block 2 waits, 255 of its threads at the barrier of "
    )


def test_every_barrier_is_needed(mlp: Simulated) -> None:
    """A barrier that is passed over by all threads lets them race, under one of the seeds."""
    sites = [site for site in mlp.launch().sites if site.text == "barrier"]
    assert sites
    verdicts = {f"{s.file}:{s.line}": mlp.flagged(SEEDS, dropped=[s.number]) for s in sites}
    assert None not in verdicts.values(), verdicts


@pytest.mark.parametrize("order", ["release", "acquire"])
def test_relaxed_counters_order_nothing(hello: Simulated, order: str) -> None:
    sites = [site.number for site in hello.launch().sites if site.text == order]
    assert sites
    assert hello.flagged(SEEDS, dropped=sites) == "race"


# -- threads ------------------------------------------------------------------------------------------


def test_threads_that_part_at_a_barrier_are_told(hello: Simulated) -> None:
    meeting = "    task(core, function, row);\n    device::barrier();\n"
    parted = meeting.replace("device::barrier();", "if (device::thread() != 7) device::barrier();")
    report = first(hello.with_text("mpmd/driver.h", meeting, parted))
    assert report.kind == "divergence"
    assert "while others of its block are at the barrier of mpmd/driver.h:" in report.message


def test_a_thread_that_ends_early_is_told(hello: Simulated) -> None:
    meeting = "    task(core, function, row);\n    device::barrier();\n"
    left = meeting.replace("device::barrier();", "if (device::thread() == 7) return;\n    device::barrier();")
    report = first(hello.with_text("mpmd/driver.h", meeting, left))
    assert report.kind == "divergence"
    assert report.message == "1 threads of the block have ended, and the others are at the barrier"


def test_a_lane_that_misses_a_shuffle_is_told() -> None:
    whole = "return moved(value, [](unsigned word) { return device::shuffle(word, 0); });"
    kernel = simulated("pipeline")
    missed = kernel.with_text("mpmd/reduce.h", whole, f"if (device::lane() == 5) return value;\n  {whole}")
    assert first(missed).kind in {"divergence", "deadlock"}


# -- memory -------------------------------------------------------------------------------------------


def test_an_index_beyond_a_tensor_is_told(hello: Simulated) -> None:
    bound = "j < n; j += device::threads) body(One{}, j);"
    report = first(hello.with_text("mpmd/map.h", bound, bound.replace("j < n;", "j < n + 9999;")))
    assert report.kind == "bounds"
    assert "which has 4000 bytes" in report.message


def test_a_read_of_what_nobody_wrote_is_told(hello: Simulated) -> None:
    start = "j = device::thread(); j < n; j += device::threads) body(One{}, j);"
    changed = start.replace("j = device::thread()", "j = device::thread() + 1")
    report = first(hello.with_text("mpmd/map.h", start, changed))
    assert report.kind == "poison"
    assert report.message.startswith("it reads the arena of local tensors at byte ")
    assert report.message.endswith(", which nobody has written")


def test_a_write_to_an_input_is_told(hello: Simulated) -> None:
    read = "MPMD_INLINE Vec<typename Plain<T>::type> load(One, T* p) {\n"
    spoiled = f"{read}  *const_cast<typename Plain<T>::type*>(p) = {{}};\n"
    report = first(hello.with_text("mpmd/vec.h", read, spoiled))
    assert (report.kind, report.message) == ("constant", "it writes 'x'")


# -- the target ---------------------------------------------------------------------------------------


def test_a_report_is_an_error_with_its_law_and_its_seed(
    hello: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tables, _ = next(iter(sync_mutants(hello.source.tables)))
    broken = hello.with_tables(tables)
    monkeypatch.setenv("MPMD_SEED", "5")
    with pytest.raises(Violation) as caught:
        executable(broken.source, broken.text)(*case("hello").arguments)
    assert caught.value.code == "race"
    assert caught.value.hints == (LAWS["race"], "seed 5 shows it again")


def test_a_compiler_that_brings_its_own_runtime_is_refused(
    hello: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    zig = Toolchain("zig c++", ("zig", "c++"), "0", "zig")
    monkeypatch.setattr(toolchain, "find", lambda: zig)
    with pytest.raises(ToolchainError, match=r"target 'cuda-sim' cannot use zig c\+\+"):
        compile_text(hello.source)


def test_arguments_are_judged_as_on_every_target() -> None:
    fresh = case("hello")
    kernel = mpmd.compile(fresh.kernel, *fresh.arguments, target="cuda-sim")
    with pytest.raises(ArgumentError, match=r"takes f32\[1000\], not f64\[1000\]"):
        kernel(fresh.arguments[0].astype(np.float64), fresh.arguments[1])


def test_failed_checks_are_told_as_on_every_target() -> None:
    fresh = case("SmolLM2 decode")
    model, cache, _, logits, chosen, pos = fresh.arguments
    kernel = mpmd.compile(fresh.kernel, *fresh.arguments, target="cuda-sim")
    with pytest.raises(BoundsError, match="99 is outside 0:64"):
        kernel(model, cache, np.array([99], np.int32), logits, chosen, pos)

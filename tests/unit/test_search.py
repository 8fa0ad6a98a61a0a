"""The search over rewrites: what it takes, what it leaves, that it is cheap and always the same."""

from typing import Any

import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.errors import ArgumentError
from mpmd.lang.program import Program
from mpmd.machine import Machine
from mpmd.search import AS_WRITTEN, Choice, choices, predicted, search, under
from tests.machines import toy
from tests.unit.rewrite_kernels import assert_same, gelu, linear, norm, row_sums, scale, tasks_of
from tests.unit.tracing import traced

T, N, K = mpmd.dims("T N K")
MACHINE = toy(4, flops=1e11)
"""Memory is what takes time."""
SLOW = toy(4)
"""Arithmetic is."""


def chain(x: In[f32, 64, 256], y: Out[f32, 64, 256]):
    a = mpmd.empty((64, 256), f32)
    b = mpmd.empty((64, 256), f32)
    for t in mpmd.tiles(64, 8):
        scale(x[t], 2.0, a[t])
    for t in mpmd.tiles(64, 8):
        gelu(a[t], b[t])
    for t in mpmd.tiles(64, 8):
        scale(b[t], 2.0, y[t])


def long_sum(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    linear(x, w, y)


def filled(x: In[f32, 4, 256], w: In[f32, 512, 256], y: Out[f32, 4, 512]):
    for n in mpmd.tiles(512, 32):
        linear(x, w[n], y[:, n])


def normed(x: In[f32, 1, 64], g: In[f32, 64], w: In[f32, 64, 64], y: Out[f32, 1, 64]):
    h = mpmd.empty((1, 64), f32)
    norm(x, g, h)
    for n in mpmd.tiles(64, 16):
        linear(h, w[n], y[:, n])


def layers(x: In[f32, 64, 256], y: Out[f32, 64, 256]):
    for _ in range(6):
        a = mpmd.empty((64, 256), f32)
        b = mpmd.empty((64, 256), f32)
        for t in mpmd.tiles(64, 8):
            scale(x[t], 2.0, a[t])
        for t in mpmd.tiles(64, 8):
            gelu(a[t], b[t])
        x = b
    scale(x, 1.0, y)


def sums(x: In[f32, 64, 8], y: Out[f32, 64]):
    for t in mpmd.tiles(64):
        row_sums(x[t], y[t])


CHAIN = ((64, 256), (64, 256))
LONG = ((4, 16384), (8, 16384), (4, 8))


def seconds(program: Program, choice: Choice, machine: Machine = MACHINE) -> float:
    chosen = under(program, choice)
    return predicted(chosen.program, machine, tiles=chosen.tiles, policy=choice.policy)


def test_a_chain_becomes_one_call() -> None:
    program = traced(chain, *CHAIN)
    choice = search(program, MACHINE)
    assert choice.rewrites == ("fuse a", "fuse b")
    assert tasks_of(under(program, choice).program) == ["scale_gelu_scale"]
    assert seconds(program, choice) < seconds(program, AS_WRITTEN)


def test_a_sum_that_leaves_cores_idle_is_split() -> None:
    program = traced(long_sum, *LONG)
    choice = search(program, SLOW)
    assert choice.rewrites == ("split y into 4",)
    assert seconds(program, choice, SLOW) < 0.5 * seconds(program, AS_WRITTEN, SLOW)


def test_a_sum_whose_tiles_fill_the_cores_is_not_split() -> None:
    program = traced(filled, (4, 256), (512, 256), (4, 512))
    assert search(program, SLOW) == AS_WRITTEN


def test_a_norm_that_all_tiles_would_wait_for_is_computed_in_each() -> None:
    program = traced(normed, (1, 64), (64,), (64, 64), (1, 64))
    slow = toy(4, task_seconds=1e-6)
    assert search(program, slow).rewrites == ("recompute h",)
    fast = toy(4, flops=1e7, task_seconds=0.0)
    assert search(program, fast) == AS_WRITTEN


def test_a_short_sum_is_not_worth_a_meeting_of_cores() -> None:
    program = traced(long_sum, (4, 512), (8, 512), (4, 8))
    split = Choice(("split y into 4",))
    assert seconds(program, split, SLOW) < 0.9 * seconds(program, AS_WRITTEN, SLOW)
    assert search(program, SLOW) == AS_WRITTEN


def test_one_core_has_nothing_to_split() -> None:
    program = traced(long_sum, *LONG)
    assert search(program, toy(1)) == AS_WRITTEN


def test_layers_of_one_form_are_looked_at_once_and_decided_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    program = traced(layers, *CHAIN)
    looked = []
    import mpmd.search as module

    original = module.predicted
    monkeypatch.setattr(
        module, "predicted", lambda *args, **named: looked.append(1) or original(*args, **named)
    )
    choice = search(program, MACHINE)
    assert len([line for line in choice.rewrites if line.startswith("fuse a")]) == 6
    assert len(looked) <= 16
    assert_same(program, under(program, choice).program)


def test_no_more_predictions_are_made_than_the_budget() -> None:
    program = traced(chain, *CHAIN)
    assert search(program, MACHINE, budget=0) == AS_WRITTEN
    assert search(program, MACHINE, budget=2).rewrites == ("fuse a",)


def test_the_same_program_gives_the_same_choice() -> None:
    first, second = (search(traced(layers, *CHAIN), MACHINE) for _ in range(2))
    assert first == second


def test_a_search_keeps_what_it_starts_from() -> None:
    program = traced(chain, *CHAIN)
    start = Choice(rewrites=("fuse b",), policy="round_robin", drain="never", cores=2)
    found = search(program, MACHINE, start=start)
    assert found.rewrites[0] == "fuse b" and len(found.rewrites) == 2
    assert (found.policy, found.drain, found.cores) == ("round_robin", "never", 2)


def test_a_choice_survives_json() -> None:
    choice = Choice(("fuse a", "split y into 4"), (("t", 16),), "zigzag", "never", 2)
    assert Choice.from_json(choice.to_json()) == choice
    assert choice.to_json()["tiles"] == {"t": 16}


def test_the_neighbours_of_a_choice_differ_in_one_thing() -> None:
    program = traced(sums, (64, 8), (64,))
    found = list(choices(program, MACHINE))
    assert Choice(rewrites=("split y into 2",)) not in found  # 8 elements make no two pieces
    assert Choice(policy="wave") in found and Choice(drain="never") in found and Choice(cores=2) in found
    assert any(choice.tiles for choice in found)
    assert len(found) == len(set(found))
    for choice in found:
        under(program, choice)


def test_sizes_are_those_of_loops_before_and_after_rewrites() -> None:
    def opened(x: In[f32, 64, 256], y: Out[f32, 64, 256]):
        a = mpmd.empty((64, 256), f32)
        for t in mpmd.tiles(64):
            scale(x[t], 2.0, a[t])
        for u in mpmd.tiles(64):
            gelu(a[u], y[u])

    program = traced(opened, *CHAIN)
    chosen = under(program, Choice(("fuse a",), (("u", 16),)))
    (loop,) = chosen.program.body
    assert (loop.name, loop.size, dict(chosen.tiles)) == ("t", 16, {})  # type: ignore[union-attr]


REFUSED: dict[str, tuple[Choice, str, str]] = {
    "no rewrite": (
        Choice(("melt a",)),
        "choice: 'melt a' is not a rewrite",
        "write 'fuse h', 'recompute h' or 'split y into 4'",
    ),
    "no tensor": (
        Choice(("fuse aa",)),
        "choice: 'fuse aa' names 'aa', which 'chain' does not have",
        "did you mean 'a'?",
    ),
    "not right": (
        Choice(("split y into 2",)),
        "choice: 'split y into 2' is not right",
        "it has no '@' and no sum",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_choice_that_does_not_fit_is_refused(name: str) -> None:
    choice, message, hint = REFUSED[name]
    with pytest.raises(ArgumentError) as caught:
        under(traced(chain, *CHAIN), choice)
    assert (caught.value.message, caught.value.hints) == (message, (hint,))
    assert caught.value.label == f"rewrites=({choice.rewrites[0]!r}, …)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"choice": "fast"}, "a choice is an mpmd.Choice, not 'fast'"),
        ({"choice": Choice(), "policy": "wave"}, "sizes of tiles, policy and cores are said twice"),
        ({"choice": Choice(cores=1), "cores": 2}, "sizes of tiles, policy and cores are said twice"),
    ],
)
def test_what_is_said_of_a_choice_is_said_once(given: dict[str, Any], message: str) -> None:
    spec = mpmd.spec(f32, (64, 256))
    with pytest.raises(ArgumentError) as caught:
        mpmd.compile(mpmd.kernel(chain), spec, spec, **given)
    assert caught.value.message == message

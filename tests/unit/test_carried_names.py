"""Names that Python carries from one symbolic iteration to the next are found in every kind of statement."""

from contextlib import nullcontext

import pytest

import mpmd
from mpmd import InOut, f32
from mpmd.errors import LanguageError
from tests.unit.traced_tasks import N, update
from tests.unit.tracing import refusal, traced

# What is bound before the loop, and again in its one traced iteration, to another object.


def reads_in_with(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        with nullcontext(part) as whole:
            update(whole)
            part = y[t]


def reads_in_try(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        try:
            update(part)
        finally:
            part = y[t]


def reads_in_an_annotated_assignment(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        whole: object = part
        update(whole)
        part = y[t]


def reads_in_a_loop(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        for _ in range(1):
            update(part)
        part = y[t]


def binds_in_one_arm_only(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        if len(y.shape) == 2:
            part = y[t]
        update(part)
        part = y[t]


CARRIED = (
    reads_in_with,
    reads_in_try,
    reads_in_an_annotated_assignment,
    reads_in_a_loop,
    binds_in_one_arm_only,
)


@pytest.mark.parametrize("kernel", CARRIED, ids=lambda kernel: kernel.__name__)
def test_what_may_be_read_before_it_is_bound_is_carried(kernel):
    message, place, _ = refusal(LanguageError, lambda: traced(kernel, (8,)))
    assert message == "'part' is carried from one iteration of a symbolic loop to the next"
    assert place == "part: bound again here"


def binds_in_with(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        with nullcontext(y[t]) as part:  # noqa: F811
            update(part)


def binds_in_both_arms(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        if t.index is None:
            part = y
        else:
            part = y[t]
        update(part)


def only_declares(y: InOut[f32, N]):
    part = y[:1]
    for t in mpmd.tiles(N):
        part: object
        part = y[t]
        update(part)


@pytest.mark.parametrize("kernel", [binds_in_with, binds_in_both_arms, only_declares])
def test_what_is_bound_for_certain_is_not_carried(kernel):
    assert len(traced(kernel, (8,)).body) == 1


def test_a_kernel_whose_text_is_gone_is_traced_as_it_is():
    names = {"InOut": InOut, "f32": f32, "N": N, "mpmd": mpmd, "update": update}
    lines = (
        "def kernel(y: InOut[f32, N]):",
        " count = 0",
        " for t in mpmd.tiles(N):",
        "  count += 1; update(y[t])",
    )
    exec(compile("\n".join(lines), "nowhere.py", "exec", dont_inherit=True), names)
    assert len(traced(names["kernel"], (8,)).body) == 1

"""What `mpmd.explain` says of small kernels: pinned texts, and figures that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.ablation import counts
from mpmd.errors import ArgumentError
from mpmd.explain import Explanation, explain
from mpmd.machine.text import amount
from mpmd.schedule.order import POLICIES
from mpmd.search import Choice
from tests.machines import COUNTER, toy

N, K, M = mpmd.dims("N K M")


@mpmd.task
def double(x: In[f32, N, K], y: Out[f32, N, K]):
    y[:] = x[:] + x[:]


@mpmd.task
def total(x: In[f32, N, K], y: Out[f32, N]):
    y[:] = x[:].sum(1)


@mpmd.task
def spread(s: In[f32, M], x: In[f32, N, K], y: Out[f32, N, K]):
    y[:] = x[:] * s[:].sum(0)


@mpmd.kernel
def normed(x: In[f32, 32, 16], y: Out[f32, 32, 16]):
    h = mpmd.empty((32, 16), f32)
    s = mpmd.empty((32,), f32)
    for t in mpmd.tiles(32, 4):
        double(x[t], h[t])
    for t in mpmd.tiles(32, 4):
        total(h[t], s[t])
    for t in mpmd.tiles(32, 4):
        spread(s, h[t], y[t])


@mpmd.kernel
def chain(x: In[f32, 32, 16], y: Out[f32, 32, 16]):
    a, b, c = (mpmd.empty((32, 16), f32) for _ in range(3))
    double(x, a)
    double(a, b)
    double(b, c)
    double(c, y)


@mpmd.kernel
def alone(x: In[f32, 32, 16], y: Out[f32, 32, 16]):
    double(x, y)


SPECS = (mpmd.spec(f32, (32, 16)), mpmd.spec(f32, (32, 16)))


SLOW = replace(COUNTER, signal_seconds=4e-6, wait_seconds=4e-6)


def of_normed(policy: str = "heft", **changes: object) -> Explanation:
    return explain(normed, *SPECS, machine=toy(4, **changes), choice=Choice(policy=policy))


def place(text: str) -> str:
    """Where this file says so."""
    source = Path(__file__).read_text().splitlines()
    return f"{Path(__file__).name}:{1 + next(n for n, line in enumerate(source) if text in line)}"


def lines(found: Explanation) -> list[str]:
    return str(found).splitlines()


# -- what is compared -----------------------------------------------------------------------------


def test_every_decision_is_left_out_in_turn() -> None:
    assert [(other.about, other.name) for other in of_normed().others] == [
        ("fusion", "one launch per call"),
        ("sync", "all inserted waits"),
        *[("placement", policy) for policy in POLICIES if policy != "heft"],
        ("memory", "never shared"),
        ("memory", "always shared"),
        ("cores", "1 of 4"),
        ("cores", "2 of 4"),
        ("cores", "3 of 4"),
    ]


def test_what_was_rewritten_is_compared_with_what_is_written() -> None:
    found = explain(normed, *SPECS, machine=toy(4), choice=Choice(rewrites=("fuse h",)))
    (written,) = found.about("rewrites")
    assert written.predicted == of_normed().own.predicted
    assert found.tasks == 16 and of_normed().tasks == 24


def test_many_cores_are_counted_in_powers_of_two() -> None:
    assert counts(4) == [1, 2, 3]
    assert counts(132) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert counts(1) == []


def test_the_variants_are_what_they_are_called() -> None:
    found = of_normed()
    (apart,), (unpruned,) = found.about("fusion"), found.about("sync")
    never, always = found.about("memory")
    assert apart.launch == pytest.approx(3 * found.own.launch) and apart.waits == 0
    assert unpruned.waits == found.sync.waits_inserted >= found.own.waits == found.sync.waits
    assert never.arena_bytes == found.memory.unshared_bytes >= always.arena_bytes
    assert found.about("cores")[0].waits == 0
    for outcome in (found.own, *found.others):
        assert outcome.run + outcome.sync + outcome.launch == pytest.approx(outcome.predicted)


def test_the_shares_add_up_and_the_bottleneck_is_the_largest() -> None:
    for changes in ({}, {"bandwidth": 1e7}, {"launch_seconds": 1e-3}, {"flops": 1e5}):
        found = of_normed(**changes)
        assert sum(found.shares.values()) == pytest.approx(found.own.predicted)
        assert found.shares[found.bottleneck] == max(found.shares.values())
        assert found.bound[1] <= found.own.predicted
    assert of_normed(launch_seconds=1e-3).bottleneck == "launch"
    assert of_normed(bandwidth=1e7).bottleneck == "memory bandwidth"


def test_a_variant_that_there_is_not_is_named_with_its_reason() -> None:
    """Two buffers of a chain fit, three do not."""
    found = explain(chain, *SPECS, machine=toy(1, memory_bytes=4096, cache_bytes=0), choice=None)
    assert [(refusal.about, refusal.name) for refusal in found.refused] == [("memory", "never shared")]
    why = "kernel 'chain' needs 6144 bytes for its local tensors; 'toy' has 4096"
    assert found.refused[0].why == why
    assert f"memory      never shared            {why}" in lines(found)


# -- what is said ---------------------------------------------------------------------------------


def test_a_kernel_for_which_fusing_pays() -> None:
    found = of_normed()
    name, bound = found.bound
    assert lines(found)[:8] == [
        f"Kernel 'normed' ({place('def normed')}), 24 tasks on 4 cores of toy: 3.82 µs predicted.",
        f"No schedule takes less than {amount(bound, 's')}, for its {name}. "
        "What holds it up is launch: 2 µs, 52.4%.",
        "Fusing wins 3.6 µs (48.5%): launches cost 4 µs less; sync cost 400 ns more; "
        "tasks on the critical path (imbalance, caches) cost the same.",
        "",
        "                                     predicted         against own   waits     arena",
        "as compiled                            3.82 µs                           4   2.18 kB",
        "fusion      one launch per call        7.42 µs    +3.6 µs   +94.3%       0   2.18 kB",
        "sync        all inserted waits         3.82 µs                           4   2.18 kB",
    ]


def test_why_fusing_does_not_pay() -> None:
    dealt = of_normed("round_robin", launch_seconds=1e-6, counter=SLOW)
    assert lines(dealt)[2] == (
        "Fusing does not pay, it loses 6 µs (135.8%): launches cost 2 µs less; sync cost 8 µs more; "
        "tasks on the critical path (imbalance, caches) cost the same."
    )
    assert dealt.bottleneck == "sync"
    found = of_normed(launch_seconds=1e-6, counter=SLOW)
    assert found.cores == 1
    assert lines(found)[2] == (
        "Fusing does not pay, it loses 875 ns (19.8%): launches cost 2 µs less; sync cost the same; "
        "tasks on the critical path (imbalance, caches) cost 2.88 µs more."
    )


def test_one_call_is_the_same_either_way() -> None:
    found = explain(alone, *SPECS, machine=toy(1), choice=None)
    assert f"Kernel 'alone' ({place('def alone')}), 1 task on 1 core of toy: 3.12 µs predicted." in lines(
        found
    )
    assert "Fusing makes no difference." in lines(found)
    assert found.waits == () and "worst waits" not in str(found)


def test_the_worst_waits_have_both_lines() -> None:
    text = lines(of_normed())
    at = text.index("worst waits")
    assert text[at + 1] == (
        f"  spread ({place('        spread(')}) for total ({place('        total(')}): 4 waits, 1.2 µs"
    )


def test_what_would_be_faster_is_said() -> None:
    """With slow signals one core alone is faster than four."""
    said = lines(of_normed("round_robin", launch_seconds=1e-6, counter=SLOW))
    assert said[3:6] == [
        "With placement: heft, it is predicted to win 5.12 µs (49.2%).",
        "With cores: 1 of 4, it is predicted to win 5.12 µs (49.2%).",
        "",
    ]


def test_an_explanation_as_json() -> None:
    found = of_normed()
    facts = json.loads(json.dumps(found.as_json()))
    assert facts["own"]["predicted"] == found.own.predicted
    assert facts["bottleneck"] == "launch" and facts["sentences"] == lines(found)[:3]
    assert facts["waits"][0]["for"] == "total"
    assert len(facts["others"]) == len(found.others)


# -- what is refused ------------------------------------------------------------------------------


def test_only_kernels_are_explained() -> None:
    with pytest.raises(ArgumentError) as caught:
        explain(len)  # type: ignore[arg-type]
    assert caught.value.message == "mpmd.explain takes a kernel, not <built-in function len>"
    assert caught.value.hints == ("decorate the function with @mpmd.kernel",)


def test_measuring_takes_arrays() -> None:
    with pytest.raises(ArgumentError) as caught:
        explain(normed, *SPECS, machine=toy(1), choice=None, measure=True)
    assert caught.value.message == "measuring takes a kernel and arrays to launch it with"
    assert caught.value.hints == ("pass arrays and numbers in the place of specs, or leave measure out",)

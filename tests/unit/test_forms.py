"""Bounds of linear forms hold for every value of the scalars, and see through what cancels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpmd.errors import NO_SPAN
from mpmd.lang.index import Index, maximum, minimum, symbol
from mpmd.lang.program import Scalar
from mpmd.lang.types import i64
from mpmd.partition.affine import LaunchScalars
from mpmd.partition.forms import Forms
from mpmd.partition.guards import intervals_of

BOUND = 12
T, N = symbol("T"), symbol("N")


def forms() -> Forms:
    return Forms(LaunchScalars((Scalar("T", i64, NO_SPAN, BOUND), Scalar("N", i64, NO_SPAN, BOUND))), {})


def bounds(index: Index) -> tuple[int, int]:
    launch = forms().launch
    value = launch.split(index, {}, NO_SPAN)
    known = Forms(launch, intervals_of(launch, ()))
    return known.least(value), known.greatest(value)


@pytest.mark.parametrize(
    ("index", "most"),
    [
        (minimum(16, T - 4) - T, -4),
        (minimum(4, T - 8) + minimum(4, T - 4) - 2 * T, -12),
        (T * 2 // 3 - T, 0),
        ((T + 1) // 2 - T, 0),
        (T // 2 - (T - T // 2), 0),
        (T - maximum(T, N), 0),
        (T % 5 - 4, 0),
        (T - N, BOUND),
    ],
)
def test_what_scalars_have_in_common_cancels(index, most):
    assert bounds(index)[1] == most


def combined(children: st.SearchStrategy[Index]) -> st.SearchStrategy[Index]:
    two = st.tuples(children, children)
    return st.one_of(
        two.map(lambda p: p[0] + p[1]),
        two.map(lambda p: p[0] - p[1]),
        two.map(lambda p: minimum(*p)),
        two.map(lambda p: maximum(*p)),
        st.tuples(children, st.integers(1, 5)).map(lambda p: p[0] // p[1]),
        st.tuples(children, st.integers(1, 5)).map(lambda p: p[0] % p[1]),
        st.tuples(children, st.integers(-3, 3)).map(lambda p: p[0] * p[1]),
    )


EXPRESSIONS = st.recursive(
    st.one_of(st.sampled_from([T, N]), st.integers(-5, 5).map(Index)), combined, max_leaves=6
)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS)
def test_no_value_is_outside_of_the_bounds(index):
    least, most = bounds(index)
    values = [index.evaluate({"T": t, "N": n}) for t in range(BOUND + 1) for n in range(BOUND + 1)]
    assert least <= min(values) and max(values) <= most

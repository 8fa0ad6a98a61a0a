"""The law: the collector is off while the function runs, and afterwards is as it was, whatever happens."""

from __future__ import annotations

import gc

import pytest

from mpmd.uncollected import uncollected


@uncollected
def looks() -> bool:
    return gc.isenabled()


@uncollected
def fails() -> None:
    raise KeyError


def test_the_collector_pauses() -> None:
    assert gc.isenabled()
    assert not looks()
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError):
        fails()
    assert gc.isenabled()


def test_it_stays_off_where_it_was() -> None:
    gc.disable()
    try:
        assert not looks()
        assert not gc.isenabled()
    finally:
        gc.enable()

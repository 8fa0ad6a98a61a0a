"""What the cache keeps: the most recently used within its limits, nothing that is too old."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from mpmd.errors import ToolchainError
from mpmd.runtime import cache, entries
from mpmd.runtime.entries import Limits, Removal

NOW = 2_000_000_000.0
DAY = 86400.0
ENTRY_BYTES = 1000 + 64
"""A library and its hash."""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Entries 0 to 3, last used so many days ago."""
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    for age in (2, 0, 3, 1):
        path = cache.obtain(key(age), lambda: b"x" * 1000)
        os.utime(path, (NOW - age * DAY,) * 2)
    return tmp_path


def key(age: int) -> str:
    return cache.key_of("entry", str(age))


def ages(root: Path) -> list[int]:
    """The entries of which anything is left."""
    return [age for age in range(4) if list(root.glob(f"*{key(age)}*"))]


def test_entries_are_listed_least_recently_used_first(root):
    found = entries.entries(root)
    assert [entry.key for entry in found] == [key(age) for age in (3, 2, 1, 0)]
    assert [entry.bytes for entry in found] == [ENTRY_BYTES] * 4
    assert [entry.used for entry in found] == [NOW - age * DAY for age in (3, 2, 1, 0)]


def test_a_cache_within_its_limits_keeps_everything(root):
    assert entries.evict(root, Limits(4 * ENTRY_BYTES, 3), now=NOW) == Removal(0, 0, 0)
    assert ages(root) == [0, 1, 2, 3]


def test_the_least_recently_used_go_first(root):
    assert entries.evict(root, Limits(2 * ENTRY_BYTES), now=NOW) == Removal(2, 2 * ENTRY_BYTES, 0)
    assert ages(root) == [0, 1]


def test_what_is_too_old_goes_although_there_is_room(root, caplog):
    caplog.set_level("INFO", logger="mpmd.runtime.entries")
    assert entries.evict(root, Limits(days=2.5), now=NOW) == Removal(1, ENTRY_BYTES, 0)
    assert ages(root) == [0, 1, 2]
    assert caplog.messages == [f"cache entry {key(3)} is evicted: unused for 3 days"]


def test_what_was_used_within_a_minute_stays(root):
    assert entries.evict(root, Limits(0, 0), now=NOW + 59) == Removal(3, 3 * ENTRY_BYTES, 1)
    assert ages(root) == [0]


def test_an_entry_that_another_process_makes_stays(root):
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(root, held, done))
    process.start()
    assert held.wait(30)
    try:
        assert entries.evict(root, Limits(0), now=NOW + DAY) == Removal(3, 3 * ENTRY_BYTES, 1)
        assert entries.clear(root) == Removal(0, 0, 1)
        assert ages(root) == [3]
    finally:
        done.set()
        process.join()
    assert entries.clear(root) == Removal(1, ENTRY_BYTES, 0)


def _hold(root: Path, held, done) -> None:
    with entries.lock(root, key(3)):
        held.set()
        done.wait(30)


def test_an_entry_used_after_it_was_listed_stays(root, monkeypatch):
    listed = entries.entries(root)
    os.utime(root / f"{key(3)}.so", (NOW,) * 2)
    monkeypatch.setattr(entries, "entries", lambda root: listed)
    assert entries.evict(root, Limits(days=1.5), now=NOW) == Removal(1, ENTRY_BYTES, 1)
    assert ages(root) == [0, 1, 3]


def test_an_entry_that_vanished_after_it_was_listed_is_no_error(root, monkeypatch):
    listed = entries.entries(root)
    entries.clear(root)
    monkeypatch.setattr(entries, "entries", lambda root: listed)
    assert entries.clear(root).kept == entries.evict(root, Limits(0), now=NOW + DAY).kept == 0
    assert list(root.iterdir()) == []


def test_an_entry_that_cannot_be_removed_is_told(root, monkeypatch, caplog):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert entries.clear(root) == Removal(0, 0, 4)
    assert f"cache entry {key(3)} cannot be removed: [Errno 1] Operation not permitted" in caplog.messages


def test_only_files_named_by_a_key_are_touched(root):
    others = [root / name for name in ("libc.so", "notes", f"{key(9)}.txt", ".hidden.part")]
    for path in others:
        path.write_text("keep me")
    (root / f".{key(8)}.abc.part").write_text("left by a killed process")
    assert entries.clear(root).removed == 5
    assert sorted(root.iterdir()) == sorted(others)


def test_a_directory_that_is_not_there_is_empty(tmp_path):
    assert entries.entries(tmp_path / "none") == ()
    assert entries.clear(tmp_path / "none") == Removal(0, 0, 0)


def test_limits_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("MPMD_CACHE_BYTES", raising=False)
    monkeypatch.delenv("MPMD_CACHE_DAYS", raising=False)
    assert entries.limits_from_environment() == Limits(1 << 30, 90)
    monkeypatch.setenv("MPMD_CACHE_BYTES", "5e6")
    monkeypatch.setenv("MPMD_CACHE_DAYS", "0.5")
    assert entries.limits_from_environment() == Limits(5_000_000, 0.5)


@pytest.mark.parametrize("text", ["", "1 GiB", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_an_error(monkeypatch, text):
    monkeypatch.setenv("MPMD_CACHE_BYTES", text)
    with pytest.raises(ToolchainError) as caught:
        entries.limits_from_environment()
    assert str(caught.value) == "\n".join(
        [
            f"error[toolchain]: MPMD_CACHE_BYTES is not a number, zero or more: {text!r}",
            "  hint: unset MPMD_CACHE_BYTES",
        ]
    )

"""The disk cache: one file per key, private, whole or absent."""

from __future__ import annotations

import logging
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from mpmd.runtime import cache


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def never() -> bytes:
    raise AssertionError("made again")


def test_an_entry_is_made_once(root):
    first = cache.obtain("k", lambda: b"content")
    assert first == cache.obtain("k", never) and first.read_bytes() == b"content"


def test_the_directory_is_private(root):
    cache.obtain("k", lambda: b"content")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_hit_and_miss_are_logged_with_the_reason(root, caplog):
    caplog.set_level(logging.DEBUG, logger="mpmd.runtime.cache")
    path = cache.obtain("k", lambda: b"content")
    cache.obtain("k", never)
    path.write_bytes(b"con")
    cache.obtain("k", lambda: b"content")
    messages = [record.message for record in caplog.records if record.name == "mpmd.runtime.cache"]
    assert messages == [
        f"cache miss {path}: not there",
        f"cache hit {path}",
        f"cache miss {path}: damaged",
    ]


@pytest.mark.parametrize("damage", [b"", b"con", b"content and more"])
def test_a_damaged_entry_is_made_again(root, damage):
    path = cache.obtain("k", lambda: b"content")
    path.write_bytes(damage)
    assert cache.obtain("k", lambda: b"content").read_bytes() == b"content"


def test_a_failed_maker_leaves_nothing(root):
    with pytest.raises(AssertionError):
        cache.obtain("k", never)
    assert [path.name for path in root.iterdir() if not path.name.endswith(".lock")] == []
    assert cache.obtain("k", lambda: b"content").read_bytes() == b"content"


def test_a_directory_that_others_may_write_to_is_not_used(root, caplog):
    root.mkdir()
    root.chmod(0o777)
    path = cache.obtain("k", lambda: b"content")
    assert root not in path.parents and path.read_bytes() == b"content"
    assert f"cache {root} is not used: others may write to it" in caplog.text


def test_a_directory_that_cannot_be_made_is_not_used(tmp_path, monkeypatch, caplog):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("MPMD_CACHE_DIR", str(file / "cache"))
    assert cache.obtain("k", lambda: b"content").read_bytes() == b"content"
    assert "using a private one for this process" in caplog.text


def test_a_full_disk_falls_back(root, monkeypatch, caplog):
    write = cache._write

    def full(path: Path, data: bytes) -> None:
        if root in path.parents:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(cache, "_write", full)
    path = cache.obtain("k", lambda: b"content")
    assert root not in path.parents and path.read_bytes() == b"content"
    assert "No space left on device" in caplog.text


def _slow_maker(directory: str, made: str) -> None:
    os.environ["MPMD_CACHE_DIR"] = directory

    def make() -> bytes:
        with open(made, "a") as file:
            file.write("made\n")
        return b"content" * 100_000

    assert len(cache.obtain("k", make).read_bytes()) == 700_000


def test_processes_make_one_entry_once(root, tmp_path):
    made = tmp_path / "made"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_slow_maker, args=(str(root), str(made))) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert made.read_text() == "made\n"


def test_keys_tell_sequences_apart():
    keys = {
        cache.key_of(*parts) for parts in ([], [""], ["a", "b"], ["ab"], ["", "ab"], ["b", "a"], [b"a", "bc"])
    }
    assert len(keys) == 7 and cache.key_of("a") == cache.key_of(b"a")

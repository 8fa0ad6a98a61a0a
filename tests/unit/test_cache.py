"""The disk cache: one file per key, private, whole or absent."""

from __future__ import annotations

import hashlib
import itertools
import logging
import multiprocessing
import os
import resource
import signal
import stat
import tempfile
from pathlib import Path

import filelock  # noqa: F401  (a child without privileges may not be able to)
import pytest

from mpmd.errors import ToolchainError
from mpmd.runtime import cache, entries

KEY = cache.key_of("an entry")
NOBODY = 65534


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
        f"cache miss {path}: its content does not match its hash",
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


@pytest.mark.parametrize("step", ["hash", "library"])
def test_a_process_killed_in_a_write_leaves_no_broken_entry(root, step):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_killed_maker, args=(str(root), 1 if step == "hash" else 2))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(root.glob(".*.part")) and not (root / f"{KEY}.so").exists()
    assert cache.obtain(KEY, lambda: b"other").read_bytes() == b"other"
    assert cache.obtain(KEY, never).read_bytes() == b"other"
    assert sorted(path.suffix for path in root.iterdir()) == [".lock", ".sha256", ".so"]


def _killed_maker(directory: str, write: int) -> None:
    os.environ["MPMD_CACHE_DIR"] = directory
    count = itertools.count(1)

    def fsync(handle: int) -> None:
        if next(count) == write:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync
    cache.obtain(KEY, lambda: b"content")


def test_a_write_cut_short_leaves_nothing_and_is_explained(root):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_limited_maker, args=(str(root), answers))
    process.start()
    text, private, made = answers.get(timeout=30)
    process.join()
    assert text == "\n".join(
        [
            "error[toolchain]: there is no directory to keep the compiled kernel in: "
            "[Errno 27] File too large",
            f"  note: tried {root} and {private}",
            "  hint: make room there",
            "  hint: or set MPMD_CACHE_DIR to a directory that you may write to",
        ]
    )
    assert made == 1, "what was made is made again"
    assert [path.suffix for path in root.iterdir() if path.suffix != ".lock"] == [".sha256"]
    assert cache.obtain(KEY, lambda: b"content").read_bytes() == b"content"


def _limited_maker(directory: str, answers: multiprocessing.Queue) -> None:
    os.environ["MPMD_CACHE_DIR"] = directory
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    made = []
    try:
        cache.obtain(KEY, lambda: made.append(1) or b"x" * 10_000)
    except ToolchainError as error:
        answers.put((str(error), str(cache._private_directory()), len(made)))


def test_a_read_only_directory_is_not_used():
    root = Path(tempfile.mkdtemp(prefix="mpmd-test-"))
    if os.geteuid() == 0:
        os.chown(root, NOBODY, NOBODY)
    root.chmod(0o500)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_unprivileged_maker, args=(str(root),))
    process.start()
    process.join()
    assert process.exitcode == 0 and not list(root.iterdir())
    root.rmdir()


def _unprivileged_maker(directory: str) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    os.environ["MPMD_CACHE_DIR"] = directory
    assert cache.problem(Path(directory)) == "it is read-only"
    path = cache.obtain(KEY, lambda: b"content")
    assert path.read_bytes() == b"content" and path.parent == cache._private_directory()


def _others_may_write(path: Path) -> str:
    path.chmod(0o666)
    return "others may write to it"


def _link(path: Path) -> str:
    target = path.with_name("target")
    path.rename(target)
    path.symlink_to(target)
    return f"[Errno 40] Too many levels of symbolic links: '{path}'"


def _pipe(path: Path) -> str:
    path.unlink()
    os.mkfifo(path, 0o600)
    return "it is no plain file"


def _foreign(path: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, NOBODY, NOBODY)
    return "it belongs to another user"


@pytest.mark.parametrize("spoil", [_others_may_write, _link, _pipe, _foreign])
@pytest.mark.parametrize("suffix", [".so", ".sha256"])
def test_an_entry_that_others_may_have_written_is_refused_and_made_again(root, caplog, spoil, suffix):
    path = cache.obtain(KEY, lambda: b"content")
    reason = spoil(path.with_suffix(suffix))
    assert cache.obtain(KEY, lambda: b"other").read_bytes() == b"other"
    prefix = "" if suffix == ".so" else "its hash cannot be used: "
    assert caplog.messages == [f"cache miss {path}: {prefix}{reason}"]
    assert cache.obtain(KEY, never).read_bytes() == b"other"


def test_an_entry_without_its_hash_is_refused(root, caplog):
    path = cache.obtain(KEY, lambda: b"content")
    path.with_suffix(".sha256").unlink()
    cache.obtain(KEY, lambda: b"content")
    assert f"cache miss {path}: its hash cannot be used: [Errno 2] No such file" in caplog.text


def test_a_hit_renews_the_entry_and_asks_for_no_lock(root, monkeypatch):
    path = cache.obtain(KEY, lambda: b"content")
    os.utime(path, (1, 1))
    monkeypatch.setattr(entries, "lock", never)
    assert cache.obtain(KEY, never) == path and path.stat().st_mtime > 1


def test_what_does_not_fit_is_evicted_when_an_entry_is_made(root, monkeypatch):
    old = cache.obtain(KEY, lambda: b"x" * 1000)
    os.utime(old, (1, 1))
    monkeypatch.setenv("MPMD_CACHE_BYTES", "1000")
    new = cache.obtain(cache.key_of("new"), lambda: b"y" * 1000)
    assert new.exists() and not old.exists(), "the newest stays although it alone is too large"


def test_what_another_process_made_in_the_meantime_is_a_hit(root, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, logger="mpmd.runtime.cache")
    lock = entries.lock

    def slow(folder: Path, name: str):
        (folder / f"{name}.sha256").write_text(hashlib.sha256(b"theirs").hexdigest())
        (folder / f"{name}.so").write_bytes(b"theirs")
        for path in folder.iterdir():
            path.chmod(0o600)
        return lock(folder, name)

    monkeypatch.setattr(entries, "lock", slow)
    path = cache.obtain(KEY, never)
    assert path.read_bytes() == b"theirs"
    assert caplog.messages == [f"cache hit {path}, made by another process"]


def test_a_process_without_any_room_is_told_where_it_was_looked_for(root, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_write", full)
    with pytest.raises(ToolchainError, match="no directory to keep the compiled kernel in") as caught:
        cache.obtain(KEY, lambda: b"content")
    assert caught.value.label == f"tried {root} and {cache._private_directory()}"


def test_keys_tell_sequences_apart():
    keys = {
        cache.key_of(*parts) for parts in ([], [""], ["a", "b"], ["ab"], ["", "ab"], ["b", "a"], [b"a", "bc"])
    }
    assert len(keys) == 7 and cache.key_of("a") == cache.key_of(b"a")

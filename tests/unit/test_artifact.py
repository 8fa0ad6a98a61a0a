"""The law: a saved kernel is read back as it was written, or refused with the reason; never half of it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import random
import zipfile
from pathlib import Path

import pytest

from mpmd.codegen.source import ArgumentInfo, LaunchInfo, ScalarInfo, StepNote
from mpmd.errors import NO_SPAN, ArtifactError, Span
from mpmd.lang.types import Direction, bf16, f32, i64
from mpmd.runtime import manifest as manifests
from mpmd.runtime import saved
from mpmd.runtime.cpu import Cpu, parse
from mpmd.runtime.manifest import Manifest
from mpmd.runtime.saved import Saved
from mpmd.schedule.check import Certificate

PATH = Path("k.mpmd")
CPU = Cpu("x86_64", "Builder 9000", ("avx2", "avx512f", "fma"))
HERE = Span("user.py", 3, 4, 3, 9)
TABLES, KERNEL, POOL = b"tables" * 40, b"kernel" * 70, b"pool" * 90


def manifest() -> Manifest:
    launch = LaunchInfo(
        kernel="k",
        order=("x", "n", "y"),
        arguments=(
            ArgumentInfo("x", f32, (4, 0, 7), (70, 7, 1), Direction.CONST, HERE),
            ArgumentInfo("y", bf16, (), (), Direction.INOUT, NO_SPAN),
        ),
        scalars=(ScalarInfo("n", i64, Span("user.py", 4)),),
        cores=2,
        arena_bytes=64,
        scratch_bytes=128,
        guards=(StepNote("x[n] must exist", HERE),),
        steps=(StepNote("wait e4: a → b via h (RAW)", HERE), StepNote("", NO_SPAN)),
        checks=(StepNote("a row of 'x'", HERE),),
    )
    proof = Certificate(
        hashlib.sha256(TABLES).hexdigest(), "cpu", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0, ("order",)
    )
    return Manifest("cpu", 1, "mpmd_kernel", CPU, saved.hashes(TABLES, KERNEL, POOL), proof, launch)


def kernel() -> Saved:
    return Saved(manifest(), TABLES, KERNEL, POOL)


def refusal(data: bytes, cpu: Cpu = CPU) -> str:
    with pytest.raises(ArtifactError) as caught:
        saved.decode(data, PATH, NO_SPAN, cpu)
    return str(caught.value)


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return data.getvalue()


def members(**changed: bytes) -> dict[str, bytes]:
    """Those of an honest file, by name; `changed` replaces some (`kernel` for kernel.so)."""
    with zipfile.ZipFile(io.BytesIO(saved.encode(kernel()))) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    names = {"mark": "mpmd-kernel", "kernel": "kernel.so", "tables": "tables", "manifest": "manifest.json"}
    return contents | {names[name]: content for name, content in changed.items()}


def damage(part: str) -> str:
    return f"error[artifact]: 'k.mpmd' is damaged\n  note: in {part}\n  hint: copy or save it again"


def test_a_manifest_is_read_back_as_it_was():
    assert manifests.decode(manifests.encode(manifest())) == manifest()


def test_a_kernel_is_read_back_as_it_was():
    assert saved.decode(saved.encode(kernel()), PATH, NO_SPAN, CPU) == kernel()


def test_one_kernel_makes_one_sequence_of_bytes():
    assert saved.encode(kernel()) == saved.encode(kernel())


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"\x7fELF" + bytes(100), archive({"a.txt": b"a" * 50})])
def test_another_file_is_not_a_kernel(data: bytes):
    assert refusal(data) == (
        "error[artifact]: 'k.mpmd' is not a saved kernel\n  hint: save one: mpmd.compile(…).save(path)"
    )


def test_another_format_is_named():
    assert refusal(archive(members(mark=b"7\n"))) == (
        "error[artifact]: 'k.mpmd' has format 7, and this version of mpmd reads format 4\n"
        "  hint: save it again with this version"
    )


def test_a_cpu_that_lacks_an_instruction_set_is_told_which():
    here = Cpu("x86_64", "Small 1", ("avx2", "fma", "sse2"))
    assert refusal(saved.encode(kernel()), here) == (
        "error[artifact]: 'k.mpmd' was built for another CPU: Builder 9000 (x86_64)\n"
        "  note: this one, Small 1 (x86_64), lacks avx512f\n"
        "  hint: compile and save the kernel on a machine like this one"
    )


def test_another_architecture_is_named():
    here = Cpu("aarch64", "Arm", ("asimd",))
    assert "this one, Arm (aarch64), lacks x86_64" in refusal(saved.encode(kernel()), here)


def test_a_cpu_with_more_instruction_sets_is_welcome():
    here = dataclasses.replace(CPU, model="Newer", features=(*CPU.features, "amx_tile"))
    assert saved.decode(saved.encode(kernel()), PATH, NO_SPAN, here) == kernel()


def test_a_member_that_is_not_what_the_manifest_says_is_named():
    assert refusal(archive(members(kernel=KERNEL[:-1] + b"L"))) == damage("kernel.so")


def test_a_member_whose_bytes_changed_on_the_disk_is_named():
    data = saved.encode(kernel())
    assert refusal(data.replace(POOL, POOL[:-1] + b"L")) == damage("libmpmd.so")


def test_a_file_that_is_cut_short_says_so():
    assert refusal(saved.encode(kernel())[:-200]) == (
        "error[artifact]: 'k.mpmd' is cut short\n  note: its end is missing\n  hint: copy or save it again"
    )


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b"\xff", b'{"cpu": 3}', b"[" * 100_000])
def test_a_manifest_that_is_none_is_damage(text: bytes):
    assert refusal(archive(members(manifest=text))) == damage("manifest.json")


def test_a_certificate_of_other_tables_is_refused():
    document = json.loads(members()["manifest.json"])
    document["certificate"]["sha256"] = "0" * 64
    assert refusal(archive(members(manifest=json.dumps(document).encode()))) == (
        "error[artifact]: the certificate in 'k.mpmd' is of other tables\n"
        "  hint: compile and save the kernel again"
    )


@pytest.mark.parametrize("name", ["../escape.so", "/tmp/escape.so", "second"])
def test_a_member_that_does_not_belong_is_damage(name: str):
    assert refusal(archive({**members(), name: b"x"})) == damage("the list of its members")


def test_a_compressed_member_is_never_expanded():
    bomb = archive(members(tables=bytes(10_000_000)), zipfile.ZIP_DEFLATED)
    assert "is damaged" in refusal(bomb)


def test_whatever_is_damaged_is_refused_or_of_no_matter():
    """A flipped bit lies in a member, which is noticed, or in the archive's dates and attributes."""
    whole, chance = saved.encode(kernel()), random.Random(0)
    for _ in range(2000):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        with contextlib.suppress(ArtifactError):
            assert saved.decode(bytes(data), PATH, NO_SPAN, CPU) == kernel()
    for end in range(0, len(whole), 7):
        refusal(whole[:end])


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "k.mpmd"
    path.write_bytes(b"old")
    saved.write(kernel(), path, NO_SPAN)
    assert path.read_bytes() == saved.encode(kernel())
    assert os.listdir(tmp_path) == ["k.mpmd"]


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "k.mpmd"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match="cannot be written: No space left on device"):
        saved.write(kernel(), path, NO_SPAN)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["k.mpmd"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ArtifactError, match="cannot be read: No such file or directory"):
        saved.read(tmp_path / "k.mpmd", NO_SPAN)


def test_only_instruction_sets_count_as_features():
    text = "model name\t: Builder 9000\nflags\t\t: fpu avx2 ibrs fma avx512f\n\nflags\t: amx_tile\n"
    assert parse("x86_64", text) == CPU
    assert parse("aarch64", "Features\t: fp asimd\n") == Cpu("aarch64", "aarch64", ("asimd", "fp"))

"""The law: a saved kernel runs where there is no compiler, no cache and no source, with the same bits."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mpmd
from examples.hello import hello
from examples.mlp import mlp
from mpmd import Const, In, Out, f32, i32
from mpmd.errors import NO_SPAN, ArgumentError, ArtifactError
from mpmd.runtime import saved
from mpmd.runtime.cpu import Cpu
from tests.unit.test_artifact import manifest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "call_from_c"

LAUNCH = """
import numpy as np
import mpmd
from mpmd.runtime import toolchain

try:
    toolchain.find()
    raise SystemExit("there is a compiler")
except mpmd.Diagnostic:
    pass
kernel = mpmd.load("k.mpmd")
arrays = [np.load(f"{argument.name}.npy") for argument in kernel.launch.arguments]
kernel(*arrays)
np.save("result.npy", arrays[-1])
"""

N, M, D = mpmd.dims("N M D")


@mpmd.task
def weigh(x: In[f32, N], w: Const[f32, N], y: Out[f32, N]):
    y[:] = x[:] * w[:]


@mpmd.kernel
def weighted(x: In[f32, N], w: Const[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 64):
        weigh(x[t], w[t], y[t])


@mpmd.task
def pick(x: In[f32, N, D], row: In[i32, M], y: Out[f32, M, D]):
    y[:] = x[row[:]]


@mpmd.kernel
def picked(x: In[f32, N, D], row: In[i32, M], y: Out[f32, M, D]):
    pick(x, row, y)


def example_arrays() -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    shapes = ((8, 128), (256, 128), (256, 128), (128, 256), (8, 128))
    return [chance.standard_normal(shape, np.float32) for shape in shapes]


def without_compiler(folder: Path, program: str) -> None:
    """Runs `program` in `folder`, in a process that finds no compiler, cache or kernel source."""
    cache = folder / "cache"
    cache.mkdir()
    hidden = f"import sys; sys.modules['ziglang'] = None; sys.path.insert(0, {str(ROOT)!r})\n"
    ended = subprocess.run(
        [sys.executable, "-c", hidden + program],
        cwd=folder,
        env={"PATH": "", "MPMD_CACHE_DIR": str(cache), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert os.listdir(cache) == []


def test_a_saved_kernel_runs_without_a_compiler(tmp_path: Path):
    arrays = example_arrays()
    kernel = mpmd.compile(mlp, *arrays, cores=2)
    kernel.save(tmp_path / "k.mpmd")
    for argument, array in zip(kernel.source.launch.arguments, arrays, strict=True):
        np.save(tmp_path / f"{argument.name}.npy", array)
    without_compiler(tmp_path, LAUNCH)
    kernel(*arrays)
    assert np.load(tmp_path / "result.npy").tobytes() == arrays[-1].tobytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved kernel of hello, for two cores."""
    path = tmp_path_factory.mktemp("saved") / "hello.mpmd"
    vector = mpmd.spec(mpmd.f32, (1000,))
    mpmd.compile(hello, vector, vector, cores=2).save(path)
    return path


def test_a_loaded_kernel_shares_the_process_with_compiled_ones(file: Path):
    x = np.arange(1000, dtype=np.float32)
    compiled, loaded = np.zeros_like(x), np.zeros_like(x)
    kernel = mpmd.compile(hello, x, compiled, cores=2)
    again = mpmd.load(file)
    for _ in range(3):
        kernel(x, compiled)
        again(x, loaded)
    assert compiled.tobytes() == loaded.tobytes()
    assert again.launch == kernel.source.launch
    assert again.certificate == kernel.certificate
    assert repr(again) == "<kernel hello, loaded>"


def test_a_loaded_kernel_checks_its_arguments(file: Path):
    x = np.zeros(1000, np.float32)
    with pytest.raises(ArgumentError, match=r"'x' of kernel 'hello' takes f32\[1000\], not f64\[1000\]"):
        mpmd.load(file)(x.astype(np.float64), x)


def test_saving_twice_gives_the_same_bytes(file: Path, tmp_path: Path):
    vector = mpmd.spec(mpmd.f32, (1000,))
    mpmd.compile(hello, vector, vector, cores=2).save(tmp_path / "again.mpmd")
    assert (tmp_path / "again.mpmd").read_bytes() == file.read_bytes()


def test_loading_leaves_no_file_behind(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mpmd.load(file)
    assert os.listdir(tmp_path) == []


def test_constants_are_bound_after_loading_and_not_saved(tmp_path: Path):
    x, w, y = (np.full(100, value, np.float32) for value in (3, 5, 0))
    kernel = mpmd.compile(weighted, x, w, y, cores=1)
    with pytest.raises(ArtifactError) as caught:
        kernel.bind(w=w).save(tmp_path / "k.mpmd")
    assert caught.value.message == "'weighted' has bound arguments, and arrays are not saved"
    assert (caught.value.label, caught.value.span.file) == ("bound: w", __file__)
    assert caught.value.hints == ("save the kernel before bind, and bind after mpmd.load",)
    kernel.save(tmp_path / "k.mpmd")
    mpmd.load(tmp_path / "k.mpmd").bind(w=w)(x, y)
    np.testing.assert_array_equal(y, x * w)


def test_a_damaged_file_is_shown_with_the_line_that_loads_it(file: Path, tmp_path: Path):
    path = tmp_path / "k.mpmd"
    path.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtifactError) as caught:
        mpmd.load(path)
    assert caught.value.span.file == __file__
    assert caught.value.message == f"'{path}' is cut short"


@pytest.fixture
def unpacked(file: Path, tmp_path: Path) -> Path:
    return mpmd.load(file).unpack(tmp_path / "hello")


def built(folder: Path, tmp_path: Path) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no gcc")
    program = tmp_path / "main"
    strict = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    places = (f"-I{folder}", f"-L{folder}", "-lmpmd", f"-Wl,-rpath,{folder}")
    command = (compiler, *strict, str(EXAMPLE / "main.c"), *places, "-o", str(program))
    subprocess.run(command, check=True, timeout=300)
    return program


def test_a_c_program_launches_the_kernel(unpacked: Path, tmp_path: Path):
    program = built(unpacked, tmp_path)
    ended = subprocess.run([program, unpacked], capture_output=True, text=True, env={}, timeout=300)
    assert ended.returncode == 0, ended.stderr
    y = np.array([float(line) for line in ended.stdout.split()], np.float32)
    np.testing.assert_array_equal(y, np.arange(1000, dtype=np.float32) * 3 + 1)


@pytest.mark.parametrize(
    "member, content, text",
    [
        ("tables", b"x" * 400, "{folder}/tables: these are no tables of a kernel\n"),
        ("tables", b"", "{folder}/tables has no tables of a kernel\n"),
        ("launch", b"?", "{folder}/launch does not say how to launch a kernel\n"),
        ("launch", b"other 0\n", "{folder}/kernel.so was built for another version of libmpmd.so\n"),
        ("kernel.so", b"no library", "{folder}/kernel.so: file too short\n"),
    ],
)
def test_a_c_program_is_told_what_is_wrong(
    unpacked: Path, tmp_path: Path, member: str, content: bytes, text: str
):
    program = built(unpacked, tmp_path)
    (unpacked / member).write_bytes(content)
    ended = subprocess.run([program, unpacked], capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (1, text.format(folder=unpacked))


def test_the_example_in_c_is_built_as_its_page_says(tmp_path: Path):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    page = (EXAMPLE / "README.md").read_text()
    commands = re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)[0]
    script = commands.replace("python ", f"{sys.executable} ").replace("build", str(tmp_path))
    script = script.replace(f"$PWD/{tmp_path}", str(tmp_path))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        ["sh", "-ec", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "2998"


def test_a_file_of_another_machine_is_not_opened(tmp_path: Path):
    path = tmp_path / "k.mpmd"
    elsewhere = dataclasses.replace(manifest(), cpu=Cpu("z80", "Z80", ()))
    saved.write(saved.Saved(elsewhere, b"", b"", b""), path, NO_SPAN)
    with pytest.raises(ArtifactError, match=r"was built for another CPU: Z80 \(z80\)"):
        mpmd.load(path)


def test_a_file_of_another_abi_is_not_opened(file: Path, tmp_path: Path):
    content = saved.read(file, NO_SPAN)
    path = tmp_path / "k.mpmd"
    later = dataclasses.replace(content.manifest, abi=99)
    saved.write(dataclasses.replace(content, manifest=later), path, NO_SPAN)
    with pytest.raises(ArtifactError) as caught:
        mpmd.load(path)
    assert caught.value.message == f"'{path}' was saved by another version of mpmd: target cpu, ABI 99"
    assert caught.value.label == "this version has target cpu, ABI 3"


def test_what_is_not_a_kernel_is_not_read_to_its_end():
    with pytest.raises(ArtifactError, match="'/dev/zero' is not a saved kernel"):
        mpmd.load("/dev/zero")


def test_a_place_that_cannot_be_written_is_named(file: Path, tmp_path: Path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ArtifactError, match="taken' cannot be written: File exists"):
        mpmd.load(file).unpack(tmp_path / "taken")


def test_a_c_program_is_told_of_a_check_that_failed_and_of_wrong_counts(tmp_path: Path):
    """Through ctypes, as any language calls the C functions."""
    x, row, y = np.zeros((4, 8), np.float32), np.array([2], np.int32), np.zeros((1, 8), np.float32)
    mpmd.compile(picked, x, row, y, cores=1).save(tmp_path / "k.mpmd")
    folder = mpmd.load(tmp_path / "k.mpmd").unpack(tmp_path / "k")
    library = ctypes.CDLL(str(folder / "libmpmd.so"))
    library.mpmd_saved_open.restype = ctypes.c_void_p
    library.mpmd_error_text.restype = ctypes.c_char_p
    kernel = ctypes.c_void_p(library.mpmd_saved_open(os.fsencode(folder)))
    addresses = (ctypes.c_void_p * 3)(*(array.ctypes.data for array in (x, row, y)))
    assert library.mpmd_saved_launch(kernel, addresses, 2, None, 1) == -1
    assert library.mpmd_error_text() == b"the kernel takes 3 arguments and 0 scalars, not 2 and 1"
    assert library.mpmd_saved_argument_bytes(kernel, 1) == 4
    assert library.mpmd_saved_argument_bytes(kernel, 3) == -1
    assert library.mpmd_saved_launch(kernel, addresses, 3, None, 0) == 0
    row[0] = 7
    assert library.mpmd_saved_launch(kernel, addresses, 3, None, 0) == 1
    assert library.mpmd_error_text() == (
        b"a run-time check failed on core 0: 7 (extent 1) is outside 0:4; see checks[0] in manifest.json"
    )
    row[0] = 1
    assert library.mpmd_saved_launch(kernel, addresses, 3, None, 0) == 0
    library.mpmd_saved_close(kernel)
    library.mpmd_saved_close(None)
    library.mpmd_stop()

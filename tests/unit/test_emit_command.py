"""`mpmd emit`: a folder per kernel with texts, tables, arguments and expected results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mpmd.cli import main

SCRIPT = """
import numpy as np
import mpmd
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")

@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0

@mpmd.kernel
def doubles(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 16):
        double(x[t], y[t])

x = np.arange(40, dtype=np.float32)
doubles(x, np.zeros_like(x))
"""


def test_a_folder_in_the_way_of_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, output = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    (output / "0-doubles" / "tables.bin").mkdir(parents=True)
    assert main(["emit", "-o", str(output), str(script)]) == 1
    assert capsys.readouterr().err == (
        f"error[argument]: cannot write '{output}': Is a directory\n  hint: give -o another path\n"
    )


@pytest.mark.parametrize(("target", "text"), [("cpu", "doubles.cpp"), ("ascend", "kernel.cpp")])
def test_a_folder_per_kernel(target: str, text: str, tmp_path: Path) -> None:
    script, output = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    assert main(["emit", "--target", target, "--cores", "3", "-o", str(output), str(script)]) == 0
    (folder,) = output.iterdir()
    assert folder.name == "0-doubles"
    assert "double" in (folder / text).read_text()
    assert (folder / "tables.bin").stat().st_size > 0
    x = np.fromfile(folder / "data" / "x.bin", np.float32)
    np.testing.assert_array_equal(np.fromfile(folder / "data" / "y.expected.bin", np.float32), 2 * x)

"""Compiles the kernel of `examples/hello.py`, saves it, and unpacks it for `main.c`.

python examples/call_from_c/save_hello.py DIRECTORY
"""

import argparse
import sys
from pathlib import Path

import mpmd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from hello import hello


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where the kernel goes")
    folder = parser.parse_args().directory
    folder.mkdir(parents=True, exist_ok=True)
    vector = mpmd.spec(mpmd.f32, (1000,))
    mpmd.compile(hello, vector, vector).save(folder / "hello.mpmd")
    print(mpmd.load(folder / "hello.mpmd").unpack(folder / "hello"))


if __name__ == "__main__":
    main()

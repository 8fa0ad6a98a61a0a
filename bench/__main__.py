"""`python -m bench NAME … [--json]`: run benchmarks and print their rows."""

from __future__ import annotations

import argparse
import importlib

from bench.rows import print_rows

GROUPS = {"schedule": ("scale", "quality", "sync", "soundness")}
"""Names that stand for several benchmarks, which can be run one by one, too."""

NAMES = (
    "compile",
    "call",
    "decode",
    "profile",
    "instructions",
    "fusion",
    "predict",
    "roofline",
    "page",
    *GROUPS["schedule"],
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run benchmarks, print rows.")
    parser.add_argument("names", nargs="+", choices=(*NAMES, *GROUPS), help="which benchmarks")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    for name in (part for given in options.names for part in GROUPS.get(given, (given,))):
        print_rows(importlib.import_module(f"bench.{name}").rows(), as_json=options.json)


if __name__ == "__main__":
    main()

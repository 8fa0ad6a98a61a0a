"""A peer of the decode benchmark, running as a process of its own so that no thread of ours is in its way.

In:  the module that is the peer; it answers each line on stdin, a number of steps, with a line on
     stdout, the mean seconds of a step. Out: those seconds. Not here: any peer (`peer_torch.py`).
"""

from __future__ import annotations

import os
import subprocess
import sys


class Peer:
    """The running process."""

    def __init__(self, module: str, *, position: int, capacity: int, threads: int) -> None:
        command = [sys.executable, "-m", module, *map(str, (position, capacity, threads))]
        environment = os.environ | {"OMP_PROC_BIND": "true", "OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def seconds(self, steps: int) -> float:
        """The mean time of a step over `steps` of them."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(steps, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()

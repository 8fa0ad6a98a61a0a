"""What the code of a kernel needs of a CPU: the architecture and its instruction sets.

In:  what the kernel of the operating system says of this machine. Out: `Cpu`; what one lacks.
Not here: rates and cache sizes (`machine/presets/cpu.py`).
"""

from __future__ import annotations

import functools
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_X86_INSTRUCTIONS = re.compile(
    r"(sse|ssse|pni|avx|amx|apx|fma|f16c|xop|bmi|tbm|abm|popcnt|movbe|aes|vaes|sha|gfni|pclmul|vpclmul|cx16|lahf)"
)
"""The flags for which a compiler chooses instructions; the others are of privileges, bugs and clocks."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """A CPU as compiled code sees it. `features` are sorted; `model` is for people."""

    architecture: str
    model: str
    features: tuple[str, ...]

    def lacks(self, code: Cpu) -> tuple[str, ...]:
        """What code compiled on the CPU `code` may use and this one does not have."""
        if self.architecture != code.architecture:
            return (code.architecture,)
        return tuple(feature for feature in code.features if feature not in self.features)


@functools.cache
def this_cpu() -> Cpu:
    """The CPU that this process runs on."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    return parse(platform.machine(), text)


def parse(architecture: str, cpuinfo: str) -> Cpu:
    """The first processor of a `/proc/cpuinfo`."""
    lines = (line.partition(":") for line in cpuinfo.split("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    if "flags" in facts:
        features = [name for name in facts["flags"].split() if _X86_INSTRUCTIONS.match(name)]
    else:
        features = facts.get("Features", "").split()
    return Cpu(architecture, facts.get("model name", architecture), tuple(sorted(features)))

"""The Ascend judge: texts of kernels for Atlas A2/A3, run on this machine under the laws of the hardware.

In:  the text of a kernel, arrays, a seed. Out: arrays, and what broke a law.
Not here: emitting the text (`codegen/ascend`); `docs/ascend-sim.md` says what the simulator cannot show.
"""

from mpmd.runtime.ascend_sim.compile import Simulated, compile_text
from mpmd.runtime.ascend_sim.findings import Findings, Report, Site, Violation, violation
from mpmd.runtime.ascend_sim.laws import LAWS

__all__ = ["LAWS", "Findings", "Report", "Simulated", "Site", "Violation", "compile_text", "violation"]

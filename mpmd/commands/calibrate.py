"""`mpmd calibrate`: measure this CPU, and keep its figures for later compilations.

In:  nothing. Out: every figure beside that of the preset; a progress bar on standard error.
Not here: measuring (`calibrate.py`), where it is kept (`machine/saved.py`).
"""

from __future__ import annotations

from dataclasses import asdict

from mpmd.calibrate import calibrate as calibrated
from mpmd.calibrate import report
from mpmd.commands.show import bars, show
from mpmd.machine import saved


def calibrate(*, keep: bool, as_json: bool) -> int:
    """0 when it is done."""
    with bars() as bar:
        task = bar.add_task("calibrating", total=1.0)
        machine = calibrated(
            lambda stage, share: bar.update(task, description=stage, completed=share), save=keep
        )
    kept = [f"kept in {saved.default_path()}"] if keep else []
    show([report(machine), *kept], asdict(machine), as_json=as_json)
    return 0

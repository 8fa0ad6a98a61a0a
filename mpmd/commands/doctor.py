"""`mpmd doctor`: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

from mpmd.commands.show import show
from mpmd.doctor import doctor as examine


def doctor(*, as_json: bool) -> int:
    """0 if kernels can be compiled and run here."""
    report = examine()
    show([str(report)], report.as_json(), as_json=as_json)
    return 0 if report.healthy else 1

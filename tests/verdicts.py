"""Two verdicts on small tables that must be one: what all their states show, and what the checker says.

In:  `Sections` whose scalars are those of `small_tables`. Out: the laws that are broken, by the codes of
errors; the law for which the checker refuses them.
"""

from __future__ import annotations

from mpmd.errors import ScheduleError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests.machines import toy
from tests.small_tables import SCALARS
from tests.state_search import search
from tests.table_forms import broken_forms
from tests.tables import Sections
from tests.unrolled import unroll

MACHINE = toy(8, memory_bytes=2**30, counter=Primitive("counter", 100, 10_000, 1e-7, 1e-7))
_CODES = {"order": "program-order", "capacity": "schedule-capacity"}


def broken_laws(made: Sections) -> frozenset[str]:
    """The laws that the tables break as they stand; if none, those that some execution breaks."""
    forms = broken_forms(made)
    if forms:
        return forms
    tables = made.store()
    launches = SCALARS if made.scalars else ((),)
    found = {law for scalars in launches for law in search(unroll(tables, scalars)).broken}
    return frozenset(_CODES.get(law, law) for law in found)


def refusal(made: Sections) -> str | None:
    """The law that the checker says is broken; None if it accepts."""
    try:
        check(made.store(), MACHINE)
    except ScheduleError as error:
        return error.code
    return None

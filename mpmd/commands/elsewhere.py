"""A kernel as it would be for another target, or on another machine.

In:  a kernel that a script compiled, the names of a target and a machine. Out: its `Schedule` there.
Not here: the names that there are (`options.py` has looked at them); emitting, proving and running.
"""

from __future__ import annotations

from pathlib import Path

from mpmd.errors import NO_SPAN
from mpmd.machine import Machine, saved
from mpmd.machine.presets import MACHINES, by_name
from mpmd.partition.build import partition
from mpmd.pipeline import Compilation
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import Schedule
from mpmd.targets import target as find_target


def machine_of(name: str) -> Machine:
    """A machine by name, or what a calibration left in a file."""
    return by_name(name) if name.lower() in MACHINES else saved.read(Path(name))


def place_of(target: str | None, machine: str | None) -> Machine | None:
    """The machine that is meant; that of the target where none is named; None where neither is."""
    if machine is not None:
        return machine_of(machine)
    return None if target is None else find_target(target, span=NO_SPAN).machine(None)


def planned(done: Compilation, target: str | None, machine: str | None) -> Schedule:
    """The kernel's own schedule, or the one that it would have there."""
    place = place_of(target, machine)
    if place is None:
        return done.compiled.schedule
    program = done.compiled.program
    if target is not None:
        program = find_target(target, span=NO_SPAN).prepare(program, place)
    return schedule(partition(program, place), place)

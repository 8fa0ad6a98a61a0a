"""`calibrate`: this CPU as a `Machine`, by micro-benchmarks in our own language run through the compiler.

In:  nothing. Out: a `Machine` that later processes find (`machine/saved.py`), each figure with its spread
and residual. Not here: the benchmarks (`calibration/`); other machines (`machine/presets/`).

The machine decides schedules, so what is compiled afterwards may differ from what was compiled before: the
key of a compiled kernel hashes its tables, and so knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mpmd.calibration import fit, together
from mpmd.calibration.fit import Constant, Sample
from mpmd.calibration.probes import Core
from mpmd.calibration.timing import Measure, Progress, Reading, readings
from mpmd.machine import Machine, WorkClass, saved, system
from mpmd.machine.presets import preset
from mpmd.machine.sources import sourced
from mpmd.machine.text import figures

ROUNDS = 25
LEAST = 1e-12
"""Seconds: no operation is taken to be shorter, where the samples do not tell it from nothing."""

STREAM_BYTES = 64 << 20
"""Passed over where data is to come from memory; twice what the shared cache holds, if that is more."""


def calibrate(progress: Progress | None = None, *, save: bool = True) -> Machine:
    """Measures this computer, which takes some 30 seconds, and keeps the result unless told not to.

    `progress` is called with what is done at the moment and the share of all that is done.
    """
    tell = progress or (lambda stage, share: None)
    cores = system.available_cores()
    tell("compiling", 0.0)
    one = Core(cores)
    shared = system.shared_cache_bytes()
    measures = {**one.measures(), **_several(cores, shared)}
    found = readings(measures, ROUNDS, tell)
    machine = _machine(one.samples(found), found, cores, shared)
    if save:
        saved.write(machine)
    tell("done", 1.0)
    return machine


def report(machine: Machine) -> str:
    """Every figure beside that of the preset, and how it was found."""
    before = figures(preset())
    how = {source.field: source.source for source in machine.sources}
    rows = [("figure", "preset", "measured", "how")]
    rows += [(name, before.get(name, "-"), value, how[name]) for name, value in figures(machine).items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    return "\n".join(lines)


def _several(cores: int, shared_cache_bytes: int) -> dict[str, Measure]:
    """The measures beyond one core's cache; those between cores only where there are two."""
    stream = _stream_bytes(shared_cache_bytes)
    measures = {
        "launch": together.launches(cores),
        "starts": together.starts(),
        "memory, one core": together.passes(stream, 1),
        "memory": together.passes(stream, cores),
        "stores": together.copies(stream, cores),
    }
    for footprint in together.footprints(shared_cache_bytes) if shared_cache_bytes else ():
        measures[f"pass over {footprint}"] = together.passes(footprint, cores)
    if shared_cache_bytes:
        measures["shared cache"] = together.passes(shared_cache_bytes // 4, cores)
    if cores > 1:
        measures["handover of a line"] = together.handover(together.LINE)
        measures["handover of a block"] = together.handover(together.BLOCK)
        measures["crowd"] = together.crowd(cores)
        measures["tickets"] = together.tickets(cores)
        measures["dealt out"] = together.shared_out(cores, drain=False)
        measures["drained"] = together.shared_out(cores, drain=True)
    return measures


def _stream_bytes(shared_cache_bytes: int) -> int:
    return max(STREAM_BYTES, 2 * shared_cache_bytes)


def _machine(
    groups: Mapping[str, Sequence[Sample]],
    found: Mapping[str, Reading],
    cores: int,
    shared_cache_bytes: int,
) -> Machine:
    """The preset with every figure that was measured in place of its own."""
    before, task_seconds = preset(), found["starts"].least / together.STARTS
    core = _core(groups, task_seconds)
    stream = _stream_bytes(shared_cache_bytes)
    kind = replace(
        before.leading,
        cores=cores,
        rates=tuple(
            _crowding(found) / max(core[name].value, LEAST)
            for name in ("dot32", "dot16", "dot8", "vector", "function")
        ),
        overheads=tuple(
            core[name].value / _crowding(found) for name in ("operand", "product", "fold", "pass")
        ),
        task_seconds=task_seconds,
        cache_bandwidth=1.0 / core["cache_bandwidth"].value,
        bandwidth=stream / found["memory, one core"].least,
    )
    machine = replace(
        before,
        kinds=(kind,),
        bandwidth=stream / min(found["memory"].least, found["memory, one core"].least),
        launch_seconds=found["launch"].least,
        store_traffic=_store_traffic(found),
    )
    how = {source.field: source.source for source in before.sources}
    how |= {f"core.{name}": _said(constant) for name, constant in core.items()}
    how["core.task_seconds"] = f"{_seen(found['starts'])}, a copy of a line included"
    how["store_traffic"] = f"{_seen(found['stores'])}: a copy against a pass that reads"
    how |= {"core.bandwidth": _seen(found["memory, one core"]), "bandwidth": _seen(found["memory"])}
    how["launch_seconds"] = f"{_seen(found['launch'])}, the call from Python included"
    if shared_cache_bytes:
        machine = _with_shared_cache(machine, found, shared_cache_bytes, how)
    if cores > 1:
        machine = _with_several_cores(machine, found, how)
    shown = figures(machine)
    return sourced(machine, {name: how[name] for name in shown})


def _crowding(found: Mapping[str, Reading]) -> float:
    """What the probes, which all cores ran at once, are slower by than one core alone."""
    return max(1.0, found["crowd"].seconds) if "crowd" in found else 1.0


def _store_traffic(found: Mapping[str, Reading]) -> float:
    """Of a copy, which reads half of the bytes that it is for: what the other half takes against reading."""
    reading = min(found["memory"].least, found["memory, one core"].least)
    return max(1.0, 2.0 * found["stores"].least / reading - 1.0)


def _core(groups: Mapping[str, Sequence[Sample]], task_seconds: float) -> dict[str, Constant]:
    """The constants of one core by figure: seconds per unit.

    Copies tell what a byte takes in the cache; what other tasks take beyond that and their start is work.
    """
    copies = groups["cache"]
    byte = fit.per_unit(copies, [c.bytes for c in copies], [c.seconds - task_seconds for c in copies])

    def work(samples: Sequence[Sample], *known: tuple[WorkClass, Constant]) -> list[float]:
        """The seconds of samples for work, without that whose constants are known."""
        return [
            sample.seconds - task_seconds - sample.bytes * byte.value
            - sum(float(sample.work[which]) * constant.value for which, constant in known)
            for sample in samples
        ]  # fmt: skip

    maps = [*groups["vector"], *groups["fold"]]
    classes = (WorkClass.VECTOR, WorkClass.FUNCTION, WorkClass.FOLD, WorkClass.PASS)
    vector, function, fold, pass_ = fit.together(maps, classes, work(maps))
    passing = (WorkClass.PASS, pass_)
    dots = groups["product"]
    parts = (WorkClass.DOT32, WorkClass.OPERAND, WorkClass.PRODUCT)
    dot, operand, product = fit.together(dots, parts, work(dots, passing))
    others = (passing, (WorkClass.OPERAND, operand), (WorkClass.PRODUCT, product))
    found = {
        "cache_bandwidth": byte, "vector": vector, "function": function, "fold": fold, "pass": pass_,
        "dot32": dot, "operand": operand, "product": product,
    }  # fmt: skip
    for name, which in (("dot16", WorkClass.DOT16), ("dot8", WorkClass.DOT8)):
        amounts = [float(sample.work[which]) for sample in groups[name]]
        found[name] = fit.per_unit(groups[name], amounts, work(groups[name], *others))
    return found


def _with_shared_cache(
    machine: Machine, found: Mapping[str, Reading], size: int, how: dict[str, str]
) -> Machine:
    """How fast it is, and how much of it this computer really has: others may use it, too."""
    bandwidth = size // 4 / found["shared cache"].least
    passes = together.footprints(size)
    each = [found[f"pass over {footprint}"] for footprint in passes]
    seconds = [reading.least / footprint for reading, footprint in zip(each, passes, strict=True)]
    there = fit.cache_bytes(passes, seconds, 1.0 / bandwidth, 1.0 / machine.bandwidth)
    how["shared_cache_bandwidth"] = _seen(found["shared cache"])
    how["shared_cache_bytes"] = f"measured by passes over {passes[0] >> 20} to {passes[-1] >> 20} MiB"
    return replace(machine, shared_cache_bytes=int(there), shared_cache_bandwidth=bandwidth)


def _with_several_cores(machine: Machine, found: Mapping[str, Reading], how: dict[str, str]) -> Machine:
    """What passes between cores, and what tickets cost and win."""
    kind, counter = machine.leading, machine.counter
    line, block = found["handover of a line"], found["handover of a block"]
    latency = max(line.least - kind.task_seconds, 1e-9)
    signal = latency * counter.signal_seconds / machine.latency
    size = 4 * together.BLOCK
    moving = max(block.least - line.least - size / kind.cache_bandwidth, 1e-9)
    ticket = found["tickets"].least * machine.cores / together.TICKETS - kind.task_seconds
    jitter = found["dealt out"].seconds / found["drained"].seconds - 1.0
    how["counter.signal_seconds"] = f"{_seen(line)}; its share of a hand-over as in the preset"
    how["counter.wait_seconds"] = how["counter.signal_seconds"]
    how["handover_bandwidth"] = _seen(block)
    how["crowding"] = f"{_seen(found['crowd'])}: products on all cores against one"
    how["ticket_seconds"] = _seen(found["tickets"])
    how["jitter"] = f"{_seen(found['dealt out'])}: equal tasks, dealt out against drained"
    return replace(
        machine,
        primitives=(replace(counter, signal_seconds=signal, wait_seconds=latency - signal),),
        handover_bandwidth=size / moving,
        ticket_seconds=max(ticket, 1e-9),
        jitter=max(jitter, 0.0),
        crowding=_crowding(found),
    )


def _said(constant: Constant) -> str:
    return f"measured, spread {constant.spread:.0%}, residual {constant.residual:.0%}"


def _seen(reading: Reading) -> str:
    return f"measured, spread {reading.spread:.0%}"

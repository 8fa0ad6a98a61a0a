"""The manifest of a saved kernel: everything but its bytes, as JSON.

In:  a `Manifest`. Out: its text, and the same `Manifest` back from the text.
Not here: the file around it (`saved.py`). Spans are listed once; notes and parameters number them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpmd.codegen.source import ArgumentInfo, FirstExtent, LaunchInfo, ScalarInfo, StepNote
from mpmd.errors import Span
from mpmd.lang.types import DTYPES, Direction
from mpmd.runtime.cpu import Cpu
from mpmd.schedule.check import Certificate


@dataclass(frozen=True, slots=True)
class Manifest:
    """`hashes` has the SHA-256 of each member by name; `abi` is that of the kernel and the pool."""

    target: str
    abi: int
    entry: str
    cpu: Cpu
    hashes: tuple[tuple[str, str], ...]
    certificate: Certificate
    launch: LaunchInfo


def encode(manifest: Manifest) -> str:
    """The same text for the same manifest, on every run."""
    spans: dict[Span, int] = {}
    document = {
        "target": manifest.target,
        "abi": manifest.abi,
        "entry": manifest.entry,
        "cpu": dataclasses.asdict(manifest.cpu),
        "sha256": dict(manifest.hashes),
        "certificate": dataclasses.asdict(manifest.certificate),
        "launch": _launch(manifest.launch, spans),
        "spans": [dataclasses.astuple(span) for span in spans],
    }
    return json.dumps(document, indent=1)


def decode(text: str) -> Manifest:
    """Raises ValueError, TypeError, KeyError or IndexError where `text` is no manifest."""
    document = json.loads(text)
    cpu = document["cpu"]
    return Manifest(
        target=document["target"],
        abi=document["abi"],
        entry=document["entry"],
        cpu=Cpu(cpu["architecture"], cpu["model"], tuple(cpu["features"])),
        hashes=tuple(document["sha256"].items()),
        certificate=_certificate_from(document["certificate"]),
        launch=_launch_from(document["launch"], [Span(*span) for span in document["spans"]]),
    )


def _certificate_from(document: dict[str, Any]) -> Certificate:
    return Certificate(**{**document, "laws": tuple(document["laws"])})


def _launch(info: LaunchInfo, spans: dict[Span, int]) -> dict[str, Any]:
    return {
        "kernel": info.kernel,
        "order": info.order,
        "arguments": [_argument(argument, spans) for argument in info.arguments],
        "scalars": [_scalar(scalar, spans) for scalar in info.scalars],
        "cores": info.cores,
        "arena_bytes": info.arena_bytes,
        "scratch_bytes": info.scratch_bytes,
        "guards": _notes(info.guards, spans),
        "steps": _notes(info.steps, spans),
        "checks": _notes(info.checks, spans),
    }


def _launch_from(document: dict[str, Any], spans: Sequence[Span]) -> LaunchInfo:
    return LaunchInfo(
        kernel=document["kernel"],
        order=tuple(document["order"]),
        arguments=tuple(_argument_from(argument, spans) for argument in document["arguments"]),
        scalars=tuple(_scalar_from(row, spans) for row in document["scalars"]),
        cores=document["cores"],
        arena_bytes=document["arena_bytes"],
        scratch_bytes=document["scratch_bytes"],
        guards=_notes_from(document["guards"], spans),
        steps=_notes_from(document["steps"], spans),
        checks=_notes_from(document["checks"], spans),
    )


def _argument(info: ArgumentInfo, spans: dict[Span, int]) -> dict[str, Any]:
    return {
        "name": info.name,
        "dtype": info.dtype.name,
        "shape": info.shape,
        "strides": info.strides,
        "direction": info.direction.value,
        "span": _number(info.span, spans),
        "first": None if info.first is None else dataclasses.astuple(info.first),
    }


def _argument_from(document: dict[str, Any], spans: Sequence[Span]) -> ArgumentInfo:
    return ArgumentInfo(
        document["name"],
        DTYPES[document["dtype"]],
        tuple(document["shape"]),
        tuple(document["strides"]),
        Direction(document["direction"]),
        spans[document["span"]],
        None if document["first"] is None else FirstExtent(*document["first"]),
    )


def _scalar(info: ScalarInfo, spans: dict[Span, int]) -> list[Any]:
    return [info.name, info.dtype.name, _number(info.span, spans), info.most]


def _scalar_from(row: Sequence[Any], spans: Sequence[Span]) -> ScalarInfo:
    name, dtype, span, most = row
    return ScalarInfo(name, DTYPES[dtype], spans[span], most)


def _notes(notes: Sequence[StepNote], spans: dict[Span, int]) -> list[tuple[str, int]]:
    return [(note.text, _number(note.span, spans)) for note in notes]


def _notes_from(document: Sequence[tuple[str, int]], spans: Sequence[Span]) -> tuple[StepNote, ...]:
    return tuple(StepNote(text, spans[span]) for text, span in document)


def _number(span: Span, spans: dict[Span, int]) -> int:
    return spans.setdefault(span, len(spans))

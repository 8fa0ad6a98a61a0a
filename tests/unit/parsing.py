"""What the tests of the task parser share: tasks from text, their bodies as text, refusals as text."""

from __future__ import annotations

import itertools
import linecache
import re
import textwrap
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd.errors import Diagnostic
from mpmd.lang.evaluate_task import run_task
from mpmd.lang.text.printer import print_task
from mpmd.lang.tile import TaskDef

_COUNT = itertools.count()


def task(signature: str, lines: str) -> str:
    """The source of a task of these lines."""
    return f"@mpmd.task\ndef f({signature}):\n" + textwrap.indent(textwrap.dedent(lines).strip("\n"), "    ")


def parse(source: str, **outer: Any) -> TaskDef:
    """The one task that the text defines, with the names of `mpmd` and dims A … Z around it."""
    return _run(source, outer, f"task{next(_COUNT)}.py")


def _run(source: str, outer: dict[str, Any], file: str) -> TaskDef:
    text = textwrap.dedent(source).lstrip("\n")
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"mpmd": mpmd, **{n: getattr(mpmd, n) for n in _EXPORTED}}
    names |= dict(zip(_DIMS, mpmd.dims(" ".join(_DIMS)), strict=True))
    names |= outer
    exec(compile(text, file, "exec", dont_inherit=True), names)
    (found,) = [value for value in names.values() if isinstance(value, mpmd.Task)]
    return found.definition


_EXPORTED = ("In", "Out", "InOut", "Accum", "Const", "Send", "Recv")
_EXPORTED += ("f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u8", "bool_")
_DIMS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def body(source: str, **outer: Any) -> str:
    """The tile IR of the task, without spans and without its signature."""
    text = re.sub(r" @[-:\d]+", "", print_task(parse(source, **outer)))
    inside = text[text.index(") {\n") + len(") {\n") : text.rindex("}")]
    return textwrap.dedent(inside).rstrip("\n")


def same(text: str, expected: str) -> None:
    assert text == textwrap.dedent(expected).strip("\n")


def refusal(source: str, kind: type[Diagnostic], **outer: Any) -> str:
    """The rendered diagnostic of a task that the parser refuses."""
    with pytest.raises(kind) as caught:
        _run(source, outer, "t.py")
    return str(caught.value)


def refuses(source: str, kind: type[Diagnostic], expected: str, **outer: Any) -> None:
    assert refusal(source, kind, **outer) == textwrap.dedent(expected).strip("\n")


def run(task: TaskDef, *arguments: Any) -> None:
    """Runs the task by the evaluator on NumPy arrays and numbers, in the order of its parameters."""
    named = dict(zip((p.name for p in task.params), arguments, strict=True))
    tensors = {p.name: named[p.name] for p in task.tensors}
    dims: dict[str, int] = {}
    for param in task.tensors:
        for extent, size in zip(param.shape, np.shape(named[param.name]), strict=True):
            if str(extent) in task.dims:
                dims[str(extent)] = size
    run_task(task, tensors, {p.name: named[p.name] for p in task.scalars}, dims)

"""Functions of floats, each as instructions of a vector core.

In:  tiles of f32. Out: a tile of f32. Not here: 16-bit floats, which the caller widens and rounds.

Exp, Ln, Sqrt and Div are the core's own. Nothing is less exact than single precision asks for: 1 / √x is a
quotient, since the core's Rsqrt and Reciprocal are approximations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.scalars import each
from mpmd.codegen.ascend.values import Placed
from mpmd.errors import Span
from mpmd.lang.types import f32

Function = Callable[[Build, tuple[Placed, ...], Span], Placed]


def _own(name: str, extra: str = "") -> Function:
    """One call of the header library."""

    def made(build: Build, args: tuple[Placed, ...], span: Span) -> Placed:
        return build.made(name, args[0].type, args, span, extra)

    return made


def _worked(name: str, scratch: int, extra: str = "") -> Function:
    """One call of the header library, with tiles to work in."""

    def made(build: Build, args: tuple[Placed, ...], span: Span) -> Placed:
        return build.made(name, args[0].type, args, span, extra, scratch)

    return made


def _over_one(build: Build, a: Placed, span: Span) -> Placed:
    """1 / a, as precise as a quotient."""
    return build.made("div", a.type, (build.filled("1.0f", a.type, span), a), span)


def _rsqrt(build: Build, args: tuple[Placed, ...], span: Span) -> Placed:
    return _over_one(build, build.made("sqrt", args[0].type, args, span), span)


def _sigmoid(build: Build, args: tuple[Placed, ...], span: Span) -> Placed:
    (a,) = args
    power = build.made("exp", a.type, (build.made("muls", a.type, (a,), span, ", -1.0f"),), span)
    return _over_one(build, build.made("adds", a.type, (power,), span, ", 1.0f"), span)


def _tanh(build: Build, args: tuple[Placed, ...], span: Span) -> Placed:
    """2·sigmoid(2a) − 1."""
    (a,) = args
    half = _sigmoid(build, (build.made("muls", a.type, (a,), span, ", 2.0f"),), span)
    doubled = build.made("muls", a.type, (half,), span, ", 2.0f")
    return build.made("adds", a.type, (doubled,), span, ", -1.0f")


def _whole(mode: str) -> Function:
    return _own("cast", f", AscendC::RoundMode::CAST_{mode}")


def _left(name: str) -> Function:
    """Left to the scalar unit."""

    def made(build: Build, args: tuple[Placed, ...], span: Span) -> Placed:
        out = build.new(args[0].type, name, span)
        return each(build, out, args, f32, lambda x: f"mpmd::scalar::{name}<float>({', '.join(x)})", span)

    return made


FUNCTIONS: Mapping[str, Function] = {
    "exp": _own("exp"),
    "log": _own("log"),
    "abs": _own("abs"),
    "sqrt": _own("sqrt"),
    "neg": _own("muls", ", -1.0f"),
    "rsqrt": _rsqrt,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "floor": _whole("FLOOR"),
    "ceil": _whole("CEIL"),
    "round": _whole("RINT"),
    "sin": _worked("sine", 5, ", 0"),
    "cos": _worked("sine", 5, ", 1"),
    "erf": _worked("erf", 4),
    "pow": _worked("power", 4),
    "floordiv": _left("floordiv"),
    "mod": _left("mod"),
}

"""The command line: `mpmd COMMAND …`, the same as `python -m mpmd COMMAND …`.

In:  arguments. Out: text or JSON on standard output, and an exit status: that of the user's script; 1 when
something is missing or failed; 2 for a wrong command line.
Not here: what the commands do (`commands/`, loaded when they are called).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mpmd.errors import Diagnostic

app = typer.Typer(
    name="mpmd",
    help="Kernels made of tile tasks: run, watch, explain and tune what a script compiles.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_TAKES_SCRIPT = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}

Script = Annotated[Path, typer.Argument(help="A Python script; what follows it is given to it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; what the script prints goes to stderr.")]
On = Annotated[str | None, typer.Option("--machine", help="A machine by name: cpu, h100, h200, a2, a3, a5.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Chrome/Perfetto JSON of the timelines.")]


@app.command(context_settings=_TAKES_SCRIPT)
def run(
    context: typer.Context,
    script: Script,
    target: Annotated[str, typer.Option("--target", help="Where kernels run that do not say.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Run a script and list the kernels that it compiled."""
    from mpmd.commands.run import run

    _end(lambda: run(script, context.args, target=target, as_json=as_json))


@app.command(context_settings=_TAKES_SCRIPT)
def emit(
    context: typer.Context,
    script: Script,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write into.")],
    target: Annotated[str, typer.Option("--target", help="cpu, cuda or ascend.")] = "cpu",
    cores: Annotated[int | None, typer.Option("--cores", help="For so many cores.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Write the kernels of a script as text, tables, arguments and expected results."""
    from mpmd.commands.emit import emit

    _end(lambda: emit(script, context.args, target=target, cores=cores, output=output, as_json=as_json))


@app.command(context_settings=_TAKES_SCRIPT)
def simulate(
    context: typer.Context, script: Script, machine: On = None, output: Output = None, as_json: Json = False
) -> None:
    """Play the launches of a script's kernels against the figures of a machine."""
    from mpmd.commands.simulate import simulate

    _end(lambda: simulate(script, context.args, machine=machine, output=output, as_json=as_json))


@app.command(context_settings=_TAKES_SCRIPT)
def profile(context: typer.Context, script: Script, output: Output = None, as_json: Json = False) -> None:
    """Stamp every launch of a script: what each core did and when, beside what was predicted."""
    from mpmd.commands.profile import profile

    _end(lambda: profile(script, context.args, output=output, as_json=as_json))


@app.command(context_settings=_TAKES_SCRIPT)
def explain(
    context: typer.Context,
    script: Script,
    machine: On = None,
    measure: Annotated[bool, typer.Option("--measure", help="Run the variants, too, in turns.")] = False,
    as_json: Json = False,
) -> None:
    """Say what fusion, pruning, placement, reuse and prefetch each won or lost."""
    from mpmd.commands.explain import explain

    _end(lambda: explain(script, context.args, machine=machine, measure=measure, as_json=as_json))


@app.command()
def calibrate(
    keep: Annotated[bool, typer.Option(help="Keep the figures for later compilations.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this CPU by micro-benchmarks, which takes about half a minute."""
    from mpmd.commands.calibrate import calibrate

    _end(lambda: calibrate(keep=keep, as_json=as_json))


@app.command(context_settings=_TAKES_SCRIPT)
def tune(
    context: typer.Context,
    script: Script,
    trials: Annotated[int, typer.Option(help="How many choices to try for each kernel.", min=1)] = 24,
    as_json: Json = False,
) -> None:
    """Try other choices out for each kernel of a script, and keep the fastest for later runs."""
    from mpmd.commands.tune import tune

    _end(lambda: tune(script, context.args, trials=trials, as_json=as_json))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is there, what is missing, and the command that mends it."""
    from mpmd.commands.doctor import doctor

    _end(lambda: doctor(as_json=as_json))


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the compiled kernels that are kept on disk."""
    from mpmd.commands.cache import cache

    _end(lambda: cache(clear=clear, as_json=as_json))


def _end(command: Callable[[], int]) -> NoReturn:
    """Carries out a command and ends with its status; a `Diagnostic` is printed, and the status is 1."""
    try:
        status = command()
    except Diagnostic as error:
        print(error, file=sys.stderr)
        status = 1
    raise typer.Exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    try:
        app(None if arguments is None else list(arguments), prog_name="mpmd")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def entry() -> NoReturn:
    """The program `mpmd`."""
    sys.exit(main())

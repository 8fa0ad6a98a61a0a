"""The command line: `mpmd COMMAND …`, the same as `python -m mpmd COMMAND …`.

In:  arguments. Out: text or JSON on standard output, and an exit status, as `docs/cli.md` says.
Not here: what the commands do (`commands/`, loaded when they are called), the options that they share
(`commands/options.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from mpmd.commands.options import (
    SCRIPT_LAST,
    Emits,
    Folder,
    For,
    Json,
    On,
    PlainJson,
    Runs,
    Script,
    Timelines,
    View,
)
from mpmd.errors import Diagnostic

WRONG = 2
"""The status of a wrong command line."""

INTERRUPTED = 130
"""The status of what Ctrl-C ended, as shells have it."""


def _examples(*lines: str) -> str:
    """The end of a help text; the first character keeps the lines apart."""
    return "\n".join(["\b", "Examples:", *(f"  mpmd {line}" for line in lines)])


_STATUSES = """\b
Exit status: 0, or the script's own; 1 when something is refused, missing or
failed, with the reason on standard error; 2 for a wrong command line; 130 for
Ctrl-C. `mpmd COMMAND --help` has examples, docs/cli.md the whole story."""

app = typer.Typer(
    name="mpmd",
    epilog=_STATUSES,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"mpmd {version('mpmd')}")
        raise typer.Exit(0)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Kernels made of tile tasks: run, check, watch, explain and tune what a script compiles."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(WRONG)


class What(StrEnum):
    """What a picture is of."""

    graph = "graph"
    schedule = "schedule"


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples("run train.py", "run --json train.py --epochs 3", "run --target cuda-sim train.py"),
)
def run(context: typer.Context, script: Script, target: Runs = "cpu", as_json: Json = False) -> None:
    """Run a script and list the kernels that it compiled."""
    from mpmd.commands.run import run

    _end(lambda: run(script, context.args, target=target, as_json=as_json))


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples("check train.py", "check --target ascend train.py", "check --json train.py"),
)
def check(
    context: typer.Context, script: Script, target: Emits = "cpu", machine: On = None, as_json: Json = False
) -> None:
    """Compile every kernel that a script calls, launch none, and say what is proved or refused."""
    from mpmd.commands.check import check

    _end(lambda: check(script, context.args, target=target, machine=machine, as_json=as_json))


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples("emit --target ascend -o project train.py", "emit --cores 4 -o text train.py"),
)
def emit(
    context: typer.Context,
    script: Script,
    output: Folder,
    target: Emits = "cpu",
    cores: Annotated[int | None, typer.Option("--cores", help="For so many cores.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Write the kernels of a script as text, tables, arguments and expected results."""
    from mpmd.commands.emit import emit

    _end(lambda: emit(script, context.args, target=target, cores=cores, output=output, as_json=as_json))


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples(
        "view -o timeline.html --measure train.py",
        "view -o graph.svg --kernel mlp --expand linear train.py",
        "view --open train.py",
    ),
)
def view(
    context: typer.Context,
    script: Script,
    output: View = None,
    target: For = None,
    machine: On = None,
    measure: Annotated[bool, typer.Option("--measure", help="Show measured launches, too.")] = False,
    what: Annotated[
        What | None, typer.Option("--what", help="What an .svg or .dot shows. Default: graph.")
    ] = None,
    expand: Annotated[
        list[str] | None, typer.Option("--expand", metavar="TASK", help="Show each call of this task.")
    ] = None,
    kernel: Annotated[
        str | None, typer.Option("--kernel", metavar="NAME|N", help="This kernel alone; N counts from 0.")
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the file in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Draw the kernels of a script: timelines, the graph of tasks, the schedule."""
    from mpmd.commands.view import Picture, view

    default = ".html" if what is None else ".svg"
    suffix = default if output is None else output.suffix
    picture = Picture(suffix, what, tuple(expand or ()), kernel, target, machine, measure)
    if (problem := picture.problem()) is not None:
        raise typer.BadParameter(problem)
    _end(lambda: view(script, context.args, picture, output=output, opened=opened, as_json=as_json))


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples("profile train.py", "profile -o timeline.html train.py", "profile --json train.py"),
)
def profile(
    context: typer.Context,
    script: Script,
    target: Runs = "cpu",
    machine: On = None,
    output: Timelines = None,
    as_json: Json = False,
) -> None:
    """Stamp every launch of a script: what each core did and when, what it waited for and why."""
    from mpmd.commands.profile import profile

    _end(
        lambda: profile(script, context.args, target=target, machine=machine, output=output, as_json=as_json)
    )


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples("simulate train.py", "simulate --machine h100 -o h100.json train.py"),
)
def simulate(
    context: typer.Context,
    script: Script,
    target: For = None,
    machine: On = None,
    output: Timelines = None,
    as_json: Json = False,
) -> None:
    """Play the launches of a script's kernels against the figures of a machine."""
    from mpmd.commands.simulate import simulate

    _end(
        lambda: simulate(script, context.args, target=target, machine=machine, output=output, as_json=as_json)
    )


@app.command(
    context_settings=SCRIPT_LAST,
    epilog=_examples("explain train.py", "explain --measure train.py", "explain --machine h200 train.py"),
)
def explain(
    context: typer.Context,
    script: Script,
    target: For = None,
    machine: On = None,
    measure: Annotated[bool, typer.Option("--measure", help="Run the variants, too, in turns.")] = False,
    as_json: Json = False,
) -> None:
    """Say what fusion, pruning, placement, reuse and prefetch each won or lost."""
    from mpmd.commands.explain import explain

    _end(
        lambda: explain(
            script, context.args, target=target, machine=machine, measure=measure, as_json=as_json
        )
    )


@app.command(epilog=_examples("calibrate", "calibrate --no-keep --json"))
def calibrate(
    keep: Annotated[bool, typer.Option(help="Keep the figures for later compilations.")] = True,
    as_json: PlainJson = False,
) -> None:
    """Measure this CPU by micro-benchmarks, which takes about half a minute."""
    from mpmd.commands.calibrate import calibrate

    _end(lambda: calibrate(keep=keep, as_json=as_json))


@app.command(context_settings=SCRIPT_LAST, epilog=_examples("tune train.py", "tune --trials 8 train.py"))
def tune(
    context: typer.Context,
    script: Script,
    trials: Annotated[int, typer.Option(help="How many choices to try for each kernel.", min=1)] = 24,
    as_json: Json = False,
) -> None:
    """Try other choices out for each kernel of a script, and keep the fastest for later runs."""
    from mpmd.commands.tune import tune

    _end(lambda: tune(script, context.args, trials=trials, as_json=as_json))


@app.command(epilog=_examples("doctor", "doctor --json"))
def doctor(as_json: PlainJson = False) -> None:
    """Say what is there, what is missing, and the command that mends it."""
    from mpmd.commands.doctor import doctor

    _end(lambda: doctor(as_json=as_json))


@app.command(epilog=_examples("cache", "cache --clear"))
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False, as_json: PlainJson = False
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
    except KeyboardInterrupt:
        status = INTERRUPTED
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

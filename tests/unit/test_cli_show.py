"""Tables are as wide as a terminal is; for pipes no line is wrapped; colours and bars are for terminals."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest

from mpmd.commands.show import Table, bars, each, show

LONG = "a value that is longer than the terminal is wide"
TABLE = Table(("name", "size", "why"), [("first", "1", LONG), ("second [b]", "20", "")], left=("why",))
PLAIN = f"name        size  why\nfirst          1  {LONG}\nsecond [b]    20"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """That of a terminal with 40 columns."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """What is printed inside."""
    stream = Terminal()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield stream


def test_a_pipe_gets_plain_lines_that_are_never_wrapped(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show(["text", TABLE], {}, as_json=False)
    assert capsys.readouterr().out == f"text\n\n{PLAIN}\n"


def test_a_terminal_gets_tables_that_fit(environment) -> None:
    environment.setenv("NO_COLOR", "1")
    with terminal() as printed:
        show([TABLE], {}, as_json=False)
    _, *rows = (line.rstrip() for line in printed.getvalue().splitlines())  # the head may be bold
    assert "\x1b[3" not in printed.getvalue() and len(rows) > 2
    assert max(map(len, rows)) <= 40 and "second [b]    20" in rows


def test_colours_are_left_to_the_terminal(environment) -> None:
    with terminal() as printed:
        show([TABLE], {}, as_json=False)
    assert "\x1b[" in printed.getvalue()


def test_json_is_as_it_is_on_a_terminal(environment) -> None:
    with terminal() as printed:
        show([TABLE], {"µs": 1.5}, as_json=True)
    assert printed.getvalue() == '{\n  "µs": 1.5\n}\n'


def test_bars_are_for_terminals(environment) -> None:
    with terminal() as printed:
        assert list(each([1, 2], "counting")) == [1, 2]
        with bars() as progress:
            progress.update(progress.add_task("measuring", total=2), completed=2)
    assert "counting" in printed.getvalue() and "measuring" in printed.getvalue()


def test_a_pipe_gets_no_bars(capsys) -> None:
    assert list(each([1, 2], "counting")) == [1, 2]
    with bars() as progress:
        progress.add_task("measuring", total=2)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")

"""Tuning: what is tried is logged, the best is kept and taken, nothing of the caller's is changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, f32, tuned, tuning
from mpmd.errors import ArgumentError
from mpmd.pipeline import compile_specs, specs_of
from mpmd.search import AS_WRITTEN, Choice, search
from mpmd.watch import watching

(N,) = mpmd.dims("N")


@mpmd.task
def grow(x: In[f32, N], y: InOut[f32, N]):
    y[:] = y[:] + x[:]


@mpmd.kernel
def growing(x: In[f32, N], y: InOut[f32, N]):
    for i in mpmd.tiles(N):
        grow(x[i], y[i])


X, Y = np.ones(4096, np.float32), np.zeros(4096, np.float32)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(tuned.VARIABLE, str(tmp_path / "tuned"))
    return tmp_path / "tuned"


@pytest.fixture
def half(monkeypatch):
    """A machine on which a tile of 64 takes half of the time of any other."""

    def batch(self, compiled, launches: int) -> float:
        compiled(*self._arguments)
        return 0.5 if dict(compiled.graph.tiles).get("i") == 64 else 1.0

    monkeypatch.setattr(tuning._Trying, "_batch", batch)
    monkeypatch.setattr(tuning, "choices", lambda program, machine, base: [Choice(tiles=(("i", 64),))])


def tune(**options) -> tuning.Tuning:
    given = {"x": X, "y": Y}
    return tuning.tune(growing, specs_of(growing, given), (X, Y), dynamic={}, **options)


def test_the_fastest_choice_is_kept_and_taken_by_later_compilations(root, half):
    told = []
    result = tune(progress=lambda done, most, text: told.append((done, most, text)))
    assert result.best.choice == Choice(tiles=(("i", 64),)) and result.ratio == 0.5
    assert told[0] == (1, tuning.TRIALS, "0.500 of the time: i=64")
    assert (Y == 0).all(), "the caller's arrays stay as they are"
    assert mpmd.compile(growing, X, Y).choice == Choice(tiles=(("i", 64),))
    assert json.loads(result.path.read_text())["kernel"] == "growing"


def test_what_is_fixed_wins_over_what_was_tuned(root, half):
    tune()
    assert mpmd.compile(growing, X, Y, choice=None).choice == AS_WRITTEN
    assert mpmd.compile(growing, X, Y, tiles={"i": 128}).choice.tiles == (("i", 128),)


def test_another_shape_is_not_concerned(root, half):
    tune()
    x, y = X[:2048], Y[:2048].copy()
    assert dict(mpmd.compile(growing, x, y).choice.tiles) == {}


def test_one_switch_turns_it_off(root, half, monkeypatch):
    tune()
    monkeypatch.setenv(tuned.VARIABLE, "off")
    assert dict(mpmd.compile(growing, X, Y).choice.tiles) == {}
    with pytest.raises(ArgumentError) as caught:
        tune()
    assert caught.value.message == "tuning is switched off"
    assert caught.value.hints == ("unset MPMD_TUNED, or make it a folder",)


def test_a_tuning_goes_on_where_it_was_interrupted(root, half, monkeypatch):
    def interrupted(done: int, most: int, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(progress=interrupted)
    tried = []
    measured = tuning._Trying._measured
    monkeypatch.setattr(
        tuning._Trying, "_measured", lambda self, choice, p: tried.append(choice) or measured(self, choice, p)
    )
    assert tune().best.choice == Choice(tiles=(("i", 64),))
    assert Choice(tiles=(("i", 64),)) not in tried


def test_the_best_of_many_noisy_figures_is_measured_again(root, half, monkeypatch):
    def unlucky(self, trial):
        return tuning.Trial(trial.choice, trial.predicted, (1.0,), (1.0,))

    monkeypatch.setattr(tuning._Trying, "again", unlucky)
    program = compile_specs(growing, specs_of(growing, {"x": X, "y": Y}), choice=None)
    result = tune()
    assert result.best.choice == result.plain == search(program.program, program.schedule.machine)


def test_a_choice_that_does_not_run_is_logged_with_its_reason(root, monkeypatch):
    bad = Choice(tiles=(("j", 64),))
    monkeypatch.setattr(tuning, "choices", lambda program, machine, base: [bad])
    monkeypatch.setattr(tuning._Subject, "predicted", lambda self, choice: 1.0)
    result = tune()
    (trial,) = [t for t in result.trials if t.choice == bad]
    assert trial.error == "tiles: kernel 'growing' has no tile loop 'j'"
    (log,) = root.glob("*.jsonl")
    assert trial.error in log.read_text()


def test_a_broken_file_is_passed_over(root, half, caplog):
    path = tune().path
    path.write_text("{")
    assert dict(mpmd.compile(growing, X, Y).choice.tiles) == {}
    assert f"{path} is passed over" in caplog.text
    (log,) = root.glob("*.jsonl")
    with log.open("a") as file:
        file.write('{"format": 1, "choi')
    assert tune().best.choice == Choice(tiles=(("i", 64),))


def test_watchers_get_what_a_kernel_was_called_with(root):
    with watching() as seen:
        mpmd.compile(growing, X, Y)
    assert seen[0].arguments[0] is X and seen[0].arguments[1] is Y

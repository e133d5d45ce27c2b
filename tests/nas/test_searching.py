"""The search: budget, failures, kill and resume, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kcv import nas

SPACE = nas.Space(widths=((4, 8), (8, 12)), depths=(1,), kernels=(3, 5), expansions=(2,))
WORDS = {"space": SPACE, "trials": 6}


def parameters(architecture, epochs):
    """Judge without a training: the fewer channels, the better."""
    return -float(sum(stage.width * stage.depth for stage in architecture.stages))


class Counting:
    """A judge that knows costs, and notes what it was asked to train."""

    def __init__(self):
        self.trained = []

    def __call__(self, architecture, epochs):
        self.trained.append(architecture)
        return parameters(architecture, epochs)

    def cost(self, architecture):
        width = sum(stage.width for stage in architecture.stages)
        return width, 100 * width


def without_seconds(trials):
    return [{**vars(trial), "seconds": 0} for trial in trials]


def test_a_search_leaves_history_table_and_picture(tmp_path, capsys):
    found = nas.search(parameters, **WORDS, out=tmp_path / "s")
    assert sorted(p.name for p in found.path.iterdir()) == ["front.svg", "search.json", "table.txt"]
    again = nas.Search.load(found.path)
    assert again.trials == found.trials
    assert again.settings["seed"] == 0
    assert "python" in again.settings["environment"]
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_each_candidate_is_in_the_file_before_the_next_one_is_judged(tmp_path):
    counts = []

    def watching(architecture, epochs):
        path = tmp_path / "s" / "search.json"
        counts.append(len(json.loads(path.read_text())["trials"]) if path.exists() else 0)
        return 1.0

    nas.search(watching, **WORDS, out=tmp_path / "s")
    assert counts == list(range(6))


def test_the_same_seed_finds_the_same(tmp_path):
    runs = [
        nas.search(parameters, **WORDS, seed=seed, out=tmp_path / str(number))
        for number, seed in enumerate((1, 1, 2))
    ]
    first, second, third = (without_seconds(run.trials) for run in runs)
    assert first == second
    assert first != third


def test_what_is_over_budget_is_never_trained(tmp_path):
    for budget in (nas.Budget(macs=1600), nas.Budget(parameters=16)):
        judge = Counting()
        out = tmp_path / str(budget.macs)
        found = nas.search(
            judge, SPACE, nas.Evolution(population=2), trials=20, budget=budget, out=out
        )
        assert len(judge.trained) == 20
        assert all(budget.allows(t.parameters, t.macs) for t in found.trials)
        assert all(budget.allows(*judge.cost(a)) for a in judge.trained)


def test_a_budget_that_nothing_meets_is_refused(tmp_path):
    judge = Counting()
    with pytest.raises(ValueError, match="No architecture of 300 drawn.*macs=10, parameters=None"):
        nas.search(judge, **WORDS, budget=nas.Budget(macs=10), out=tmp_path / "s")
    assert judge.trained == []
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("fault", [ValueError("bad luck"), float("nan"), float("inf")])
def test_one_candidate_that_fails_does_not_end_the_search(tmp_path, fault):
    calls = iter(range(6))

    def shaky(architecture, epochs):
        if next(calls) != 2:
            return parameters(architecture, epochs)
        if isinstance(fault, Exception):
            raise fault
        return fault

    found = nas.search(shaky, **WORDS, out=tmp_path / "s")
    assert [trial.score is None for trial in found.trials] == [i == 2 for i in range(6)]
    assert found.trials[2].error in ("ValueError: bad luck", f"The score is {fault}.")
    assert found.best.number != 2
    assert "failed" in found.table()
    assert nas.Search.load(found.path).trials == found.trials


def test_candidates_that_all_fail_end_the_search_with_the_reason(tmp_path):
    def broken(architecture, epochs):
        raise OSError("no such data")

    with pytest.raises(RuntimeError, match="5 candidates in a row have failed.*OSError: no such"):
        nas.search(broken, **WORDS, out=tmp_path / "s")
    found = nas.Search.load(tmp_path / "s")
    with pytest.raises(ValueError, match="needs one that has a score. Received: 5 candidates, all"):
        found.best  # noqa: B018


@pytest.fixture
def listening():
    """Let Ctrl-C arrive: a process in the background of a shell is told to be deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_ctrl_c_leaves_a_folder_that_goes_on_as_if_nothing_had_happened(tmp_path, caplog):
    straight = nas.search(parameters, SPACE, trials=8, out=tmp_path / "straight")
    calls = iter(range(8))

    def pressed(architecture, epochs):
        if next(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return parameters(architecture, epochs)

    pressed.__qualname__ = parameters.__qualname__
    with pytest.raises(KeyboardInterrupt):
        nas.search(pressed, SPACE, trials=8, out=tmp_path / "s")
    assert "Stopped after 3 candidates" in caplog.text
    assert len(nas.Search.load(tmp_path / "s").trials) == 3
    assert (tmp_path / "s" / "front.svg").exists()
    resumed = nas.search(parameters, SPACE, trials=8, out=tmp_path / "s", resume="auto")
    assert without_seconds(resumed.trials) == without_seconds(straight.trials)


KILLED = """
import sys
from kcv import nas
judge = nas.Training("digits", batch_size=128, augment="none", stem="medium", threads=1)
space = nas.Space(widths=((4, 8), (8, 12)), depths=(1,), kernels=(3,), expansions=(2,))
strategy = nas.Evolution(epochs=1, population=2, sample=2)
nas.search(judge, space, strategy, trials=5, out=out, resume="auto")
"""


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_bit_for_bit(tmp_path, capsys):
    """Real trainings, a process of its own, and a signal that nothing can catch."""
    code = f"out = {str(tmp_path / 'killed')!r}{KILLED}"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert lines[2].startswith("3/5")
    kept = nas.Search.load(tmp_path / "killed").trials
    assert len(kept) in (3, 4)
    exec(KILLED, {"out": tmp_path / "killed"})
    assert len(capsys.readouterr().out.splitlines()) == 5 - len(kept)
    exec(KILLED, {"out": tmp_path / "straight"})
    found, wanted = (nas.Search.load(tmp_path / n).trials for n in ("killed", "straight"))
    assert without_seconds(found) == without_seconds(wanted)
    assert any(trial.parents for trial in found)


def test_a_resumed_search_may_have_more_trials_and_nothing_else(tmp_path):
    out = tmp_path / "s"
    nas.search(parameters, SPACE, trials=2, out=out, resume="auto")
    assert len(nas.search(parameters, SPACE, trials=4, out=out, resume="auto").trials) == 4
    for changes in ({"seed": 3}, {"strategy": nas.RandomSearch(7)}, {"space": nas.Space()}):
        words = {"space": SPACE, "trials": 4, **changes}
        with pytest.raises(ValueError, match=f"keeps its settings: .* has {next(iter(changes))}="):
            nas.search(parameters, **words, out=out, resume="auto")


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    for resume in (None, "auto"):
        with pytest.raises(FileExistsError, match='not empty: .*or go on in it with resume="auto"'):
            nas.search(parameters, **WORDS, out=tmp_path, resume=resume)


def test_what_a_kill_left_of_the_first_history_is_in_nobodys_way(tmp_path):
    (tmp_path / f".{nas.history.FILE}.4711").write_text("{")
    assert len(nas.search(parameters, **WORDS, out=tmp_path, resume="auto").trials) > 1


def test_a_history_that_is_cut_is_refused_and_kept(tmp_path):
    (tmp_path / "search.json").write_text('{"trials": [')
    with pytest.raises(ValueError, match=r"The history .*search.json cannot be read: Expecting"):
        nas.search(parameters, **WORDS, out=tmp_path, resume="auto")
    assert (tmp_path / "search.json").read_text() == '{"trials": ['


def test_a_folder_without_a_search_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no search in .*: it has no search.json"):
        nas.Search.load(tmp_path)


def test_halving_ends_by_itself(tmp_path):
    found = nas.search(parameters, SPACE, nas.Halving(4, 1, 2), out=tmp_path / "s")
    assert [trial.epochs for trial in found.trials] == [1, 1, 1, 1, 2, 2, 4]
    assert found.epochs == 12


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"trials": 0}, "needs trials >= 1, or None. Received: trials=0"),
        ({}, "RandomSearch has no end of its own. Received: trials=None"),
        ({"trials": 2, "resume": "runs/a"}, "resume must be None or \"auto\".*resume='runs/a'"),
        ({"trials": 2, "budget": nas.Budget(macs=1)}, "A budget needs a judge that knows costs"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, words, says):
    with pytest.raises(ValueError, match=says):
        nas.search(parameters, SPACE, out=tmp_path / "s", **words)
    assert not (tmp_path / "s").exists()


def test_a_budget_needs_positive_limits():
    with pytest.raises(ValueError, match="A budget needs macs > 0, or None. Received: macs=-1"):
        nas.Budget(macs=-1)

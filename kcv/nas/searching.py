"""The search: propose, check the budget, judge, write down, until there is nothing left to do."""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kcv import seeding
from kcv.nas import history
from kcv.nas.architecture import Architecture
from kcv.nas.budget import Budget
from kcv.nas.history import Trial
from kcv.nas.results import Search
from kcv.nas.space import Space
from kcv.nas.strategies import TRIES, Draws, Proposal, RandomSearch, Strategy

log = logging.getLogger("kcv")

FAILURES = 5  # candidates in a row: the fault is then not theirs


def search(
    judge: Callable[[Architecture, int], float],
    space: Space | None = None,
    strategy: Strategy | None = None,
    *,
    trials: int | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: str | None = None,
) -> Search:
    """Search a space for the architecture that a judge likes best.

    After each candidate `search.json` in the folder is written anew. A candidate that fails, by an
    error or by a score that is no number, is noted and left behind. Ctrl-C leaves the history, a
    table and a picture of what there is.

    Args:
        judge: a `Training`, or any function of (architecture, epochs) to a score, higher is better.
        space: by default `Space()`.
        strategy: by default `RandomSearch()`.
        trials: candidates to judge, failed and resumed ones included; None until the strategy ends.
        budget: what a candidate may cost; needs a judge that has `cost`, as `Training` does.
        seed: of the strategy; that of the weights is the judge's.
        out: the folder; by default `runs/nas`, with a number behind it if that exists.
        resume: `"auto"` goes on in `out` if a search is there, and starts one otherwise. It must
            have the same settings; `trials` may grow.

    Returns:
        The search: `.best`, `.trials`, `.front`, `.table()`, `.figure()`, `.path`.

    Raises:
        ValueError: if a setting does not fit, or not that of the search to resume; if no candidate
            is within the budget.
        FileExistsError: if `out` exists and is not to be resumed.
        RuntimeError: if five candidates fail in a row.
        KeyboardInterrupt: after Ctrl-C, once the folder is complete.
    """
    space, strategy = space or Space(), strategy or RandomSearch()
    budget = budget or Budget()
    _check(judge, strategy, trials, budget, resume)
    settings = _settings(judge, space, strategy, budget, seed)
    folder, found = history.opened(out, resume, settings)
    done = Search(folder, found, settings)
    try:
        while trials is None or len(found) < trials:
            proposal = _next(judge, space, strategy, budget, seed, found)
            if proposal is None:
                break
            found.append(_judged(judge, proposal, len(found)))
            history.write(folder, settings, found)
            _show(found, trials)
            _stop_at_failures(found, folder)
    except KeyboardInterrupt:
        text = 'Stopped after %d candidates. Go on with search(..., out="%s", resume="auto")'
        log.warning(text, len(found), folder)
        raise
    finally:
        if found:
            done.write()
        elif not any(folder.iterdir()):
            folder.rmdir()  # a mistake leaves nothing behind
    return done


def _check(judge, strategy: Strategy, trials, budget: Budget, resume) -> None:
    if trials is not None and (not isinstance(trials, int) or trials < 1):
        raise ValueError(f"A search needs trials >= 1, or None. Received: trials={trials!r}.")
    if trials is None and strategy.endless:
        raise ValueError(
            f"{type(strategy).__name__} has no end of its own. "
            "Received: trials=None. Say how many candidates to judge."
        )
    if resume not in (None, "auto"):
        raise ValueError(
            f'resume must be None or "auto", and out the folder. Received: resume={resume!r}.'
        )
    if budget != Budget() and not hasattr(judge, "cost"):
        raise ValueError(
            "A budget needs a judge that knows costs: a Training, or one with a method "
            f"cost(architecture) -> (parameters, macs). Received: {judge!r}."
        )


def _settings(judge, space: Space, strategy: Strategy, budget: Budget, seed: int) -> dict[str, Any]:
    about = judge.about() if hasattr(judge, "about") else {"name": _name(judge)}
    return history.plain(
        {
            "space": space.to_dict(),
            "strategy": {"name": type(strategy).__name__, **vars(strategy)},
            "budget": asdict(budget),
            "seed": seed,
            "judge": about,
        }
    )


def _name(judge) -> str:
    return getattr(judge, "__qualname__", type(judge).__qualname__)


def _next(judge, space, strategy, budget: Budget, seed: int, found) -> Proposal | None:
    limited = budget != Budget()
    draws = Draws(
        space,
        np.random.default_rng(seeding.derive(seed, "nas", len(found))),
        (lambda a: budget.allows(*judge.cost(a))) if limited else (lambda a: True),
        {trial.architecture for trial in found},
    )
    proposal = strategy.propose(found, draws)
    if proposal is None and not found:
        raise ValueError(
            f"No architecture of {TRIES} drawn is within the budget. "
            f"Received: macs={budget.macs}, parameters={budget.parameters}. "
            "Raise it, or give the space smaller widths and depths."
        )
    return proposal


def _judged(judge, proposal: Proposal, number: int) -> Trial:
    """Judge a candidate; whatever goes wrong with it is an answer, and no end of the search."""
    architecture, epochs, parents = proposal
    started, score, error = time.perf_counter(), None, ""
    parameters = macs = None
    try:
        if hasattr(judge, "cost"):
            parameters, macs = judge.cost(architecture)
        score = float(judge(architecture, epochs))
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    if score is not None and not np.isfinite(score):
        score, error = None, f"The score is {score}."
    seconds = time.perf_counter() - started
    return Trial(
        number, architecture, epochs, score, parameters, macs, seconds, tuple(parents), error
    )


def _show(found: list[Trial], trials: int | None) -> None:
    """Write a line for the candidate: a search takes minutes, and people watch it."""
    trial, best = found[-1], max(found, key=lambda t: t.rank)
    score = trial.error if trial.score is None else f"{trial.score:.4f}"
    end = f"/{trials}" if trials else ""
    top = "" if best.score is None else f"  best {best.score:.4f} ({best.number + 1})"
    sys.stdout.write(
        f"{trial.number + 1}{end}  {score}{top}  {trial.seconds:.1f} s, {trial.epochs} epochs  "
        f"{trial.architecture}\n"
    )
    sys.stdout.flush()


def _stop_at_failures(found: list[Trial], folder: Path) -> None:
    last = found[-FAILURES:]
    if len(last) == FAILURES and all(trial.score is None for trial in last):
        raise RuntimeError(
            f"{FAILURES} candidates in a row have failed, the last one with: {last[-1].error} "
            f"The others are in {folder / history.FILE}."
        )

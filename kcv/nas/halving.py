"""Strategies that spend epochs unevenly: short for all, long for the few that look best."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

from kcv.nas.history import Trial
from kcv.nas.strategies import Draws, Proposal, check_least


@dataclass(frozen=True)
class Halving:
    """Successive halving: many for a short time, the best of them for longer, and so on.

    A candidate that goes on is trained anew for its longer time, because its learning rate falls
    over the whole of it.

    Attributes:
        candidates: of the first round.
        epochs: of the first round.
        factor: one in so many goes on, for so many times as long.
        longest: epochs that no round goes beyond; None for rounds until one candidate is left.

    Raises:
        ValueError: if a number is too small.

    Source: Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943.
    """

    endless: ClassVar[bool] = False
    candidates: int = 9
    epochs: int = 1
    factor: int = 3
    longest: int | None = None

    def __post_init__(self):
        numbers = {"candidates": (self.candidates, 1), "epochs": (self.epochs, 1)}
        check_least("Halving", **numbers, factor=(self.factor, 2))
        if self.longest is not None:
            check_least("Halving", longest=(self.longest, self.epochs))

    @property
    def rounds(self) -> list[tuple[int, int]]:
        """Return (candidates, epochs) of each round."""
        made, count, epochs = [], self.candidates, self.epochs
        while count and (self.longest is None or epochs <= self.longest):
            made.append((count, epochs))
            count, epochs = count // self.factor, epochs * self.factor
        return made

    def propose(self, trials: Sequence[Trial], draws: Draws) -> Proposal | None:
        """Return the next candidate, None after the last round."""
        return self.step(trials, draws)[0]

    def step(self, trials: Sequence[Trial], draws: Draws) -> tuple[Proposal | None, int]:
        """Return the next candidate, None if all rounds are over, and how many trials they took."""
        (count, epochs), *later = self.rounds
        past = list(takewhile(lambda trial: not trial.parents, trials))[:count]
        if len(past) == len(trials) < count:
            made = draws.new()
            if made is not None:
                return Proposal(made, epochs), len(trials)
        start = len(past)
        for count, epochs in later:
            finished = [trial for trial in past if trial.score is not None]
            going = sorted(finished, key=lambda trial: -trial.rank)[:count]
            past = list(trials[start : start + len(going)])
            if len(past) < len(going):
                chosen = going[len(past)]
                return Proposal(chosen.architecture, epochs, (chosen.number,)), len(trials)
            start += len(going)
        return None, start


@dataclass(frozen=True)
class Hyperband:
    """Successive halving several times, from many candidates for a short time to few for long.

    It hedges against a short training that misleads.

    Attributes:
        epochs: the longest training, a power of `factor` or a little more.
        factor: one in so many goes on, for so many times as long.

    Raises:
        ValueError: if a number is too small.

    Source: Li et al. 2018, https://arxiv.org/abs/1603.06560.
    """

    endless: ClassVar[bool] = False
    epochs: int = 9
    factor: int = 3

    def __post_init__(self):
        check_least("Hyperband", epochs=(self.epochs, 1), factor=(self.factor, 2))

    @property
    def brackets(self) -> list[Halving]:
        """Return the halvings in their order."""
        most = 0
        while self.factor ** (most + 1) <= self.epochs:
            most += 1
        return [
            Halving(
                -(-(most + 1) * self.factor**s // (s + 1)),
                self.epochs // self.factor**s,
                self.factor,
                self.epochs,
            )
            for s in range(most, -1, -1)
        ]

    def propose(self, trials: Sequence[Trial], draws: Draws) -> Proposal | None:
        """Return the next candidate, None after the last bracket."""
        for bracket in self.brackets:
            proposal, used = bracket.step(trials, draws)
            if proposal is not None:
                return proposal
            trials = trials[used:]
        return None

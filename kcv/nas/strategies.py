"""Strategies: from the trials so far to the next candidate.

Each is a pure function of the trials and a random generator. The history of a search is thereby
its whole state, and a search that was killed goes on as if it had not been.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from kcv.nas.architecture import Architecture
from kcv.nas.history import Trial
from kcv.nas.space import Space

TRIES = 300  # draws without a new architecture within the budget before a search gives up


class Proposal(NamedTuple):
    """The next candidate: an architecture, for how long to train it, and what it was made of."""

    architecture: Architecture
    epochs: int
    parents: tuple[int, ...] = ()


@dataclass
class Draws:
    """New points of a space: within the budget, and each once.

    Attributes:
        space: where they come from.
        rng: what decides.
        fits: whether an architecture is within the budget.
        seen: those that were judged already.
    """

    space: Space
    rng: np.random.Generator
    fits: Callable[[Architecture], bool]
    seen: set[Architecture] = field(default_factory=set)

    def new(self, make: Callable[[], Architecture] | None = None) -> Architecture | None:
        """Draw until a point is new and fits; None if none turns up.

        Args:
            make: draws a point, by default any of the space.
        """
        for _ in range(TRIES):
            if len(self.seen) >= self.space.size:
                return None
            made = make() if make else self.space.sample(self.rng)
            if made not in self.seen and self.fits(made):
                return made
        return None


class Strategy(Protocol):
    """What `search` wants: the next candidate, or None at the end.

    Attributes:
        endless: that it ends with the space only, and has to be told how many candidates to judge.
    """

    endless: ClassVar[bool]

    def propose(self, trials: Sequence[Trial], draws: Draws) -> Proposal | None: ...


def check_least(name: str, **least: tuple[float, float]) -> None:
    """Refuse numbers below their least value: `check_least("Halving", epochs=(0, 1))`."""
    for key, (value, low) in least.items():
        if value < low:
            raise ValueError(f"{name} needs {key} >= {low}. Received: {key}={value}.")


@dataclass(frozen=True)
class RandomSearch:
    """Draw every candidate at random: what every other strategy has to beat.

    Attributes:
        epochs: for which each is trained.

    Raises:
        ValueError: if a number is too small.

    Source: Li and Talwalkar 2019, https://arxiv.org/abs/1902.07638 (a strong baseline).
    """

    endless: ClassVar[bool] = True
    epochs: int = 3

    def __post_init__(self):
        check_least("RandomSearch", epochs=(self.epochs, 1))

    def propose(self, trials: Sequence[Trial], draws: Draws) -> Proposal | None:
        """Return a new candidate, None if there is none."""
        made = draws.new()
        return None if made is None else Proposal(made, self.epochs)


@dataclass(frozen=True)
class Evolution:
    """Regularised evolution: the best of a few gets a child, and the oldest dies, good or not.

    Ageing keeps a candidate that was lucky once from staying for ever. Here no architecture is
    judged twice, since the same training gives the same score.

    Attributes:
        epochs: for which each is trained.
        population: how many live; the first ones are drawn at random.
        sample: how many of them compete to be the parent, drawn with replacement.
        crossover: share of children that mix two parents before they mutate; 0 in the paper.

    Raises:
        ValueError: if a number is out of its range.

    Source: Real et al. 2019, https://arxiv.org/abs/1802.01548.
    """

    endless: ClassVar[bool] = True
    epochs: int = 3
    population: int = 10
    sample: int = 4
    crossover: float = 0.0

    def __post_init__(self):
        ranges = {"epochs": (self.epochs, 1), "population": (self.population, 2)}
        check_least("Evolution", **ranges, sample=(self.sample, 1), crossover=(self.crossover, 0))
        if self.crossover > 1:
            raise ValueError(f"Evolution needs crossover <= 1. Received: {self.crossover}.")

    def propose(self, trials: Sequence[Trial], draws: Draws) -> Proposal | None:
        """Return a new candidate, None if there is none."""
        alive = trials[-self.population :]
        if len(alive) < self.population or all(t.score is None for t in alive):
            return RandomSearch(self.epochs).propose(trials, draws)
        space, rng = draws.space, draws.rng
        parents = [self._winner(alive, rng)]
        if rng.random() < self.crossover:
            parents.append(self._winner(alive, rng))
        first, last = parents[0].architecture, parents[-1].architecture

        def child() -> Architecture:
            return space.mutate(space.cross(first, last, rng), rng)

        made = draws.new(child)
        if made is None:  # every neighbour has been judged
            return RandomSearch(self.epochs).propose(trials, draws)
        return Proposal(made, self.epochs, tuple(dict.fromkeys(t.number for t in parents)))

    def _winner(self, alive: Sequence[Trial], rng: np.random.Generator) -> Trial:
        sample = [alive[i] for i in rng.integers(len(alive), size=self.sample)]
        return max(sample, key=lambda trial: trial.rank)

"""Strategies on scores that cost nothing, so that many seeds can be tried."""

import numpy as np
import pytest

from kcv.nas import Evolution, Halving, Hyperband, RandomSearch, Space, Trial
from kcv.nas.strategies import Draws

SPACE = Space()
TARGET = SPACE.sample(np.random.default_rng(99))


def likeness(architecture, epochs=1):
    """Count the fields that are those of one architecture: a smooth hill with one top."""
    pairs = zip(architecture.stages, TARGET.stages, strict=True)
    return float(sum(a == b for stage, aim in pairs for a, b in zip(stage, aim, strict=True)))


def walk(strategy, count=None, seed=0, space=SPACE, score=likeness, fits=lambda a: True):
    """Return the trials of a search without its files."""
    trials = []
    while count is None or len(trials) < count:
        rng = np.random.default_rng([seed, len(trials)])
        draws = Draws(space, rng, fits, {t.architecture for t in trials})
        made = strategy.propose(trials, draws)
        if made is None:
            break
        trials.append(
            Trial(
                len(trials),
                made.architecture,
                made.epochs,
                score(made.architecture, made.epochs),
                parents=made.parents,
            )
        )
    return trials


def best(trials):
    return max(trial.rank for trial in trials)


def test_evolution_beats_random_search_in_expectation():
    """The means of 40 seeds lie 8 standard errors apart or more; 3 are asked for."""
    random = np.array([best(walk(RandomSearch(), 80, seed)) for seed in range(40)])
    evolved = np.array([best(walk(Evolution(), 80, seed)) for seed in range(40)])
    difference = evolved - random
    assert difference.mean() > 3 * difference.std() / np.sqrt(len(difference))
    assert difference.mean() > 0.5


def test_halving_beats_random_search_of_as_many_epochs_if_short_trainings_tell():
    def noisy(seed):
        rng = np.random.default_rng(seed)
        return lambda a, epochs: likeness(a) + rng.normal(0, 1.5) / epochs

    halving, spent = Halving(27, 1, 3), 27 + 9 * 3 + 3 * 9 + 27
    gains = []
    for seed in range(40):
        halved = walk(halving, seed=seed, score=noisy(seed))
        assert sum(t.epochs for t in halved) == spent
        random = walk(RandomSearch(27), spent // 27, seed, score=noisy(seed))
        gains.append(likeness(halved[-1].architecture) - best(random))
    assert np.mean(gains) > 3 * np.std(gains) / np.sqrt(len(gains))


def test_the_same_seed_walks_the_same_way():
    for strategy in (RandomSearch(), Evolution(crossover=0.5), Halving(9), Hyperband(4, 2)):
        first, second, third = (walk(strategy, 15, seed) for seed in (1, 1, 2))
        assert first == second
        assert first != third


def test_no_architecture_is_judged_twice_and_a_small_space_ends():
    small = Space(((8,),), (1, 2), kernels=(3,), expansions=(2,))
    for strategy in (RandomSearch(), Evolution(population=3, sample=2)):
        trials = walk(strategy, 100, space=small, score=lambda a, e: 0.0)
        assert {t.architecture for t in trials} == set(small)
        assert len(trials) == small.size


def test_the_child_is_of_the_best_of_the_living_and_the_oldest_die():
    trials = walk(Evolution(population=5, sample=50), 40)
    for trial in trials[5:]:
        alive = trials[trial.number - 5 : trial.number]
        (parent,) = trial.parents
        assert trials[parent] in alive
        assert trials[parent].score == best(alive)


def test_a_cross_has_two_parents_and_their_stages():
    trials = walk(Evolution(population=8, sample=1, crossover=1.0), 40)
    crossed = [t for t in trials if len(t.parents) == 2]
    assert len(crossed) > 10
    for trial in crossed:
        parents = [trials[number].architecture for number in trial.parents]
        columns = zip(trial.architecture.stages, *(p.stages for p in parents), strict=True)
        assert sum(own not in theirs for own, *theirs in columns) <= 1


def test_halving_keeps_the_best_third_for_three_times_as_long():
    assert Halving(9, 1, 3).rounds == [(9, 1), (3, 3), (1, 9)]
    assert Halving(9, 1, 3, longest=4).rounds == [(9, 1), (3, 3)]
    trials = walk(Halving(9, 1, 3))
    assert [t.epochs for t in trials] == [1] * 9 + [3] * 3 + [9]
    top = sorted(trials[:9], key=lambda t: -t.rank)[:3]
    assert [t.parents for t in trials[9:12]] == [(t.number,) for t in top]


def test_what_failed_does_not_go_on():
    trials = walk(Halving(4, 1, 2), score=lambda a, epochs: None if epochs == 1 else 1.0)
    assert len(trials) == 4
    only = iter([1.0, None, None, None, 2.0, 3.0])
    trials = walk(Halving(4, 1, 2), score=lambda a, epochs: next(only))
    assert [(t.epochs, t.parents) for t in trials[4:]] == [(2, (0,)), (4, (4,))]


def test_halving_of_more_than_there_are_goes_on_with_those():
    small = Space(((8,),), (1,), ("residual",))
    trials = walk(Halving(6, 1, 2), space=small, score=lambda a, e: 1.0)
    assert [t.epochs for t in trials] == [1, 1, 2, 2, 4]


def test_hyperband_has_the_brackets_of_the_paper():
    """Table 1 of Li et al. 2018, for R = 81 and a factor of 3."""
    first = [(b.candidates, b.epochs) for b in Hyperband(81, 3).brackets]
    assert first == [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]
    assert Hyperband(81, 3).brackets[0].rounds == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    trials = walk(Hyperband(9, 3))
    assert [t.epochs for t in trials] == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] + [9] * 3


def test_nothing_over_budget_is_proposed():
    narrow = {a for a in Space(((8,),), (1, 2), kernels=(3, 5)) if a.stages[0].depth == 1}
    space = Space(((8,),), (1, 2), kernels=(3, 5))
    words = {"space": space, "score": lambda a, epochs: 0.0, "fits": narrow.__contains__}
    trials = walk(Evolution(population=3), 100, **words)
    assert {t.architecture for t in trials} == narrow


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RandomSearch(0), "RandomSearch needs epochs >= 1. Received: epochs=0"),
        (lambda: Evolution(population=1), "Evolution needs population >= 2. Received: populat"),
        (lambda: Evolution(sample=0), "Evolution needs sample >= 1. Received: sample=0"),
        (lambda: Evolution(crossover=2.0), "Evolution needs crossover <= 1. Received: 2.0"),
        (lambda: Halving(factor=1), "Halving needs factor >= 2. Received: factor=1"),
        (lambda: Halving(epochs=3, longest=2), "Halving needs longest >= 3. Received: longest=2"),
        (lambda: Hyperband(0), "Hyperband needs epochs >= 1. Received: epochs=0"),
    ],
)
def test_numbers_that_are_too_small_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()

"""The search space: size, draws, neighbours."""

import json

import numpy as np
import pytest

from kcv.nas import OPERATIONS, Architecture, Space, Stage

TINY = Space(widths=((8, 16), (16,)), depths=(1, 2), kernels=(3, 5), expansions=(2,))
ODD = Architecture(16, (Stage("conv", 999, 1), Stage("conv", 16, 1)))


def test_the_size_is_what_enumeration_counts():
    every = list(TINY)
    assert TINY.size == len(every) == len(set(every))
    # by hand: widths * depths * gates * (conv 2 + separable 2 + residual 1 + bottleneck 1 + inv. 2)
    assert TINY.size == (2 * 2 * 2 * 8) * (1 * 2 * 2 * 8)
    assert all(architecture in TINY for architecture in every)


def test_draws_cover_the_space_and_stay_in_it():
    space = Space(widths=((8,),), depths=(1, 2), kernels=(3,), expansions=(2,))
    rng = np.random.default_rng(0)
    assert {space.sample(rng) for _ in range(500)} == set(space)


def test_the_same_seed_draws_the_same():
    first, second = (TINY.sample(np.random.default_rng(7)) for _ in range(2))
    assert first == second
    assert first != TINY.sample(np.random.default_rng(8))


def test_a_mutation_is_another_architecture_of_the_space_in_one_stage():
    rng = np.random.default_rng(0)
    for _ in range(500):
        parent = TINY.sample(rng)
        child = TINY.mutate(parent, rng)
        assert child in TINY
        assert sum(a != b for a, b in zip(parent.stages, child.stages, strict=True)) == 1


def test_mutations_reach_the_whole_space():
    space = Space(widths=((8, 16),), depths=(1,), kernels=(3, 5), expansions=(2, 3))
    rng, reached, place = np.random.default_rng(0), set(), next(iter(space))
    for _ in range(3000):
        reached.add(place := space.mutate(place, rng))
    assert reached == set(space)


def test_a_mutated_operation_keeps_what_both_have():
    space = Space(widths=((8, 16),), operations=("conv", "separable"), gates=(False,), depths=(1,))
    parent, rng = Architecture(16, (Stage("conv", 16, 1, 5),)), np.random.default_rng(0)
    children = {space.mutate(parent, rng).stages[0] for _ in range(100)}
    assert children == {
        Stage("conv", 8, 1, 5),
        Stage("conv", 16, 1, 3),
        Stage("separable", 16, 1, 5),
    }


def test_a_child_takes_each_stage_from_one_of_its_parents():
    rng = np.random.default_rng(0)
    first, second = TINY.sample(rng), TINY.sample(rng)
    children = {TINY.cross(first, second, rng) for _ in range(100)}
    pairs = list(zip(first.stages, second.stages, strict=True))
    assert len(children) == 4
    for child in children:
        assert child in TINY
        assert all(own in pair for own, pair in zip(child.stages, pairs, strict=True))


def test_a_space_is_written_and_read():
    assert Space(**json.loads(json.dumps(TINY.to_dict()))) == TINY


def test_what_is_not_of_the_space_is_refused():
    rng = np.random.default_rng(0)
    assert ODD not in TINY
    assert "conv" not in TINY
    for call in (lambda: TINY.mutate(ODD, rng), lambda: TINY.cross(ODD, ODD, rng)):
        with pytest.raises(ValueError, match=r"needs to be one of the space. Received: 16 \| conv"):
            call()


def test_a_space_of_one_has_no_mutations():
    one = Space(((8,),), (1,), ("residual",), gates=(False,))
    with pytest.raises(ValueError, match="two architectures or more. Received: a space of 1"):
        one.mutate(next(iter(one)), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"depths": ()}, "different choices, at least one, in depths. Received: \\(\\)"),
        ({"widths": ((8, 8),)}, "different choices, at least one, in widths\\[0\\]"),
        ({"widths": ()}, "at least one stage. Received: widths=\\(\\)"),
        ({"operations": ("conv", "warp")}, f"operations of {', '.join(OPERATIONS)}.*'warp'"),
        ({"kernels": (2,)}, "an odd kernel"),
    ],
)
def test_choices_that_do_not_fit_are_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        Space(**changes)

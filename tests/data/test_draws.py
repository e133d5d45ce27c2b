"""Draws depend on (seed, epoch, index) and on nothing else."""

import numpy as np

from kcv.data import draws


def test_an_order_is_a_permutation():
    assert sorted(draws.order(1000, seed=3)) == list(range(1000))


def test_seed_epoch_and_purpose_each_change_the_order():
    orders = [
        draws.order(50, seed=0).tolist(),
        draws.order(50, seed=1).tolist(),
        draws.order(50, seed=0, epoch=1).tolist(),
        draws.order(50, seed=0, purpose=draws.STATISTICS).tolist(),
    ]
    assert len({tuple(order) for order in orders}) == 4


def test_seed_epoch_index_and_purpose_each_change_the_generator():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0, draws.SUBSTITUTE)]
    assert len({draws.generator(*key).random() for key in keys}) == len(keys)


def test_neighbouring_streams_do_not_overlap():
    first = draws.generator(0, 0, 0).random(10_000)
    assert not np.isin(draws.generator(0, 0, 1).random(10_000), first).any()


def test_the_draws_are_the_same_everywhere():
    assert draws.order(8, seed=5, epoch=2).tolist() == [4, 7, 0, 6, 5, 1, 3, 2]
    assert draws.generator(5, 2, 7).random() == 0.3575798901303958
    assert draws.scores(["rose/1.png", "rose/2.png"], 0).tolist() == [
        17485867820409495319,
        15044857721689209496,
    ]


def test_the_score_of_a_key_does_not_depend_on_other_keys():
    assert draws.scores(["a", "b"], 0)[1] == draws.scores(["b"], 0)[0]
    assert draws.scores(["a"], 0) != draws.scores(["a"], 1)


def test_file_names_that_are_not_unicode_have_a_score():
    assert draws.scores(["caf\udce9.png"], 0).dtype == np.uint64


def test_a_stream_that_is_used_again_gives_what_a_new_generator_gives():
    streams = draws.Streams(7)
    # Leave something in every buffer behind.
    streams.at(0, 1).random(3), streams.at(0, 1).integers(0, 9, 3, np.uint32)
    for place in [(0, 1), (3, 5, draws.SUBSTITUTE), (2**40, 9, draws.AUGMENT, 2)]:
        expected = draws.generator(7, *place)
        given = streams.at(*place)
        np.testing.assert_array_equal(given.random(5), expected.random(5))
        np.testing.assert_array_equal(
            given.integers(0, 255, 7, np.uint8), expected.integers(0, 255, 7, np.uint8)
        )
        assert given.standard_normal() == expected.standard_normal()

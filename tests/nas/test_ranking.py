"""Rank correlation and the front."""

import numpy as np
import pytest
from scipy import stats

from kcv.nas import front, spearman


def test_the_correlation_of_ranks_equals_scipys_also_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, 15), rng.normal(size=15)
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_only_the_order_counts():
    assert spearman([1, 2, 3], [1, 10, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3], [-1, -10, -1000]) == pytest.approx(-1)


def test_no_order_has_no_correlation():
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))


@pytest.mark.parametrize("pair", [([1, 2], [1, 2, 3]), ([1], [1]), ([1, np.nan], [1, 2])])
def test_lists_that_do_not_fit_are_refused(pair):
    with pytest.raises(ValueError, match="same length, two or more, without NaN. Received: "):
        spearman(*pair)


def test_the_front_is_what_nothing_beats():
    costs, scores = [4, 1, 2, 3, 2], [0.9, 0.5, 0.8, 0.7, 0.8]
    assert front(costs, scores) == [1, 2, 0]
    assert front([], []) == []


def test_a_front_without_as_many_costs_is_refused():
    with pytest.raises(ValueError, match="as many costs as scores. Received: 1 costs and 2 scores"):
        front([1], [1, 2])

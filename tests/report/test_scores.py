"""The figures of a report against hand-computed cases."""

import numpy as np
import pytest

from kcv.report import scores

MATRIX = np.array([[8, 2, 0], [1, 4, 0], [0, 3, 0]])


def test_worst_examples_are_the_surest_mistakes():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert scores.examples(probabilities, np.array([1, 1, 1, 1])).worst.tolist() == [0, 1]


def test_best_examples_go_round_the_classes():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    assert scores.examples(probabilities, np.array([0, 0, 1, 1])).best.tolist() == [0, 3, 1, 2]


def test_examples_are_as_many_as_asked_or_as_there_are():
    best, worst = scores.examples(np.eye(5), np.array([0, 1, 2, 3, 0]), count=3)
    assert len(best) == 3
    assert worst.tolist() == [4]


def test_examples_refuse_arrays_that_do_not_fit():
    with pytest.raises(
        ValueError, match=r"probabilities \(N, K\) and labels \(N,\). Received: shapes"
    ):
        scores.examples(np.eye(3), np.zeros(2, int))


def test_examples_refuse_a_negative_count():
    with pytest.raises(ValueError, match="count >= 0. Received: count=-1"):
        scores.examples(np.eye(3), np.arange(3), count=-1)


def test_confusion_matrix_has_true_classes_in_rows():
    matrix = scores.confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    assert matrix.tolist() == [[1, 1], [0, 1]]


def test_class_scores_are_the_textbook_ones():
    result = scores.class_scores(MATRIX)
    assert result.recall.tolist() == [0.8, 0.8, 0.0]
    np.testing.assert_allclose(result.precision, [8 / 9, 4 / 9, np.nan])
    np.testing.assert_allclose(result.f1, [16 / 19, 8 / 14, 0])
    assert result.support.tolist() == [10, 5, 3]


def test_most_confused_pairs_come_largest_first_and_without_zeros():
    pairs = scores.most_confused(MATRIX, 10)
    assert pairs[0] == (2, 1, 3, 1.0)
    assert [p.images for p in pairs] == [3, 2, 1]


def test_wilson_interval_is_the_published_one():
    # Newcombe 1998, table I, method 3: 81 of 263.
    low, high = scores.wilson_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_wilson_interval_stays_within_bounds(accuracy):
    low, high = scores.wilson_interval(accuracy, 20)
    assert 0 <= low <= accuracy <= high <= 1
    assert high - low > 0.1


@pytest.mark.parametrize(("accuracy", "count"), [(0.5, 0), (1.5, 10), (float("nan"), 10)])
def test_wilson_interval_refuses_what_is_no_share(accuracy, count):
    with pytest.raises(ValueError, match="wilson_interval needs 0 <= accuracy <= 1 and count >= 1"):
        scores.wilson_interval(accuracy, count)

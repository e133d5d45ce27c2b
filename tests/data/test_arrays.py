"""NumPy arrays given as data."""

import numpy as np
import pytest

from kcv.data import arrays

X = np.zeros((6, 4, 4, 3), np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


def test_one_pair_is_one_part_and_two_pairs_are_train_and_test():
    names, parts = arrays.read((X, Y))
    assert names == ["0", "1", "2"]
    assert list(parts) == ["all"]
    names, parts = arrays.read((X, Y, X[:2], Y[:2]))
    assert names == ["0", "1", "2"]
    assert list(parts) == ["train", "test"]


def test_a_column_of_labels_is_taken():
    assert arrays.read((X, Y[:, None]))[1]["all"].labels.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((X, Y, X), r"needs arrays \(x, y\) or .* Received: 3 arrays"),
        ((X / 255, Y), r"x needs to be .* uint8, .* Received: shape \(6, 4, 4, 3\), dtype float64"),
        ((X[..., :2], Y), r"x needs to be .* Received: shape \(6, 4, 4, 2\)"),
        ((X[0, 0], Y), r"x needs to be .* Received: shape \(4, 3\)"),
        ((X, Y[:5]), r"y needs a class number .* for each of the 6 images. Received: shape \(5,\)"),
        ((X, Y * 1.0), "y needs a class number .* dtype float64"),
        ((X, np.eye(6, dtype=int)), r"y needs a class number .* Received: shape \(6, 6\)"),
        ((X, Y - 1), "y needs a class number .* min -1"),
        ((X[:0], Y[:0]), "y needs a class number .* for each of the 0 images"),
        ((X, Y * 0), "at least two classes .* Received: 1 classes"),
        ((X, Y * 2), r"training images of each. Received: 5 classes, none of class \[1, 3\]"),
        ((X, Y, X[:1], [7]), r"Received: 8 classes, none of class \[3, 4, 5, 6, 7\]"),
        ((X, Y, X[:, :2], Y), "need images of one shape. Received: "),
    ],
)
def test_arrays_that_cannot_be_used_say_why(given, text):
    with pytest.raises(ValueError, match=text):
        arrays.read(given)


def test_rows_of_ones_and_zeros_are_several_classes():
    hot = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 1], [0, 1]])
    names, parts = arrays.read((X, hot))
    assert names == ["0", "1"]
    assert parts["all"].labels.dtype == np.float32
    np.testing.assert_array_equal(parts["all"].labels, hot)
    with pytest.raises(ValueError, match=r"the same classes. Received: shapes \(6, 2\), \(6,\)"):
        arrays.read((X, hot, X, Y))
    with pytest.raises(ValueError, match=r"Received: 3 classes, none of class \[2\]"):
        arrays.read((X, np.pad(hot, ((0, 0), (0, 1)))))


def test_one_hot_labels_get_a_word_of_advice():
    with pytest.raises(ValueError, match=r"Of one-hot labels, give y.argmax\(1\)."):
        arrays.read((X, np.eye(6)))

"""Stratified, seeded splits."""

import numpy as np
import pytest

from kcv.data.sources import ArraySource, FileSource
from kcv.data.splits import split

NAMES = ["a", "b", "c"]
LABELS = np.repeat([0, 1, 2], [100, 40, 7])


def source():
    return ArraySource(np.zeros((147, 2, 2), np.uint8), LABELS, 1, "toys", "train")


def keys(part):
    return [part.key(index) for index in range(len(part))]


def test_every_class_gives_its_share_and_no_image_is_in_both():
    rest, share = split(source(), NAMES, 0.1, seed=0)
    assert np.bincount(share.labels).tolist() == [10, 4, 1]
    assert sorted(keys(rest) + keys(share)) == sorted(keys(source()))
    assert keys(share) == sorted(keys(share), key=lambda key: int(key.split("/")[1]))


def test_the_seed_decides_which():
    first, again, other = (keys(split(source(), NAMES, 0.1, seed)[1]) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_larger_share_contains_the_smaller_one():
    small, large = (set(keys(split(source(), NAMES, share, 0)[1])) for share in (0.1, 0.3))
    assert small < large


def test_a_new_file_moves_at_most_one_other():
    def test_files(names):
        return set(keys(split(FileSource("", names, np.zeros(len(names)), 3), ["a"], 0.2, 0)[1]))

    before = [f"a/{number}.png" for number in range(100)]
    assert len(test_files(before) - test_files([*before, "a/new.png"])) <= 1


def test_one_image_is_always_kept_on_each_side():
    for fraction in (0.001, 0.999):
        rest, share = split(source(), NAMES, fraction, 0)
        assert np.bincount(rest.labels).min() >= 1
        assert np.bincount(share.labels).min() >= 1


def test_a_class_with_too_few_images_is_named():
    tiny = ArraySource(np.zeros((3, 2, 2), np.uint8), np.array([0, 0, 1]), 1, "toys", "train")
    text = "needs at least 3 images .* Received: too few in class 'b'"
    with pytest.raises(ValueError, match=text):
        split(tiny, ["a", "b"], 0.1, 0)


def several(counts):
    """Images with two classes of three, as many of each kind as ``counts`` says."""
    kinds = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]], np.float32)
    labels = np.repeat(kinds, counts, axis=0)
    return ArraySource(np.zeros((len(labels), 2, 2), np.uint8), labels, 1, "toys", "train")


def test_every_class_gives_its_share_where_images_have_several():
    rest, share = split(several([40, 100, 60, 20]), NAMES, 0.1, seed=0)
    assert share.labels.sum(0).tolist() == [4, 14, 16]
    assert (share.labels.sum(1) == 0).sum() == 2
    assert sorted(keys(rest) + keys(share)) == sorted(keys(several([40, 100, 60, 20])))


def test_a_rare_class_stays_with_the_rest_and_the_share_is_never_empty():
    rest, share = split(several([1, 3, 3, 0]), NAMES, 0.1, seed=0)
    assert rest.labels.sum(0)[0] == 1
    assert len(share) == 1

"""Which images an epoch has."""

import collections

import numpy as np
import pytest

from kcv.data import draws
from kcv.data.sampling import Growing, Order, class_weights, image_weights, positive_weights
from kcv.data.sources import ArraySource

LABELS = np.repeat([0, 1, 2], [60, 30, 10])


def indices(order):
    return [index for _, index, _ in order]


def test_without_a_seed_all_come_in_order():
    assert list(Order(LABELS[:3], None)) == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]


def test_shuffled_is_a_permutation_by_seed_and_epoch():
    order = Order(LABELS, 5)
    order.epoch = 2
    assert indices(order) == draws.order(100, 5, 2).tolist()
    assert {epoch for epoch, _, _ in order} == {2}


def test_repeats_come_in_a_row_and_are_counted():
    keys = list(Order(LABELS, 0, repeats=3))
    assert len(keys) == 100
    assert len({index for _, index, _ in keys}) == 34
    assert [repeat for _, _, repeat in keys[:7]] == [0, 1, 2, 0, 1, 2, 0]
    assert keys[0][1] == keys[2][1] != keys[3][1]


def test_blocks_come_by_turns_a_few_at_a_time():
    blocks = np.arange(100) // 5
    order = Order(LABELS, 3, blocks=blocks)
    first = indices(order)
    assert sorted(first) == list(range(100))
    windows = [blocks[first[start : start + 40]] for start in (0, 40, 80)]
    assert [len(set(one.tolist())) for one in windows] == [8, 8, 4]
    assert len(set(blocks[first[:5]].tolist())) > 1
    order.epoch = 1
    assert set(blocks[indices(order)[:40]].tolist()) != set(windows[0].tolist())


def test_balanced_classes_come_equally_often():
    order = Order(LABELS, 0, "balanced")
    chosen = indices(order)
    counts = collections.Counter(LABELS[chosen].tolist())
    assert len(chosen) == len(order) == 100
    assert 33 <= min(counts.values()) <= max(counts.values()) <= 34


def test_a_balanced_class_uses_all_its_images_before_one_comes_again():
    counts = collections.Counter(indices(Order(LABELS, 0, "balanced")))
    small = [counts[index] for index in range(90, 100)]
    assert min(small) >= 3
    assert max(small) <= 4
    assert max(counts[index] for index in range(60)) == 1


def test_balanced_repeats_are_numbered_through():
    keys = list(Order(LABELS, 0, "balanced"))
    assert len(set(keys)) == len(keys)


def test_other_epochs_and_seeds_draw_other_images():
    order = Order(LABELS, 0, "balanced")
    first = indices(order)
    assert first == indices(order)
    order.epoch = 1
    assert indices(order) != first != indices(Order(LABELS, 1, "balanced"))


def test_weights_make_all_classes_count_alike():
    weights = class_weights(LABELS)
    counts = np.bincount(LABELS)
    assert [weights[label] * counts[label] for label in range(3)] == pytest.approx([100 / 3] * 3)


def test_the_mean_weight_of_an_image_is_one():
    for power in (0, 0.5, 1):
        weights = class_weights(LABELS, power=power)
        assert np.mean([weights[label] for label in LABELS]) == pytest.approx(1)
    assert class_weights(LABELS, power=0) == {0: 1, 1: 1, 2: 1}
    assert class_weights(LABELS, power=0.5)[2] / weights[0] < class_weights(LABELS)[2] / weights[0]


def test_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    assert list(class_weights(LABELS).values()) == pytest.approx(expected.tolist())


def test_a_yes_weighs_as_much_as_all_noes_of_its_class():
    labels = np.array([[1, 1], [0, 1], [0, 1], [0, 0]], np.float32)
    np.testing.assert_allclose(positive_weights(labels), [3, 1 / 3])
    np.testing.assert_allclose(positive_weights(labels, 0.5), np.sqrt([3, 1 / 3]))


def test_weights_of_images_and_of_their_classes_are_multiplied():
    source = ArraySource(np.zeros((100, 2, 2), np.uint8), LABELS, 1, "toys", "train")
    assert image_weights(source, "none") is None
    by_class = class_weights(LABELS)
    np.testing.assert_allclose(
        image_weights(source, "balanced"), [by_class[label] for label in LABELS], rtol=1e-6
    )
    source.weights = np.linspace(0, 2, 100, dtype=np.float32)
    root = [class_weights(LABELS, power=0.5)[label] for label in LABELS]
    np.testing.assert_allclose(image_weights(source, "root"), source.weights * root, rtol=1e-6)
    assert image_weights(source, "none") is source.weights


def test_sizes_grow_in_steps_to_the_last_one():
    assert [Growing(128, 224, 5)(epoch)[0] for epoch in range(7)] == [
        *(128, 128, 160, 192, 224, 224, 224),
    ]
    assert Growing(100, 100, 1)(0) == (100, 100)
    assert Growing(100, 150, 3)(0) == (100, 100)
    assert Growing(100, 150, 3)(2) == (150, 150)
    assert [Growing(16, 32, 4)(epoch)[0] for epoch in range(4)] == [16, 20, 24, 32]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Order(LABELS, 0, "even"), "sampling in shuffled, balanced. Received: sampl"),
        (lambda: Order(LABELS, 0, repeats=0), "needs 1 <= repeats <= 100, .* Received: repeats=0"),
        (lambda: Order(LABELS, 0, repeats=101), "Received: repeats=101"),
        (
            lambda: Order(np.eye(3), 0, "balanced"),
            r"needs images of one class each. Received: labels of shape \(3, 3\)",
        ),
        (lambda: class_weights(np.eye(3)), r"needs labels \(N,\). Received: shape \(3, 3\)"),
        (lambda: class_weights(LABELS, 4), "an image of each class. Received: none of class 3"),
        (lambda: class_weights(LABELS, power=2), "0 <= power <= 1. Received: power=2"),
        (
            lambda: positive_weights(np.array([[1, 1], [1, 0]])),
            "with and without each class. Received: 2 of 2 with class 0",
        ),
        (lambda: positive_weights(LABELS), r"needs labels \(N, K\). Received: shape \(100,\)"),
        (lambda: Growing(0, 9, 3), "1 <= first <= last. Received: first=0, last=9"),
        (lambda: Growing(8, 9, 0), "epochs >= 1 and step >= 0. Received: epochs=0, step=0"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

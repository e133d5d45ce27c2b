"""Losses and metrics against closed forms and scikit-learn."""

import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from kcv import kernels
from kcv.losses import F1, Accuracy, BinaryCrossEntropy, CrossEntropy, MeanAveragePrecision

LOGITS = np.array([[2.0, -1.0, 0.5], [-30.0, 30.0, 0.0]], np.float32)
LABELS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], np.float32)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def closed_form(labels, logits, weights=1.0):
    yes, no = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    return (weights * labels * yes + (1 - labels) * no).mean(1)


def test_binary_cross_entropy_is_the_closed_form():
    loss = BinaryCrossEntropy(reduction="none")(LABELS, LOGITS)
    np.testing.assert_allclose(numbers(loss), closed_form(LABELS, LOGITS), rtol=1e-6)


def test_a_yes_weighs_what_it_is_told():
    weights = [3.0, 0.5, 2.0]
    loss = BinaryCrossEntropy(positive_weights=weights, reduction="none")(LABELS, LOGITS)
    np.testing.assert_allclose(numbers(loss), closed_form(LABELS, LOGITS, weights), rtol=1e-6)


def test_smoothing_moves_labels_to_one_half():
    loss = BinaryCrossEntropy(0.2, reduction="none")(LABELS, LOGITS)
    expected = closed_form(0.8 * LABELS + 0.1, LOGITS)
    np.testing.assert_allclose(numbers(loss), expected, rtol=1e-6)


def test_class_numbers_are_a_yes_for_one_class():
    loss = BinaryCrossEntropy(reduction="none")(np.array([2, 0]), LOGITS)
    np.testing.assert_allclose(
        numbers(loss), closed_form(np.eye(3, dtype="float32")[[2, 0]], LOGITS), rtol=1e-6
    )


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, CrossEntropy])
def test_a_mixed_label_is_the_mixed_loss_with_weights_too(kind):
    """What `kcv.data.mix.Mixed` relies on: both losses are linear in the label."""
    loss, (a, b) = kind(0.1, reduction="none"), np.eye(3, dtype="float32")[[0, 2]]
    logits, share, heavy, light = LOGITS[:1], 0.3, 4.0, 0.5
    total = share * heavy + (1 - share) * light
    mixed = (share * heavy * a + (1 - share) * light * b) / total
    expected = share * heavy * loss(a[None], logits) + (1 - share) * light * loss(b[None], logits)
    np.testing.assert_allclose(
        numbers(total * loss(mixed[None].astype("float32"), logits)), numbers(expected), rtol=1e-5
    )


def test_a_sample_weight_multiplies_the_loss_of_its_image():
    for loss, labels in ((CrossEntropy(), np.array([0, 1])), (BinaryCrossEntropy(), LABELS)):
        each = numbers(type(loss)(reduction="none")(labels, LOGITS))
        weighted = loss(labels, LOGITS, sample_weight=np.array([3.0, 0.5], np.float32))
        assert float(weighted) == pytest.approx((3 * each[0] + 0.5 * each[1]) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"label_smoothing": 1.0}, "0 <= label_smoothing < 1. Received: label_smoothing=1.0"),
        ({"positive_weights": [1.0, 0.0]}, r"over 0. Received: positive_weights=\[1.0, 0.0\]"),
    ],
)
def test_values_out_of_their_range_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        BinaryCrossEntropy(**options)


def test_logits_of_a_sequence_are_refused():
    soft = np.full((2, 3, 4), 0.25, "float32")  # torch would take the 3 for classes
    with pytest.raises(ValueError, match=r"\(images, classes\).*shape=\(2, 3, 4\)"):
        CrossEntropy()(soft, np.ones((2, 3, 4), "float32"))


UNFIT = [
    (
        np.array([0, 3]),
        "needs class numbers from 0 to 2 for logits of 3 classes: build the network with "
        "num_classes=4, or number the classes from 0. Received: labels from 0 to 3.",
    ),
    (
        np.array([[-100], [2]]),
        "needs class numbers from 0 to 2 for logits of 3 classes: number the classes from 0. "
        "Received: labels from -100 to 2.",
    ),
    (
        np.full((2, 5), 0.2, "float32"),
        "needs labels (B,), or (B, K) for logits (B, K): build the network with num_classes=5, or "
        "give class numbers. Received: labels (2, 5), logits (2, 3).",
    ),
    (
        np.zeros((2, 3, 1)),
        "needs labels (B,), or (B, K) for logits (B, K): build the network with as many classes as "
        "labels have, or give class numbers. Received: labels (2, 3, 1), logits (2, 3).",
    ),
    (
        np.array([0, 1, 2]),
        "needs one label, or one row of labels, for each image. "
        "Received: labels (3,), logits (2, 3).",
    ),
]


@pytest.mark.skipif(not kernels.TORCH, reason="only torch's numbers can be read here")
@pytest.mark.parametrize("kind", [CrossEntropy, BinaryCrossEntropy, Accuracy])
@pytest.mark.parametrize(("labels", "text"), UNFIT, ids=[len(text) for _, text in UNFIT])
def test_labels_that_do_not_fit_are_named_with_the_logits(kind, labels, text):
    with pytest.raises(ValueError, match=f"^{kind.__name__} {re.escape(text)}$"):
        kind()(labels, LOGITS)


@pytest.mark.skipif(not kernels.TORCH, reason="only torch's numbers can be read here")
def test_yes_or_no_of_one_logit_needs_a_column():
    with pytest.raises(ValueError, match=r"give labels of no and yes as \(B, 1\)"):
        BinaryCrossEntropy()(np.array([0, 1]), LOGITS[:, :1])
    assert np.isfinite(float(BinaryCrossEntropy()(np.array([[0], [1]]), LOGITS[:, :1])))


TRACED = """
import numpy as np, keras, kcv
logits, labels = np.ones((2, 3), "float32"), np.array([0, 3])
for loss in (kcv.losses.CrossEntropy(0.1), kcv.losses.BinaryCrossEntropy()):
    assert np.isfinite(loss(np.array([0, 2]), logits))
    assert np.isnan(loss(labels, logits)), loss
    try:
        loss(np.full((2, 5), 0.2), logits)
        raise SystemExit("not refused")
    except ValueError as error:
        assert "logits (2, 3)" in str(error), error
net = kcv.models.build("lenet5", num_classes=3, image_size=28, channels=1)
net.compile("sgd", kcv.losses.CrossEntropy(), metrics=[kcv.losses.Accuracy()])
x, y = np.ones((4, 28, 28, 1), "float32"), np.array([0, 1, 2, 3])
net.fit(x, y % 3, verbose=0)
try:
    net.fit(x, y, verbose=0)
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_jax_shows_labels_outside_the_classes_too():
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRACED],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert "num_classes=4" in done.stdout, done.stderr


def test_losses_and_metrics_survive_saving():
    made = (BinaryCrossEntropy(0.1, [1.0, 2.0]), MeanAveragePrecision(4), F1(4, name="f"))
    for one in made:
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(one))
        assert again.get_config() == one.get_config()


def batches(rng, count=4, classes=5):
    """Yield labels and scores, no two of a class in a bin; the last class is in no image."""
    places = np.stack([rng.permutation(256) for _ in range(classes)], axis=1)
    for part in range(count):
        logits = (places[part * 30 :][:30] - 128) / 16 + 1 / 32
        labels = (rng.random((30, classes)) < 0.3).astype("float32")
        labels[:, -1] = 0
        yield labels, logits.astype("float32")


def test_mean_average_precision_is_that_of_scikit_learn(rng):
    metric, seen = MeanAveragePrecision(5), list(batches(rng))
    for labels, logits in seen:
        metric.update_state(labels, logits)
    labels, logits = (np.concatenate(one) for one in zip(*seen, strict=True))
    expected = average_precision_score(labels[:, :4], logits[:, :4], average="macro")
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_bins_cost_less_than_a_thousandth(rng):
    labels = (rng.random((2000, 3)) < 0.2).astype("float32")
    logits = (rng.normal(size=(2000, 3)) + labels).astype("float32")
    metric = MeanAveragePrecision(3)
    metric.update_state(labels, logits)
    expected = average_precision_score(labels, logits, average="macro")
    assert float(metric.result()) == pytest.approx(expected, abs=1e-3)


def test_scores_beyond_the_bins_count_as_the_last_one():
    metric = MeanAveragePrecision(1)
    metric.update_state(np.array([[1.0], [0.0]]), np.array([[1e9], [-1e9]], np.float32))
    assert float(metric.result()) == 1


def test_f1_is_that_of_scikit_learn(rng):
    metric, seen = F1(5), list(batches(rng))
    for labels, logits in seen:
        metric.update_state(labels, logits)
    labels, logits = (np.concatenate(one) for one in zip(*seen, strict=True))
    expected = f1_score(labels[:, :4], logits[:, :4] > 0, average="macro")
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)

"""Labels that do not fit the network, in a `fit` of one's own."""

import keras
import numpy as np
import pytest

from kcv import kernels, losses, models

X = np.random.default_rng(0).uniform(size=(8, 28, 28, 1)).astype("float32")


def compiled(loss=None, **options):
    net = models.build("lenet5", num_classes=3, image_size=28, channels=1)
    net.compile("sgd", loss or losses.CrossEntropy(), **options)
    return net


@pytest.mark.parametrize("loss", [losses.CrossEntropy(), losses.BinaryCrossEntropy()])
@pytest.mark.parametrize(("last", "text"), [(3, "num_classes=4.* 0 to 3"), (-2, ".* -2 to 2")])
def test_fit_names_class_numbers_that_the_network_lacks(loss, last, text):
    y = np.array([0, 1, 2, 0, 1, 2, 0, last])
    with pytest.raises(ValueError, match=f"numbers from 0 to 2 .*{text}"):
        compiled(loss).fit(X, y, verbose=0)


def test_validation_and_evaluation_name_them_too():
    y, wrong = np.arange(8) % 3, np.arange(8) % 4
    net = compiled()
    with pytest.raises(ValueError, match="num_classes=4"):
        net.fit(X, y, validation_data=(X, wrong), verbose=0)
    with pytest.raises(ValueError, match="num_classes=4"):
        net.evaluate(X, wrong, verbose=0)


def test_nothing_is_trained_before_arrays_are_refused():
    net = compiled()
    with pytest.raises(ValueError, match="num_classes=4"):
        net.fit(X, np.array([0] * 7 + [3]), batch_size=1, shuffle=False, verbose=0)
    assert int(net.optimizer.iterations) == 0


@pytest.mark.parametrize("loss", [None, "own", keras.losses.SparseCategoricalCrossentropy(True)])
@pytest.mark.skipif(not kernels.TORCH, reason="batches are traced elsewhere")
def test_batches_are_looked_at_on_the_cpu(loss):
    loss = losses.CrossEntropy(reduction="sum") if loss == "own" else loss  # past the short way
    batches = ((X, np.arange(8) % 4) for _ in range(1))
    with pytest.raises(ValueError, match=r"num_classes=4.*from 0 to 3\.$"):
        compiled(loss).fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)


def test_soft_labels_of_another_width_are_named_with_the_logits():
    soft = np.full((8, 5), 0.2, "float32")
    with pytest.raises(ValueError, match=r"num_classes=5.*labels \(8, 5\), logits \(.*, 3\)"):
        compiled().fit(X, soft, verbose=0)


def test_labels_that_fit_train_in_every_form():
    net = compiled(metrics=[losses.Accuracy()])
    for y in (np.arange(8) % 3, (np.arange(8) % 3)[:, None], np.eye(3)[np.arange(8) % 3]):
        net.fit(X, y, verbose=0)
        net.fit(X, [y], verbose=0)

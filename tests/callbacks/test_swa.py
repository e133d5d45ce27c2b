"""SWA: equal average of late epochs, and batch-norm statistics that belong to it."""

import re

import keras
import numpy as np
import pytest

from kcv.callbacks import EMA, SWA, EarlyStopping
from kcv.callbacks.statistics import reestimate


class Epochs(keras.callbacks.Callback):
    """Remembers the weights at the ends of the epochs."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append([np.array(w) for w in self.model.get_weights()])


def plain(tiny):
    """A network without batch norm."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


@pytest.mark.parametrize(
    ("start", "every", "used"), [(0, 1, [0, 1, 2, 3, 4]), (2, 1, [2, 3, 4]), (1, 2, [1, 3])]
)
def test_model_ends_with_the_mean_of_the_epochs(tiny, start, every, used):
    model, epochs = plain(tiny), Epochs()
    swa = SWA(start, every)
    tiny.fit(model, swa, epochs, epochs=5)
    wanted = [
        np.mean(group, axis=0) for group in zip(*(epochs.weights[i] for i in used), strict=True)
    ]
    tiny.same(tiny.weights(model), wanted, atol=1e-6)
    assert swa.count == len(used)


def test_statistics_are_measured_with_the_averaged_weights(tiny):
    model, epochs = tiny.model(), Epochs()
    tiny.fit(model, SWA(1, data=tiny.x), epochs, epochs=3)
    again = tiny.model()
    again.set_weights([np.mean(pair, axis=0) for pair in zip(*epochs.weights[1:], strict=True)])
    reestimate(again, tiny.x)
    tiny.same(tiny.weights(model), tiny.weights(again), atol=1e-5)


def test_training_is_not_disturbed(tiny):
    with_swa, without = Epochs(), Epochs()
    tiny.fit(tiny.model(), SWA(0, data=tiny.x), with_swa)
    tiny.fit(tiny.model(), without)
    for a, b in zip(with_swa.weights, without.weights, strict=True):
        tiny.same(a, b)


def test_exception_while_measuring_leaves_no_momentum_behind(tiny):
    model = tiny.model()
    with pytest.raises(ZeroDivisionError):
        tiny.fit(model, SWA(0, data=tiny.batches(ZeroDivisionError())))
    assert [layer.momentum for layer in model.layers if hasattr(layer, "momentum")] == [0.8]


def test_second_fit_from_epoch_0_begins_anew_and_a_later_one_goes_on(tiny):
    model, epochs, swa = plain(tiny), Epochs(), SWA(0)
    tiny.fit(model, swa, epochs=2)
    tiny.fit(model, swa, epochs, epochs=2)
    assert swa.count == 2
    first_mean = tiny.weights(model)
    tiny.fit(model, swa, epochs, epochs=3, initial_epoch=2)
    wanted = [(2 * a + b) / 3 for a, b in zip(first_mean, epochs.weights[-1], strict=True)]
    tiny.same(tiny.weights(model), wanted, atol=1e-6)


def test_state_continues_in_a_new_callback(tiny):
    model, epochs, swa = plain(tiny), Epochs(), SWA(0)
    tiny.fit(model, swa, epochs)
    model.set_weights(epochs.weights[-1])
    again = SWA(0)
    again.set_state(swa.get_state())
    assert again.get_state()["count"] == 2
    tiny.fit(model, again, epochs, epochs=3, initial_epoch=2)
    wanted = [np.mean(group, axis=0) for group in zip(*epochs.weights, strict=True)]
    tiny.same(tiny.weights(model), wanted, atol=1e-6)


def test_run_that_ends_too_early_keeps_its_weights(tiny, caplog):
    model, epochs = plain(tiny), Epochs()
    tiny.fit(model, SWA(5), epochs)
    tiny.same(tiny.weights(model), epochs.weights[-1])
    assert caplog.messages == ["SWA averaged nothing: the run ended before epoch 5."]


def test_last_of_several_averages_has_the_last_word(tiny):
    model, epochs = plain(tiny), Epochs()
    tiny.fit(model, EMA(0.9), EarlyStopping("loss"), SWA(0), epochs)
    wanted = [np.mean(pair, axis=0) for pair in zip(*epochs.weights, strict=True)]
    tiny.same(tiny.weights(model), wanted, atol=1e-6)


def test_data_is_needed_where_there_is_batch_norm(tiny):
    text = (
        "SWA needs data to measure the batch-norm statistics of the averaged weights. "
        "Received: data=None, and 1 batch-norm layers. "
        "Pass the training batches or images: SWA(..., data=x)."
    )
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        tiny.fit(tiny.model(), SWA(0))


def test_state_of_another_network_is_refused(tiny):
    swa = SWA(0)
    swa.set_state({"count": 1, "average/0": np.zeros((2, 2))})
    with pytest.raises(ValueError, match=r"SWA needs a state of the same network. Received: shape"):
        tiny.fit(plain(tiny), swa)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"start_epoch": -1}, "SWA needs start_epoch >= 0. Received: start_epoch=-1."),
        ({"start_epoch": 0, "every": 0}, "SWA needs every >= 1. Received: every=0."),
        (
            {"start_epoch": 0, "batches": 0},
            "SWA needs batches >= 1 or None. Received: batches=0.",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        SWA(**arguments)

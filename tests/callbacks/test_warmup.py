"""Warmup of a plain learning rate."""

import re

import keras
import numpy as np
import pytest

from kcv.callbacks import Warmup


class Rates(keras.callbacks.Callback):
    """Notes the rate between the steps."""

    def __init__(self):
        super().__init__()
        self.between = []

    def on_train_batch_begin(self, batch, logs=None):
        self.between.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.between.append(float(self.model.optimizer.learning_rate))


def line(optimizer=None):
    """A model of one weight whose gradient is 1: it falls by the rate of each step."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = optimizer or keras.optimizers.SGD(1.0)
    model.compile(optimizer, loss=lambda y, p: keras.ops.mean(p))
    return model


def fall(model, *callbacks, steps=10, **options):
    """Return how far the weight fell in each step."""
    seen = [model.get_weights()[0].item()]

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.get_weights()[0].item())

    x = np.ones((steps * 2, 1), "float32")
    model.fit(x, x, batch_size=2, verbose=0, callbacks=[*callbacks, Note()], **options)
    return -np.diff(seen)


def test_rate_rises_in_a_line_and_stays():
    moved = fall(line(), Warmup(steps=4, start=0.2))
    expected = [0.2, 0.4, 0.6, 0.8] + [1.0] * 6
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_length_can_be_given_in_epochs():
    moved = fall(line(), Warmup(epochs=1.5), steps=4, epochs=3)
    expected = np.minimum(np.arange(12) / 6, 1.0)
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_rate_is_whole_between_the_steps():
    rates = Rates()
    fall(line(), Warmup(steps=8), rates)
    assert rates.between == [1.0] * 11


def test_plateau_changes_the_whole_rate_in_the_middle_of_the_warmup():
    model = line()
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    moved = fall(model, Warmup(steps=8), plateau, steps=4, epochs=3)
    whole = np.repeat([1.0, 1.0, 0.5], 4)
    share = np.minimum(np.arange(12) / 8, 1.0)
    np.testing.assert_allclose(moved, whole * share, atol=1e-5)
    assert float(model.optimizer.learning_rate) == 0.25


def test_resumed_run_goes_on_with_the_warmup():
    model = line()
    first = fall(model, Warmup(steps=8), steps=4)
    second = fall(model, Warmup(steps=8), steps=4, initial_epoch=1, epochs=3)
    expected = np.minimum(np.arange(12) / 8, 1.0)
    np.testing.assert_allclose([*first, *second], expected, atol=1e-5)


def test_one_callback_serves_two_fits():
    warmup = Warmup(steps=2)
    fall(line(), warmup)
    np.testing.assert_allclose(fall(line(), warmup)[:3], [0.0, 0.5, 1.0], atol=1e-5)


def test_accumulated_gradients_count_as_one_step():
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=2)
    moved = fall(line(optimizer), Warmup(steps=4), steps=12)
    np.testing.assert_allclose(moved[1::2], [0.0, 0.25, 0.5, 0.75, 1.0, 1.0], atol=1e-5)


@pytest.mark.parametrize("error", [RuntimeError("on purpose"), KeyboardInterrupt()])
def test_rate_is_whole_after_an_exception_in_a_step(tiny, error):
    model = tiny.model()
    tiny.eager(model)
    model.bomb.error, model.bomb.calls = error, -3
    with pytest.raises(type(error)):
        tiny.fit(model, Warmup(steps=100))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


def test_nothing_is_left_in_the_model(tiny):
    model, warmup = tiny.model(), Warmup(steps=3)
    tiny.fit(model, warmup, epochs=1)
    assert not type(model.train_function).__module__.startswith("kcv")
    with pytest.raises(RuntimeError):
        tiny.fit(model, warmup, validation_data=tiny.batches(RuntimeError()))
    warmup.restore()
    assert not type(model.train_function).__module__.startswith("kcv")


def test_schedule_is_refused():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    text = (
        "Warmup needs an optimizer with a number as learning rate. Received: a schedule. "
        "Put kcv.schedules.Warmup around the schedule instead."
    )
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        fall(line(optimizer), Warmup(steps=3))


def test_epochs_of_unknown_length_are_refused(tiny):
    text = (
        "Warmup needs to know the length of an epoch. Received: data of unknown length. "
        "Give steps instead of epochs."
    )
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        tiny.model().fit(tiny.batches(), shuffle=False, verbose=0, callbacks=[Warmup(epochs=1)])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Warmup needs one of steps and epochs. Received: steps=None, epochs=None."),
        (
            {"steps": 1, "epochs": 1},
            "Warmup needs one of steps and epochs. Received: steps=1, epochs=1.",
        ),
        ({"steps": 0}, "Warmup needs steps >= 1. Received: steps=0."),
        ({"epochs": 0}, "Warmup needs epochs > 0. Received: epochs=0."),
        ({"steps": 1, "start": 2}, "Warmup needs 0 <= start <= 1. Received: start=2."),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        Warmup(**arguments)

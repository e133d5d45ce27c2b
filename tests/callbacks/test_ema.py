"""EMA: its formula, what validation sees, and that nothing stays swapped."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kcv.callbacks import EMA
from kcv.layers import BatchNorm


class Recorder(keras.callbacks.Callback):
    """Remembers the weights after every step, and at the ends of the epochs."""

    def __init__(self):
        super().__init__()
        self.steps, self.epochs = [], []

    def _now(self):
        return [np.array(w) for w in self.model.get_weights()]

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.first = self._now()

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self._now())

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self._now())


class Raiser(keras.callbacks.Callback):
    """Raises in the second call of one hook."""

    def __init__(self, hook, error):
        super().__init__()
        self.calls = 0

        def raise_it(*_, **__):
            self.calls += 1
            if self.calls == 2:
                raise error

        setattr(self, hook, raise_it)


def expected(recorder, decay, warmup=True, every=1):
    average, t = [w.astype("float64") for w in recorder.first], 0
    for step, weights in enumerate(recorder.steps, start=1):
        if step % every:
            continue
        d = min(decay, (1 + t) / (10 + t)) if warmup else decay
        average = [d * a + (1 - d) * w for a, w in zip(average, weights, strict=True)]
        t += 1
    return average


@pytest.fixture
def trained(tiny):
    """A model whose weights are not the average that the callback holds."""
    model, ema = tiny.model(), EMA(0.9)
    tiny.fit(model, ema, epochs=1)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.3)
    return model, ema


# The average


@pytest.mark.parametrize("norm", [keras.layers.BatchNormalization, BatchNorm])
@pytest.mark.parametrize(("warmup", "every"), [(True, 1), (False, 1), (True, 3)])
def test_average_follows_its_formula_and_ends_in_the_model(tiny, norm, warmup, every):
    model, recorder = tiny.model(norm=norm), Recorder()
    tiny.fit(model, recorder, EMA(0.7, warmup=warmup, every=every))
    tiny.same(tiny.weights(model), expected(recorder, 0.7, warmup, every), atol=1e-6)


def test_statistics_can_be_copied_instead_of_averaged(tiny):
    model, recorder = tiny.model(), Recorder()
    tiny.fit(model, recorder, EMA(0.7, statistics="copy"))
    after, average = tiny.weights(model), expected(recorder, 0.7)
    moving = [i for i, v in enumerate(model.weights) if v.name.startswith("moving")]
    assert len(moving) == 2
    for i, weight in enumerate(after):
        wanted = recorder.steps[-1][i] if i in moving else average[i]
        np.testing.assert_allclose(weight, wanted, atol=1e-6)


def test_accumulated_gradients_count_as_one_step(tiny):
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model, recorder, ema = tiny.model(optimizer=optimizer), Recorder(), EMA(0.7)
    tiny.fit(model, recorder, ema)
    assert ema.updates == 4
    tiny.same(tiny.weights(model), expected(recorder, 0.7, every=2), atol=1e-6)


def test_training_is_not_disturbed(tiny):
    with_ema, without = Recorder(), Recorder()
    tiny.fit(tiny.model(), EMA(0.9), with_ema)
    tiny.fit(tiny.model(), without)
    for a, b in zip(with_ema.steps + with_ema.epochs, without.steps + without.epochs, strict=True):
        tiny.same(a, b)


def test_half_precision_weights_are_averaged_in_single_precision(tiny):
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = tiny.model(optimizer=keras.optimizers.SGD(1e-3))
    finally:
        keras.config.set_dtype_policy("float32")
    ema = EMA(0.999, warmup=False)
    tiny.fit(model, ema, validation_data=None)
    assert all(np.asarray(a).dtype == "float32" for a in tiny.numpy(ema._averages))
    assert {str(v.dtype) for v in model.trainable_variables} == {"bfloat16"}


def test_new_run_begins_a_new_average(tiny):
    model, ema, recorder = tiny.model(), EMA(0.7), Recorder()
    tiny.fit(model, ema)
    tiny.fit(model, ema, recorder)
    tiny.same(tiny.weights(model), expected(recorder, 0.7), atol=1e-6)


# What validation sees


def test_validation_in_fit_judges_the_average(tiny):
    model = tiny.model()
    history = tiny.fit(model, EMA(0.9)).history
    loss, accuracy = model.evaluate(tiny.x, tiny.y, batch_size=16, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-6)
    assert history["val_accuracy"][-1] == accuracy


def test_evaluate_judges_the_average_and_restores(tiny, trained):
    model, ema = trained
    before, raw = tiny.weights(model), model.evaluate(tiny.x, tiny.y, verbose=0)
    with ema.averaged():
        wanted = model.evaluate(tiny.x, tiny.y, verbose=0)
    assert model.evaluate(tiny.x, tiny.y, verbose=0, callbacks=[ema]) == wanted != raw
    assert model.evaluate(tiny.x, tiny.y, verbose=0) == raw
    tiny.same(tiny.weights(model), before)


def test_predict_uses_the_average_and_restores(tiny, trained):
    model, ema = trained
    before, raw = tiny.weights(model), model.predict(tiny.x, verbose=0)
    with ema.averaged():
        wanted = model.predict(tiny.x, verbose=0)
    got = model.predict(tiny.x, verbose=0, callbacks=[ema])
    np.testing.assert_array_equal(got, wanted)
    assert abs(got - raw).max() > 0.01
    np.testing.assert_array_equal(model.predict(tiny.x, verbose=0), raw)
    tiny.same(tiny.weights(model), before)


def test_evaluate_inside_of_averaged_needs_no_second_swap(tiny, trained):
    model, ema = trained
    before = tiny.weights(model)
    with ema.averaged():
        plain = model.evaluate(tiny.x, tiny.y, verbose=0)
        assert model.evaluate(tiny.x, tiny.y, verbose=0, callbacks=[ema]) == plain
        assert model.evaluate(tiny.x, tiny.y, verbose=0) == plain
    tiny.same(tiny.weights(model), before)


def test_other_callbacks_see_the_weights_of_training(tiny):
    model, recorder = tiny.model(), Recorder()
    tiny.fit(model, recorder, EMA(0.9))
    tiny.same(recorder.epochs[0], recorder.steps[3])
    tiny.same(recorder.epochs[1], recorder.steps[7])


def test_two_averages_beside_each_other_let_go_of_the_model(tiny):
    model, fast, slow = tiny.model(), EMA(0.5), EMA(0.99, warmup=False)
    tiny.fit(model, fast, slow)
    before = tiny.weights(model)
    model.evaluate(tiny.x, tiny.y, verbose=0, callbacks=[slow, fast])
    tiny.same(tiny.weights(model), before)
    assert not type(model.test_function).__module__.startswith("kcv")


# Exceptions


def data_raises(tiny, model, error):
    return tiny.batches(error), []


def step_raises(tiny, model, error):
    tiny.eager(model)
    model.bomb.error = error
    return tiny.batches(), []


def hook_raises(name):
    """Another callback raises."""

    def how(tiny, model, error):
        return tiny.batches(), [Raiser(name, error)]

    how.__name__ = name
    return how


ERRORS = [RuntimeError("on purpose"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", ERRORS, ids=["error", "ctrl-c"])
@pytest.mark.parametrize("first", [True, False], ids=["ema first", "ema last"])
@pytest.mark.parametrize(
    "how",
    [
        data_raises,
        step_raises,
        hook_raises("on_test_batch_begin"),
        hook_raises("on_test_batch_end"),
    ],
)
def test_exception_in_evaluate_leaves_the_weights_of_training(tiny, trained, how, first, error):
    model, ema = trained
    before, raw = tiny.weights(model), model.evaluate(tiny.x, tiny.y, 16, verbose=0)
    data, others = how(tiny, model, error)
    callbacks = [ema, *others] if first else [*others, ema]
    with pytest.raises(type(error)):
        model.evaluate(data, verbose=0, callbacks=callbacks)
    tiny.same(tiny.weights(model), before)
    model.bomb.error = None
    assert model.evaluate(tiny.x, tiny.y, 16, verbose=0)[0] == pytest.approx(raw[0], rel=1e-6)


@pytest.mark.parametrize("error", ERRORS, ids=["error", "ctrl-c"])
@pytest.mark.parametrize("how", [data_raises, step_raises, hook_raises("on_predict_batch_end")])
def test_exception_in_predict_leaves_the_weights_of_training(tiny, trained, how, error):
    model, ema = trained
    before, raw = tiny.weights(model), model.predict_on_batch(tiny.x)
    data, others = how(tiny, model, error)
    with pytest.raises(type(error)):
        model.predict(data, verbose=0, callbacks=[ema, *others])
    tiny.same(tiny.weights(model), before)
    model.bomb.error = None
    np.testing.assert_allclose(model.predict_on_batch(tiny.x), raw, rtol=1e-6)


@pytest.mark.parametrize("error", ERRORS, ids=["error", "ctrl-c"])
@pytest.mark.parametrize(
    "how", [data_raises, hook_raises("on_test_batch_begin"), hook_raises("on_test_batch_end")]
)
def test_exception_in_the_validation_of_fit_leaves_the_weights_of_training(tiny, how, error):
    model, recorder, ema = tiny.model(), Recorder(), EMA(0.9)
    data, others = how(tiny, model, error)
    with pytest.raises(type(error)):
        tiny.fit(model, ema, recorder, *others, validation_data=data)
    tiny.same(tiny.weights(model), recorder.steps[-1])
    assert len(recorder.steps) == 4


@pytest.mark.parametrize("error", ERRORS, ids=["error", "ctrl-c"])
def test_exception_in_a_training_step_leaves_the_weights_of_training(tiny, error):
    model, recorder = tiny.model(), Recorder()
    tiny.eager(model)
    model.bomb.error, model.bomb.calls = error, -3
    with pytest.raises(type(error)):
        tiny.fit(model, EMA(0.9), recorder)
    assert recorder.steps
    for after, before, variable in zip(
        tiny.weights(model), recorder.steps[-1], model.weights, strict=True
    ):
        if variable.trainable:
            np.testing.assert_array_equal(after, before)


def test_fit_after_an_exception_is_a_fresh_one(tiny):
    model, ema, recorder = tiny.model(), EMA(0.7), Recorder()
    with pytest.raises(RuntimeError):
        tiny.fit(model, ema, validation_data=tiny.batches(RuntimeError("on purpose")))
    history = tiny.fit(model, ema, recorder).history
    tiny.same(tiny.weights(model), expected(recorder, 0.7), atol=1e-6)
    loss = model.evaluate(tiny.x, tiny.y, 16, verbose=0)[0]
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-6)
    assert not type(model.test_function).__module__.startswith("kcv")


def test_averaged_restores_after_an_exception(tiny, trained):
    model, ema = trained
    before = tiny.weights(model)
    with pytest.raises(ZeroDivisionError), ema.averaged():
        raise ZeroDivisionError
    tiny.same(tiny.weights(model), before)


def test_restore_lets_go_of_the_model(tiny, trained):
    model, ema = trained
    with pytest.raises(RuntimeError):
        model.evaluate(tiny.batches(RuntimeError()), verbose=0, callbacks=[ema])
    assert type(model.test_function).__module__.startswith("kcv")
    ema.restore()
    assert not type(model.test_function).__module__.startswith("kcv")
    ema.restore()


# Keras can be hit while it opens a scope, which then stays open: names of later weights begin with
# it. Hence a process of its own.
PRESSED = """
import random, signal
from conftest import Tiny
from kcv.callbacks import EMA

def interrupt(number, frame):
    if "keras" in frame.f_code.co_filename or "kcv" in frame.f_code.co_filename:
        raise KeyboardInterrupt

tiny, ema, draw, hits = Tiny(), EMA(0.9), random.Random(0), 0
model = tiny.model()
tiny.fit(model, ema, epochs=1)
for variable in model.trainable_variables:
    variable.assign(variable + 0.3)  # no longer what the callback has averaged
before = tiny.weights(model)
signal.signal(signal.SIGALRM, interrupt)
for _ in range(600):  # how many alarms hit depends on the speed of the machine
    if hits > 20:
        break
    try:
        signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.001, 0.02))
        model.evaluate(tiny.x, tiny.y, verbose=0, callbacks=[ema])
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hits += 1
    ema.restore()
    tiny.same(tiny.weights(model), before)
signal.setitimer(signal.ITIMER_REAL, 0)
assert hits > 10, hits
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras itself loses weights there")
def test_ctrl_c_at_any_moment_leaves_the_weights_of_training():
    places = [str(Path(__file__).parent), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [sys.executable, "-c", PRESSED], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# State and messages


def test_state_continues_the_average_in_a_new_callback(tiny):
    model, recorder = tiny.model(), Recorder()
    first, second = EMA(0.7), EMA(0.7)

    class HandOver(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.state, self.weights = first.get_state(), model.get_weights()

    hand_over = HandOver()
    tiny.fit(model, first, recorder, hand_over, epochs=1)
    model.set_weights(hand_over.weights)
    second.set_state(hand_over.state)
    tiny.fit(model, second, recorder, initial_epoch=1)
    tiny.same(tiny.weights(model), expected(recorder, 0.7), atol=1e-6)
    assert second.updates == 8


def test_state_comes_back_as_it_was_given(tiny, trained):
    _, ema = trained
    state, again = ema.get_state(), EMA(0.9)
    again.set_state(state)
    assert again.get_state().keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_array_equal(again.get_state()[key], value)


def test_state_of_another_network_is_refused(tiny, trained):
    _, ema = trained
    state = ema.get_state() | {"average/0": np.zeros((5, 5))}
    expected = r"EMA needs a state of the same network. Received: shape \(5, 5\) where the network "
    with pytest.raises(ValueError, match=expected + r"has \(3, 3, 1, 6\), in array 0."):
        ema.set_state(state)


@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_average_is_needed_before_it_is_used(tiny, call):
    text = (
        "EMA needs an average of this model. Received: evaluate or predict before fit. "
        "Call fit with this callback first, or give it a state."
    )
    with pytest.raises(RuntimeError, match=re.escape(text) + "$"):
        getattr(tiny.model(), call)(tiny.batches(), verbose=0, callbacks=[EMA()])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"decay": 1}, "EMA needs 0 <= decay < 1. Received: decay=1."),
        ({"every": 0}, "EMA needs every >= 1. Received: every=0."),
        (
            {"statistics": "no"},
            'EMA needs statistics to be "average" or "copy". Received: statistics=\'no\'.',
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        EMA(**arguments)

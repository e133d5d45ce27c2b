"""All callbacks in one fit: whatever breaks off, nothing of theirs stays in the model."""

import keras
import numpy as np
import pytest

from kcv.callbacks import EMA, SWA, EarlyStopping, Warmup

ERRORS = pytest.mark.parametrize(
    "error", [RuntimeError("on purpose"), KeyboardInterrupt()], ids=["error", "ctrl-c"]
)


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after the last step of training."""

    def __init__(self, tiny):
        super().__init__()
        self.tiny, self.weights = tiny, None

    def on_train_batch_end(self, batch, logs=None):
        self.weights = self.tiny.weights(self.model)


@pytest.fixture
def run(tiny):
    """Give a model after a fit with all callbacks, run layer by layer, and the callbacks."""
    model, ema = tiny.model(), EMA(0.9)
    stopping = EarlyStopping("loss", 9, averaged=ema, restore_best=False)
    together = [Warmup(steps=50), ema, SWA(0, data=tiny.x), stopping]
    tiny.fit(model, *together)
    tiny.eager(model)
    return model, together


def check(tiny, model, wanted):
    tiny.same(tiny.weights(model), wanted)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    # a step that is still wrapped would compute with the average
    plain = keras.ops.convert_to_numpy(model(tiny.x, training=False))
    np.testing.assert_allclose(model.predict(tiny.x, verbose=0), plain, atol=1e-6)
    tiny.same(tiny.weights(model), wanted)


@ERRORS
def test_an_exception_in_a_step_of_fit(tiny, run, error):
    model, together = run
    before, recorder = tiny.weights(model), Recorder(tiny)
    model.bomb.error, model.bomb.calls = error, -5  # the seventh call
    with pytest.raises(type(error)):
        tiny.fit(model, *together, recorder, validation_data=None)
    model.bomb.error = None
    # the statistics of batch norm have moved in the step that broke off
    wanted = [
        kept if variable.trainable else now
        for variable, kept, now in zip(
            model.weights, recorder.weights, tiny.weights(model), strict=True
        )
    ]
    check(tiny, model, wanted)
    assert any((a != b).any() for a, b in zip(before, recorder.weights, strict=True))


@ERRORS
def test_an_exception_in_the_validation_of_fit(tiny, run, error):
    model, together = run
    recorder = Recorder(tiny)
    with pytest.raises(type(error)):
        tiny.fit(model, *together, recorder, validation_data=tiny.batches(error))
    check(tiny, model, recorder.weights)


@ERRORS
def test_an_exception_in_evaluate(tiny, run, error):
    model, together = run
    tiny.fit(model, *together[:1], epochs=1)  # the average is no longer what the model holds
    before = tiny.weights(model)
    with pytest.raises(type(error)):
        model.evaluate(tiny.batches(error), callbacks=together, verbose=0)
    check(tiny, model, before)


@ERRORS
def test_an_exception_in_predict(tiny, run, error):
    model, together = run
    tiny.fit(model, *together[:1], epochs=1)
    before = tiny.weights(model)
    with pytest.raises(type(error)):
        model.predict(((x,) for x, _ in tiny.batches(error)), callbacks=together, verbose=0)
    check(tiny, model, before)


def test_evaluate_and_predict_judge_the_average_and_leave_the_weights(tiny, run):
    model, together = run
    ema = together[1]
    tiny.fit(model, *together[:1], epochs=1)
    before = tiny.weights(model)
    with ema.averaged():
        wanted = model.predict(tiny.x, verbose=0), model.evaluate(tiny.x, tiny.y, verbose=0)
    found = model.predict(tiny.x, callbacks=together, verbose=0)
    np.testing.assert_allclose(found, wanted[0], atol=1e-6)
    found = model.evaluate(tiny.x, tiny.y, callbacks=together, verbose=0)
    np.testing.assert_allclose(found, wanted[1], atol=1e-6)
    assert np.abs(wanted[0] - model.predict(tiny.x, verbose=0)).max() > 1e-4
    check(tiny, model, before)

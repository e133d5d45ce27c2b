"""EarlyStopping: when it stops, what it restores, and that a resumed run knows."""

import math
import re

import keras
import numpy as np
import pytest

from kcv.callbacks import EMA, EarlyStopping


class Script(keras.callbacks.Callback):
    """Writes the values of a script into the epoch logs, and notes the weights."""

    def __init__(self, values):
        super().__init__()
        self.values, self.weights = values, {}

    def on_epoch_end(self, epoch, logs=None):
        if self.values[epoch] is not None:
            logs["val_score"] = self.values[epoch]
        self.weights[epoch] = [np.array(w) for w in self.model.get_weights()]


def run(tiny, values, model=None, before=(), after=(), initial_epoch=0, **options):
    options = {"monitor": "val_score", "patience": 2, "mode": "max"} | options
    model = model or tiny.model()
    stopper, script = EarlyStopping(**options), Script(values)
    callbacks = [script, *before, stopper, *after]
    tiny.fit(
        model, *callbacks, epochs=len(values), initial_epoch=initial_epoch, validation_data=None
    )
    return model, stopper, script


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ([1, 2, 3, 2, 2, 9], {}, 5),
        ([1, 2, 2, 2, 9], {}, 4),
        ([3, 2, 1, 2, 2, 0], {"mode": "min"}, 5),
        ([1, 1.4, 1.8, 9], {"min_delta": 0.5, "patience": 1}, 2),
        ([1, math.nan, math.nan, 9], {}, 3),
        ([math.nan, math.nan, 9], {}, 2),
        ([1, None, 0, None, 0, 9], {}, 5),
        ([1, 2, 3, 4], {}, 4),
    ],
)
def test_training_stops_after_patience_epochs_without_improvement(tiny, values, options, epochs):
    _, stopper, script = run(tiny, values, **options)
    assert len(script.weights) == epochs
    assert stopper.stopped_epoch == (epochs - 1 if epochs < len(values) else None)


@pytest.mark.parametrize("values", [[1, 3, 2, 2], [1, 3, 2]], ids=["stopped", "run to its end"])
def test_best_epoch_is_restored(tiny, values):
    model, stopper, script = run(tiny, values)
    tiny.same(tiny.weights(model), script.weights[1])
    assert (stopper.best, stopper.best_epoch) == (3, 1)


def test_last_weights_stay_if_told_so_or_nothing_was_seen(tiny):
    model, _, script = run(tiny, [1, 3, 2], restore_best=False)
    tiny.same(tiny.weights(model), script.weights[2])
    model, _, script = run(tiny, [math.nan, math.nan, 1])
    tiny.same(tiny.weights(model), script.weights[1])


class Averages(keras.callbacks.Callback):
    """Notes the averaged weights at the ends of the epochs."""

    def __init__(self, ema):
        super().__init__()
        self.ema, self.weights = ema, []

    def on_epoch_end(self, epoch, logs=None):
        with self.ema.averaged():
            self.weights.append([np.array(w) for w in self.model.get_weights()])


@pytest.mark.parametrize("statistics", ["average", "copy"])
@pytest.mark.parametrize("ema_first", [True, False])
def test_best_average_is_restored_in_any_order(tiny, ema_first, statistics):
    ema = EMA(0.5, statistics=statistics)
    note = Averages(ema)
    order = {"before": [ema, note]} if ema_first else {"before": [note], "after": [ema]}
    model, _, _ = run(tiny, [1, 3, 2, 1], averaged=ema, **order)
    tiny.same(tiny.weights(model), note.weights[1])
    assert abs(tiny.weights(model)[0] - note.weights[3][0]).max() > 0


def test_validation_of_the_average_is_what_is_watched(tiny):
    model, ema = tiny.model(), EMA(0.5)
    stopper = EarlyStopping("val_loss", 3, averaged=ema)
    tiny.fit(model, ema, stopper, epochs=4)
    loss = model.evaluate(tiny.x, tiny.y, 16, verbose=0)[0]
    assert loss == pytest.approx(stopper.best, rel=1e-5)


def test_resumed_run_stops_where_the_whole_one_does(tiny):
    values = [1, 3, 2, 2, 9]
    whole, _, script = run(tiny, values)
    model, first, begin = run(tiny, values[:3], restore_best=True)
    model.set_weights(begin.weights[2])
    again, rest = EarlyStopping("val_score", 2, mode="max"), Script(values)
    again.set_state(first.get_state())
    tiny.fit(model, rest, again, epochs=5, initial_epoch=3, validation_data=None)
    assert list(rest.weights) == [3]
    assert (again.best, again.best_epoch, again.stopped_epoch) == (3, 1, 3)
    tiny.same(tiny.weights(model), begin.weights[1])


def test_new_run_forgets_the_old_one(tiny):
    stopper = EarlyStopping("val_score", 2, mode="max")
    tiny.fit(tiny.model(), Script([9, 1]), stopper, validation_data=None)
    tiny.fit(tiny.model(), Script([1, 2]), stopper, validation_data=None)
    assert (stopper.best, stopper.wait) == (2, 0)


def test_missing_training_value_is_an_error(tiny):
    text = "EarlyStopping needs 'f1' in the logs. Received: accuracy, loss."
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        tiny.fit(tiny.model(), EarlyStopping("f1"), validation_data=None)


def test_missing_validation_value_is_said_once(tiny, caplog):
    tiny.fit(tiny.model(), EarlyStopping("val_loss"), validation_data=None)
    assert caplog.messages == ["EarlyStopping waits for val_loss. Epoch 1 has accuracy, loss."]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"patience": 0}, "EarlyStopping needs patience >= 1. Received: patience=0."),
        ({"averaged": 3}, "EarlyStopping needs averaged to be an EMA. Received: 3."),
        ({"min_delta": -1}, "EarlyStopping needs min_delta >= 0. Received: min_delta=-1."),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        EarlyStopping(**arguments)

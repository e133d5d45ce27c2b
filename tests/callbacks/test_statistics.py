"""Batch-norm statistics, measured anew."""

import re

import keras
import numpy as np
import pytest

from kcv.callbacks.statistics import reestimate
from kcv.layers import BatchNorm


def network(norm=keras.layers.BatchNormalization, **options):
    """Batch norm right on the images: its statistics can be counted by hand."""
    image = keras.Input((8, 8, 1))
    first = norm(momentum=0.7, name="first", **options)
    x = keras.layers.Dropout(0.5, seed=1)(first(image))
    inner = keras.Sequential([keras.layers.Conv2D(3, 3), norm(name="second")])
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(inner(x)))


def expected(images, size, unbiased=False):
    """Return mean and variance: each batch counts by its rows."""
    parts = [images[i : i + size] for i in range(0, len(images), size)]
    rows = np.array([len(part) for part in parts])
    spread = [part.var() * (part.size / (part.size - 1) if unbiased else 1) for part in parts]
    means = [part.mean() for part in parts]
    return np.average(means, weights=rows), np.average(spread, weights=rows)


@pytest.mark.parametrize("norm", [keras.layers.BatchNormalization, BatchNorm])
def test_statistics_are_those_of_the_data(tiny, norm):
    model = network(norm)
    for variable in model.get_layer("first").weights:
        variable.assign(variable + float("inf"))  # whatever was there does not matter
    assert reestimate(model, tiny.x[:60], batch_size=16) == 60
    first = model.get_layer("first")
    found = [v.item() for v in tiny.numpy([first.moving_mean, first.moving_variance])]
    wanted = expected(tiny.x[:60], 16, unbiased=norm is BatchNorm)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_layers_inside_of_layers_are_found(tiny):
    model = network()
    second = model.layers[-2].get_layer("second")
    before = tiny.numpy([second.moving_mean])[0]
    reestimate(model, tiny.x)
    assert abs(tiny.numpy([second.moving_mean])[0] - before).min() > 0


def test_nothing_else_changes(tiny):
    model = network()
    before = {v.path: a for v, a in zip(model.variables, tiny.numpy(model.variables), strict=True)}
    reestimate(model, tiny.x)
    changed = [v.path for v in model.variables if (tiny.numpy([v])[0] != before[v.path]).any()]
    assert {path.split("/")[-1] for path in changed} == {"moving_mean", "moving_variance"}
    assert model.get_layer("first").momentum == 0.7


def test_frozen_layers_keep_their_statistics(tiny):
    model = network()
    model.get_layer("first").trainable = False
    before = tiny.numpy(model.get_layer("first").weights)
    reestimate(model, tiny.x)
    tiny.same(tiny.numpy(model.get_layer("first").weights), before)
    model.trainable = False
    assert reestimate(model, tiny.x) == 0


@pytest.mark.parametrize("error", [RuntimeError("on purpose"), KeyboardInterrupt()])
def test_exception_in_the_pass_leaves_all_as_it_was(tiny, error):
    model = network()
    before = tiny.numpy(model.variables)
    with pytest.raises(type(error)):
        reestimate(model, tiny.batches(error))
    tiny.same(tiny.numpy(model.variables), before)
    assert model.get_layer("first").momentum == 0.7


class Rows(keras.utils.PyDataset):
    """Wraps around, as Keras allows: only its length tells the end."""

    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return self.x[16 * (i % 4) :][:16], None


def test_data_may_come_as_fit_takes_it(tiny):
    wanted = None
    listed = list(tiny.batches())
    for data in (tiny.x, (tiny.x, tiny.y), listed, iter(listed), tiny.batches(), Rows(tiny.x)):
        model = network()
        assert reestimate(model, data, batch_size=16) == 64
        found = tiny.numpy(model.get_layer("first").weights)
        tiny.same(found, wanted or found, atol=1e-6)
        wanted = found


def test_batches_limits_an_endless_source(tiny):
    def endless():
        while True:
            yield from tiny.batches()

    assert reestimate(network(), endless(), batches=5) == 80


def test_no_data_is_an_error(tiny):
    model = network()
    before = tiny.numpy(model.variables)
    text = "Batch-norm statistics need at least one batch. Received: no data."
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        reestimate(model, [])
    tiny.same(tiny.numpy(model.variables), before)

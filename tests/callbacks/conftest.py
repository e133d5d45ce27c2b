"""A tiny network and 64 rows, enough for every callback."""

import keras
import numpy as np
import pytest
from keras import ops

from kcv import seeding


class Bomb(keras.layers.Layer):
    """Passes its input on; raises `error` in the second call after it was set."""

    error, calls = None, 0

    def call(self, x):
        if self.error is not None:
            self.calls += 1
            if self.calls == 2:
                raise self.error
        return x


class Tiny:
    """Makes networks and data; also remembers what a user would compare."""

    def __init__(self):
        draw = np.random.default_rng(0)
        self.x = draw.normal(size=(64, 8, 8, 1)).astype("float32")
        self.y = draw.integers(0, 4, size=64).astype("int32")

    def model(self, seed=0, dropout=0.0, optimizer=None, norm=keras.layers.BatchNormalization):
        seeding.set_seed(seed)
        image = x = keras.Input((8, 8, 1))
        x = keras.layers.Conv2D(6, 3, use_bias=False)(x)
        x = keras.layers.Activation("relu")(norm(momentum=0.8)(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dropout(dropout)(x)
        bomb = Bomb()
        model = keras.Model(image, keras.layers.Dense(4)(bomb(x)))
        model.bomb = bomb
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer or keras.optimizers.SGD(0.1, 0.9), loss, metrics=["accuracy"])
        return model

    def fit(self, model, *callbacks, **options):
        options = {"batch_size": 16, "epochs": 2, "validation_data": (self.x, self.y)} | options
        return model.fit(self.x, self.y, verbose=0, callbacks=list(callbacks), **options)

    def batches(self, error=None, size=16):
        """Yield all rows in batches, with `error` raised instead of the third."""
        for i in range(0, 64, size):
            if error is not None and i == 2 * size:
                raise error
            yield self.x[i : i + size], self.y[i : i + size]

    @staticmethod
    def eager(model):
        """Let steps run layer by layer, so that a layer can raise, also on JAX."""
        model.run_eagerly = True
        model.train_function = model.test_function = model.predict_function = None

    @staticmethod
    def numpy(variables):
        return [np.array(ops.convert_to_numpy(v)) for v in variables]

    def weights(self, model):
        return self.numpy(model.weights)


@pytest.fixture
def tiny():
    return Tiny()


def same(first, second, atol=0.0):
    """Compare two lists of arrays."""
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


Tiny.same = staticmethod(same)

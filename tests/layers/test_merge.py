"""Patch merging."""

import keras
import numpy as np
import pytest

from kcv.layers.merge import patch_merging


def merging(size, channels, seed=0):
    image = keras.Input((*size, channels))
    net = keras.Model(image, patch_merging(image))
    draw = np.random.default_rng(seed)
    net.set_weights([draw.normal(size=w.shape) for w in net.weights])
    return net


def slow(x, gamma, beta, kernel):
    """Join the four tokens of each square by hand; what is missing at the border is zero."""
    batch, height, width, channels = x.shape
    rows, columns = -(-height // 2), -(-width // 2)
    whole = np.zeros((batch, 2 * rows, 2 * columns, channels))
    whole[:, :height, :width] = x
    out = np.zeros((batch, rows, columns, kernel.shape[1]))
    for r in range(rows):
        for c in range(columns):
            corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
            joined = np.concatenate([whole[:, 2 * r + a, 2 * c + b] for a, b in corners], -1)
            middle = joined - joined.mean(-1, keepdims=True)
            spread = np.sqrt(joined.var(-1, keepdims=True) + 1e-5)
            out[:, r, c] = (middle / spread * gamma + beta) @ kernel
    return out


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (4, 3), (1, 1)])
def test_it_equals_the_slow_version(size, rng):
    net = merging(size, 3)
    x = rng.normal(size=(2, *size, 3)).astype("float32")
    wanted = slow(x, *net.get_weights())
    assert net.output_shape[1:] == wanted.shape[1:]
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-4)


def test_the_projection_has_no_bias():
    assert [w.shape for w in merging((4, 4), 8).weights] == [(32,), (32,), (32, 16)]

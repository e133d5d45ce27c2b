"""Pooling to a given size against its definition."""

import keras
import numpy as np
import pytest

from kcv.layers.adaptive import pool_to


def slow(x, height, width):
    """Average from floor(i n / m) to ceil((i + 1) n / m) for each of the m outputs."""
    rows, columns = x.shape[1:3]
    y = np.zeros((len(x), height, width, x.shape[-1]))
    for i, j in np.ndindex(height, width):
        top, bottom = i * rows // height, -(-(i + 1) * rows // height)
        left, right = j * columns // width, -(-(j + 1) * columns // width)
        y[:, i, j] = x[:, top:bottom, left:right].mean((1, 2))
    return y


@pytest.mark.parametrize("size", [(2, 3), (4, 4), (6, 7), (1, 1)])
def test_it_equals_the_slow_version(rng, size):
    image = keras.Input((4, 5, 3))
    net, x = keras.Model(image, pool_to(image, *size)), rng.normal(size=(2, 4, 5, 3))
    np.testing.assert_allclose(net.predict(x, verbose=0), slow(x, *size), rtol=1e-4, atol=1e-5)


def test_a_map_of_that_size_passes_without_a_layer():
    image = keras.Input((4, 5, 3))
    assert pool_to(image, 4, 5) is image

"""Local response normalisation against a slow loop."""

import keras
import numpy as np
import pytest

from kcv.layers.lrn import LocalResponseNorm


def slow(x, size, alpha, beta, k):
    """Normalise one number at a time."""
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        first = place[-1] - size // 2
        around = [j for j in range(first, first + size) if 0 <= j < x.shape[-1]]
        energy = sum(float(x[(*place[:-1], j)]) ** 2 for j in around)
        y[place] = x[place] / (k + alpha / size * energy) ** beta
    return y


@pytest.mark.parametrize("size", [1, 2, 5, 4, 9])
def test_it_equals_the_slow_loop(rng, size):
    x = rng.normal(size=(2, 2, 3, 7)).astype("float32")
    y = LocalResponseNorm(size, alpha=2.0, beta=0.6, k=1.5)(x)
    wanted = slow(x, size, 2.0, 0.6, 1.5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), wanted, rtol=1e-5, atol=1e-6)


def test_the_numbers_of_the_paper_are_the_default():
    config = LocalResponseNorm().get_config()
    assert [config[key] for key in ("size", "alpha", "beta", "k")] == [5, 1e-4, 0.75, 2.0]


def test_a_strong_neighbour_lowers_a_channel():
    quiet, loud = np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 9.0]])
    layer = LocalResponseNorm(3, alpha=1.0)
    assert float(layer(loud)[0, 1]) < float(layer(quiet)[0, 1])


def test_a_copy_from_its_config_does_the_same(rng):
    layer, x = LocalResponseNorm(3, alpha=0.5), rng.normal(size=(2, 6)).astype("float32")
    again = LocalResponseNorm.from_config(layer.get_config())
    np.testing.assert_array_equal(np.asarray(layer(x)), np.asarray(again(x)))


def test_half_precision_comes_out_as_it_went_in():
    layer = LocalResponseNorm(dtype="mixed_bfloat16")
    y = layer(keras.ops.ones((1, 2, 2, 4)))
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"


@pytest.mark.parametrize("size", [0, 2.5])
def test_sizes_that_are_no_window_are_refused(size):
    with pytest.raises(ValueError, match=f"an integer >= 1. Received: size={size}"):
        LocalResponseNorm(size)

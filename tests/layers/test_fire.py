"""The fire module against a slow loop."""

import keras
import numpy as np

from kcv.layers import Conv2D
from kcv.layers.fire import fire


def module(**options):
    image = keras.Input((4, 5, 3))
    return keras.Model(image, fire(image, 2, 4, **options))


def relu_conv(x, kernel, bias):
    """Convolve at stride 1 with zeros around, one output pixel at a time, and cut at zero."""
    side = kernel.shape[0]
    around = [(0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)]
    padded, y = np.pad(x, around), np.zeros((*x.shape[:3], kernel.shape[-1]))
    for b, i, j in np.ndindex(y.shape[:3]):
        window = padded[b, i : i + side, j : j + side]
        y[b, i, j] = np.maximum(0, np.tensordot(window, kernel, 3) + bias)
    return y


def test_it_equals_the_slow_loop(rng):
    net, x = module(), rng.normal(size=(2, 4, 5, 3)).astype("float32")
    net.set_weights([rng.normal(size=w.shape) for w in net.weights])
    squeeze, one, three = (c.get_weights() for c in net.layers if isinstance(c, Conv2D))
    inner = relu_conv(x, *squeeze)
    wanted = np.concatenate([relu_conv(inner, *one), relu_conv(inner, *three)], axis=-1)
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-4)


def test_both_branches_expand_alike():
    shapes = [w.shape for w in module().get_weights() if w.ndim == 4]
    assert shapes == [(1, 1, 3, 2), (1, 1, 2, 4), (3, 3, 2, 4)]


def test_another_activation_may_be_named(rng):
    x = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    assert module(act="tanh").predict(x, verbose=0).min() < 0

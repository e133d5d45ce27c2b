"""The inverted residual, shared by four families, against a slow loop."""

import keras
import numpy as np
import pytest

from kcv.layers import BatchNorm, inverted_residual


def block(**options):
    image = keras.Input((8, 8, 6))
    return keras.Model(image, inverted_residual(image, **options))


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


def norm(y, weights):
    gamma, beta, mean, variance = weights
    return (y - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def slow_depthwise(x, kernel):
    """Filter each channel at stride 1 with one pixel of zeros around, a pixel at a time."""
    padded, y = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), np.zeros(x.shape)
    for i, j in np.ndindex(x.shape[1:3]):
        y[:, i, j] = (padded[:, i : i + 3, j : j + 3] * kernel[..., 0]).sum((1, 2))
    return y


def test_it_equals_the_slow_loop(rng):
    net, x = block(width=6, inner=12), rng.normal(size=(2, 8, 8, 6)).astype("float32")
    net.set_weights(
        [rng.uniform(0.5, 1.5, w.shape) - 0.5 * (len(w.shape) > 1) for w in net.weights]
    )
    expand, norm1, filters, norm2, project, norm3 = (
        n.get_weights() for n in net.layers if n.weights
    )
    y = np.maximum(0, norm(x @ expand[0][0, 0], norm1))
    y = np.maximum(0, norm(slow_depthwise(y, filters[0]), norm2))
    wanted = x + norm(y @ project[0][0, 0], norm3)
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-4)


def test_every_convolution_is_normalised():
    net = block(width=6, inner=12)
    assert len([n for n in net.layers if isinstance(n, BatchNorm)]) == 3


def test_no_expansion_where_the_inner_width_is_that_of_the_input():
    assert kinds(block(width=6, inner=6)).count("Conv2D") == 1
    assert kinds(block(width=6, inner=12)).count("Conv2D") == 2


@pytest.mark.parametrize(("width", "stride", "adds"), [(6, 1, 1), (8, 1, 0), (6, 2, 0)])
def test_the_input_is_added_where_it_fits(width, stride, adds):
    net = block(width=width, stride=stride, inner=12)
    assert kinds(net).count("Add") == adds
    assert net.output_shape[1:] == (8 // stride, 8 // stride, width)


def test_stochastic_depth_acts_on_the_branch_only(rng):
    net = block(width=6, inner=12, rate=0.999)
    x = rng.normal(size=(4, 8, 8, 6)).astype("float32")
    kept = keras.ops.convert_to_numpy(net(x, training=True))
    np.testing.assert_array_equal(kept, x)


def test_the_gate_stands_between_filter_and_projection():
    seen = []
    block(width=6, inner=12, gate=lambda y: seen.append(y.shape) or y)
    assert seen == [(None, 8, 8, 12)]

"""Residual blocks and their shortcuts against slow loops."""

import keras
import numpy as np
import pytest

from kcv.layers import BatchNorm, Conv2D, basic_block, bottleneck_block
from kcv.layers.residual import pool_project, project, zero_pad


def block(function, *args, channels=4, **options):
    image = keras.Input((5, 6, channels))
    return keras.Model(image, function(image, *args, **options))


def random_weights(net, rng):
    """Draw all weights, positive where they are no kernels, and return [(kernel, norm), ...]."""
    net.set_weights(
        [rng.normal(size=w.shape) if len(w.shape) > 1 else rng.random(w.shape) for w in net.weights]
    )
    convs = [n.get_weights()[0] for n in net.layers if isinstance(n, Conv2D)]
    norms = [n.get_weights() for n in net.layers if isinstance(n, BatchNorm)]
    return list(zip(convs, norms, strict=True))


def slow_conv(x, kernel, stride=1, groups=1):
    """Convolve by the definition, half a kernel of zeros around, one pixel at a time."""
    side, inner = kernel.shape[0], kernel.shape[2]
    x = np.pad(x, ((0, 0), *[(side // 2, side // 2)] * 2, (0, 0)))
    rows, columns = ((n - side) // stride + 1 for n in x.shape[1:3])
    y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for (b, i, j), group in ((p, g) for p in np.ndindex(y.shape[:3]) for g in range(groups)):
        out = slice(group * y.shape[-1] // groups, (group + 1) * y.shape[-1] // groups)
        window = x[b, i * stride :, j * stride :, group * inner : (group + 1) * inner]
        y[b, i, j, out] = np.tensordot(window[:side, :side], kernel[..., out], 3)
    return y


def normed(x, weights, stride=1, groups=1):
    kernel, (gamma, beta, mean, variance) = weights
    return (slow_conv(x, kernel, stride, groups) - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def relu(x):
    return np.maximum(0, x)


def slow_pad(x, width, stride):
    """Take every `stride`-th pixel and append empty channels."""
    kept = x[:, ::stride, ::stride]
    return np.concatenate([kept, np.zeros((*kept.shape[:3], width - x.shape[-1]))], -1)


def check(net, x, wanted):
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("width", "stride"), [(4, 1), (6, 2)])
def test_basic_equals_the_slow_loop(rng, width, stride):
    net, x = block(basic_block, width, stride, shortcut=zero_pad), rng.normal(size=(2, 5, 6, 4))
    first, second = random_weights(net, rng)
    branch = normed(relu(normed(x, first, stride)), second)
    check(net, x, relu(branch + slow_pad(x, width, stride)))


@pytest.mark.parametrize(("width", "stride", "groups"), [(4, 1, 1), (8, 2, 2)])
def test_bottleneck_equals_the_slow_loop(rng, width, stride, groups):
    options = {"inner": 4, "groups": groups, "shortcut": zero_pad}
    net, x = block(bottleneck_block, width, stride, **options), rng.normal(size=(2, 5, 6, 4))
    down, filters, up = random_weights(net, rng)
    branch = normed(relu(normed(relu(normed(x, down)), filters, stride, groups)), up)
    check(net, x, relu(branch + slow_pad(x, width, stride)))


def test_the_projection_is_a_strided_1x1(rng):
    net, x = block(project, 6, 2), rng.normal(size=(2, 5, 6, 4))
    (weights,) = random_weights(net, rng)
    check(net, x, normed(x, weights, 2))


def test_the_pooled_projection_uses_every_pixel(rng):
    net, x = block(pool_project, 6, 2), rng.normal(size=(2, 5, 6, 4))
    (weights,) = random_weights(net, rng)
    means = [[x[:, 2 * i :, 2 * j :][:, :2, :2].mean((1, 2)) for j in range(3)] for i in range(3)]
    check(net, x, normed(np.array(means).transpose(2, 0, 1, 3), weights))


def test_the_inner_width_is_a_quarter_unless_given():
    convs = [n.filters for n in block(bottleneck_block, 16).layers if isinstance(n, Conv2D)]
    assert sorted(convs) == [4, 4, 16, 16]


@pytest.mark.parametrize(("at", "strides"), [("3x3", [1, 2, 1]), ("1x1", [2, 1, 1])])
def test_the_stride_stands_where_it_is_asked_for(at, strides):
    net = block(bottleneck_block, 8, 2, stride_at=at, shortcut=zero_pad)
    assert [n.strides[0] for n in net.layers if isinstance(n, Conv2D)] == strides


def test_another_place_for_the_stride_is_refused():
    with pytest.raises(ValueError, match="stride_at must be .* Received: '5x5'"):
        block(bottleneck_block, 8, 2, stride_at="5x5")


def test_a_shortcut_without_weights_cannot_take_channels_away():
    with pytest.raises(ValueError, match="Received: width=2 of 4 channels. Use shortcut="):
        block(zero_pad, 2, 1)

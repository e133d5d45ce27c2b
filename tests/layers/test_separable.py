"""Grouped and separable convolutions against full ones with the same effect, and their costs."""

import keras
import numpy as np
import pytest

from kcv.layers import Conv2D, DepthwiseConv2D, conv_norm
from kcv.layers.separable import depthwise_separable, grouped_conv, plain_conv, spatially_separable


def network(block, *args, channels=6, **options):
    image = keras.Input((7, 8, channels))
    return keras.Model(image, block(image, *args, **options))


def slow_conv(x, kernel, stride=1):
    """Convolve by the definition, with half a kernel of zeros around."""
    sides = kernel.shape[:2]
    x = np.pad(x, ((0, 0), *((side // 2, side // 2) for side in sides), (0, 0)))
    rows, columns = ((n - side) // stride + 1 for n, side in zip(x.shape[1:3], sides, strict=True))
    y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for b, i, j in np.ndindex(y.shape[:3]):
        top, left = i * stride, j * stride
        window = x[b, top : top + sides[0], left : left + sides[1]]
        y[b, i, j] = np.tensordot(window, kernel, 3)
    return y


def check(net, wanted, x):
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-4)


def pixels(rng, channels=6):
    return rng.normal(size=(2, 7, 8, channels)).astype("float32")


@pytest.mark.parametrize("stride", [1, 2])
def test_grouped_conv_convolves_each_group_alone(rng, stride):
    net, x = network(grouped_conv, 4, 3, stride, groups=2), pixels(rng)
    (kernel,) = net.get_weights()
    halves = [
        slow_conv(x[..., 3 * g :][..., :3], kernel[..., 2 * g :][..., :2], stride) for g in (0, 1)
    ]
    check(net, np.concatenate(halves, axis=-1), x)


def test_as_many_groups_as_channels_are_the_depthwise_convolution(rng):
    x = pixels(rng)
    grouped = Conv2D(6, 3, padding=1, groups=6, use_bias=False)
    depthwise = DepthwiseConv2D(3, padding=1, use_bias=False)
    grouped.build(x.shape)
    depthwise.build(x.shape)
    depthwise.set_weights([grouped.get_weights()[0].transpose(0, 1, 3, 2)])
    wanted = keras.ops.convert_to_numpy(grouped(x))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(depthwise(x)), wanted, atol=1e-5)


def test_grouped_conv_takes_the_depthwise_layer_when_it_can():
    net = network(grouped_conv, 6, groups=6)
    assert isinstance(net.layers[-1], DepthwiseConv2D)


@pytest.mark.parametrize(("width", "groups"), [(4, 4), (8, 3), (6, 0)])
def test_groups_that_do_not_divide_are_refused(width, groups):
    with pytest.raises(
        ValueError, match=f"Received: groups={groups} with 6 channels in and {width}"
    ):
        network(grouped_conv, width, groups=groups)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_separable_is_a_full_convolution_of_its_two_factors(rng, stride):
    net, x = network(depthwise_separable, 4, 3, stride), pixels(rng)
    spatial, mixing = net.get_weights()
    full = spatial * mixing  # (3, 3, 6, 1) times (1, 1, 6, 4)
    check(net, slow_conv(x, full, stride), x)


@pytest.mark.parametrize("stride", [1, 2])
def test_spatially_separable_is_a_column_then_a_row(rng, stride):
    net, x = network(spatially_separable, 4, 3, stride, inner=5), pixels(rng)
    column, row = net.get_weights()
    full = np.einsum("axci,xbio->abco", column, row)
    check(net, slow_conv(x, full, stride), x)


@pytest.mark.parametrize(
    ("block", "options", "weights"),
    [
        (plain_conv, {}, 3 * 3 * 3 * 4),
        (depthwise_separable, {}, 3 * 3 * 3 + 3 * 4),
        (spatially_separable, {}, 3 * 3 * 4 + 3 * 4 * 4),
        (spatially_separable, {"inner": 2}, 3 * 3 * 2 + 3 * 2 * 4),
    ],
)
def test_weights_are_those_of_the_arithmetic(block, options, weights):
    assert network(block, 4, channels=3, **options).count_params() == weights


def test_with_conv_norm_every_convolution_is_normalised():
    names = [
        type(layer).__name__ for layer in network(depthwise_separable, 4, conv=conv_norm).layers
    ]
    assert names[1:] == ["DepthwiseConv2D", "BatchNorm", "ReLU", "Conv2D", "BatchNorm", "ReLU"]

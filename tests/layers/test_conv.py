"""Convolutions against a slow loop, and against Keras' own."""

import keras
import numpy as np
import pytest

from kcv import kernels
from kcv.layers import AvgPool2D, BatchNorm, Conv2D, DepthwiseConv2D, MaxPool2D, conv_norm


def slow_conv(x, kernel, stride, pad, groups=1):
    """Convolve by the definition: one output number at a time."""
    (top, bottom), (left, right) = pad
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    kh, kw, inner, width = kernel.shape
    rows, columns = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), rows, columns, width))
    for b, i, j, o in np.ndindex(y.shape):
        group = o // (width // groups)
        channels = slice(group * inner, (group + 1) * inner)
        window = x[b, i * stride : i * stride + kh, j * stride : j * stride + kw, channels]
        y[b, i, j, o] = (window * kernel[..., o]).sum()
    return y


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (2, 2)])
def test_conv_equals_the_slow_loop(rng, size, stride, groups):
    x = rng.normal(size=(2, *size, 4)).astype("float32")
    layer = Conv2D(6, 3, stride, padding=1, groups=groups, use_bias=False)
    y = keras.ops.convert_to_numpy(layer(x))
    wanted = slow_conv(x, layer.get_weights()[0], stride, ((1, 1), (1, 1)), groups)
    np.testing.assert_allclose(y, wanted, atol=1e-5)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_named_padding_is_that_of_keras(rng, size, padding):
    x = rng.normal(size=(2, size, size, 3)).astype("float32")
    ours, theirs = Conv2D(4, 3, 2, padding), keras.layers.Conv2D(4, 3, 2, padding)
    y = ours(x), theirs(x)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (y[0], theirs(x))), atol=1e-5)


def test_integer_padding_differs_from_same_at_even_sizes(rng):
    x = rng.normal(size=(1, 8, 8, 3)).astype("float32")
    ours, same = Conv2D(4, 3, 2, 1), Conv2D(4, 3, 2, "same")
    ours(x), same(x)
    same.set_weights(ours.get_weights())
    a, b = (keras.ops.convert_to_numpy(layer(x)) for layer in (ours, same))
    assert np.abs(a - b).max() > 0.1


def test_grouped_convolution_with_a_group_a_channel_is_depthwise(rng):
    x = rng.normal(size=(2, 6, 6, 4)).astype("float32")
    grouped, depthwise = Conv2D(4, 3, 1, 1, groups=4), DepthwiseConv2D(3, 1, 1)
    grouped(x), depthwise(x)
    kernel, bias = depthwise.get_weights()
    grouped.set_weights([kernel.transpose(0, 1, 3, 2), bias])
    ours, theirs = (keras.ops.convert_to_numpy(layer(x)) for layer in (grouped, depthwise))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_depthwise_with_a_multiplier_equals_keras(rng):
    x = rng.normal(size=(2, 6, 6, 4)).astype("float32")
    ours, theirs = (
        DepthwiseConv2D(3, depth_multiplier=2),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
    )
    ours(x), theirs(x)
    theirs.set_weights(ours.get_weights())
    a, b = (keras.ops.convert_to_numpy(layer(x)) for layer in (ours, theirs))
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.skipif(not kernels.TORCH, reason="torch alone lets a layer choose the layout")
def test_the_layout_of_a_kernel_survives_assignment():
    layer = Conv2D(8, 3, padding=1)
    layer.build((None, 8, 8, 4))
    before = layer.kernel.value.stride()
    layer.set_weights([w + 1 for w in layer.get_weights()])
    assert layer.kernel.value.stride() == before
    assert before != (3 * 4 * 8, 4 * 8, 8, 1)  # not Keras' own order


def test_a_window_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="too small for"):
        Conv2D(4, 5)(keras.Input((3, 3, 1)))


def test_padding_must_be_a_word_or_whole_numbers():
    with pytest.raises(ValueError, match="Conv2D needs padding to be"):
        Conv2D(4, 3, padding=-1)
    with pytest.raises(ValueError, match="DepthwiseConv2D needs padding to be"):
        DepthwiseConv2D(3, padding="reflect")


@pytest.mark.parametrize("layer", [Conv2D(4, 3, 2, 1), DepthwiseConv2D(3, 2, (1, 0))])
def test_a_convolution_survives_its_config(layer):
    again = type(layer).from_config(layer.get_config())
    shape = (None, 9, 9, 4)
    assert again.compute_output_shape(shape) == layer.compute_output_shape(shape)


def test_conv_norm_halves_odd_sizes_upwards():
    x = keras.Input((7, 9, 3))
    assert conv_norm(x, 8, 3, 2).shape == (None, 4, 5, 8)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_max_pool_equals_its_definition(rng, size, ceil):
    x = rng.normal(size=(1, *size, 2)).astype("float32") - 5
    layer = MaxPool2D(3, 2, 1, ceil)
    y = keras.ops.convert_to_numpy(layer(x))
    padded = np.pad(x, ((0, 0), (1, 3), (1, 3), (0, 0)), constant_values=-np.inf)
    assert y.shape == layer.compute_output_shape(x.shape)
    for i, j in np.ndindex(y.shape[1:3]):
        window = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        np.testing.assert_array_equal(y[:, i, j], window.max((1, 2)))


@pytest.mark.parametrize("counted", [True, False])
def test_average_pool_counts_padding_as_asked(counted):
    x = np.ones((1, 4, 4, 1), "float32")
    y = keras.ops.convert_to_numpy(AvgPool2D(3, 2, 1, count_pad=counted)(x))
    assert y[0, 0, 0, 0] == pytest.approx(4 / 9 if counted else 1)


def test_batch_norm_takes_the_unbiased_variance_and_restores_nothing_else(rng):
    x = rng.normal(3, 2, size=(4, 5, 5, 2)).astype("float32")
    layer = BatchNorm(momentum=0.8)
    y = keras.ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    _, _, mean, variance = layer.get_weights()
    np.testing.assert_allclose(mean, 0.2 * x.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(variance, 0.8 + 0.2 * x.var((0, 1, 2), ddof=1), rtol=1e-4)


def test_batch_norm_in_use_leaves_its_statistics_alone(rng):
    layer = BatchNorm()
    x = rng.normal(size=(4, 3, 3, 2)).astype("float32")
    layer(x, training=True)
    before = layer.get_weights()
    layer(x)
    layer.trainable = False
    layer(x, training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_batch_norm_of_one_value_a_channel_gives_beta():
    layer = BatchNorm()
    y = keras.ops.convert_to_numpy(layer(np.full((1, 1, 1, 3), 7, "float32"), training=True))
    np.testing.assert_allclose(y, 0, atol=1e-5)


def test_batch_norm_normalises_the_last_axis_only():
    with pytest.raises(ValueError, match="the last axis only"):
        BatchNorm(axis=1)

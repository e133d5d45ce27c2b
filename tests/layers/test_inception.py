"""What the Inception networks share."""

import keras
import numpy as np

from kcv.layers import Conv2D
from kcv.layers.inception import AuxiliaryLogits, inception_branch, scaled_conv


def branch(*steps):
    image = keras.Input((9, 9, 3))
    return keras.Model(image, inception_branch(image, *steps))


def test_a_branch_keeps_the_size_at_stride_one():
    assert branch((4, 1), (6, (1, 7)), (5, 3)).output_shape == (None, 9, 9, 5)


def test_a_step_of_two_meets_an_unpadded_pooling():
    pooled = keras.layers.MaxPooling2D(3, 2)(keras.Input((9, 9, 3)))
    assert branch((4, 1), (6, 3, 2)).output_shape[1:3] == pooled.shape[1:3]


def test_a_branch_convolves_in_the_order_given():
    kernels = [
        c.kernel_size for c in branch((4, 1), (4, 5), (4, 3)).layers if isinstance(c, Conv2D)
    ]
    assert kernels == [(1, 1), (5, 5), (3, 3)]


def slow(x, kernel, stride=1):
    """Convolve, normalise with fresh statistics and cut at zero, one pixel at a time."""
    (rows, columns), edge = kernel.shape[:2], 0 if stride > 1 else 1
    around = [(0, 0), (edge * (rows // 2),) * 2, (edge * (columns // 2),) * 2, (0, 0)]
    x = np.pad(x, around)
    height, width = (x.shape[1] - rows) // stride + 1, (x.shape[2] - columns) // stride + 1
    y = np.zeros((len(x), height, width, kernel.shape[-1]))
    for b, i, j in np.ndindex(y.shape[:3]):
        window = x[b, i * stride :, j * stride :][:rows, :columns]
        y[b, i, j] = np.tensordot(window, kernel, 3)
    return np.maximum(0, y) / np.sqrt(1 + 1e-5)


def test_a_branch_equals_the_slow_loop(rng):
    net, x = branch((4, 1), (6, (1, 7)), (5, 3, 2)), rng.normal(size=(2, 9, 9, 3))
    first, second, third = (c.get_weights()[0] for c in net.layers if isinstance(c, Conv2D))
    wanted = slow(slow(slow(x, first), second), third, 2)
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-4)


def test_a_factor_scales_the_width():
    image = keras.Input((4, 4, 3))
    widths = [scaled_conv(image, 10, factor=factor).shape[-1] for factor in (0.01, 0.5, 2)]
    assert widths == [1, 5, 20]


def test_auxiliary_logits_keep_their_weight_in_the_loss():
    layer = AuxiliaryLogits(3, 0.4)
    x = np.ones((2, 5), "float32")
    assert layer(x).shape == (2, 3)
    assert AuxiliaryLogits.from_config(layer.get_config()).loss_weight == 0.4

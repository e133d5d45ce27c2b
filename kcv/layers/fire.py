"""The fire module of SqueezeNet."""

import keras

from kcv.layers.conv import Conv2D, activate
from kcv.layers.init import fresh


def fire(x, squeeze: int, expand: int, *, act: str = "relu", init="he_uniform"):
    """Squeeze with 1x1, then expand with 1x1 and 3x3 side by side.

    `(B, H, W, C) -> (B, H, W, 2 expand)`. The convolutions have biases and no normalisation. A 3x3
    pays for each of its input channels nine times, so few are let through.

    Args:
        squeeze: channels between; in the paper an eighth of `2 * expand`.
        expand: channels of each of the two expanding branches.
        act: activation after each convolution.
        init: initialiser of the kernels.

    Source: Iandola et al. 2016, https://arxiv.org/abs/1602.07360.
    """
    x = activate(Conv2D(squeeze, 1, kernel_initializer=fresh(init))(x), act)
    branches = [
        activate(Conv2D(expand, side, padding=side // 2, kernel_initializer=fresh(init))(x), act)
        for side in (1, 3)
    ]
    return keras.layers.Concatenate()(branches)

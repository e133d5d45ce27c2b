"""Patch merging: how a hierarchical transformer halves its map."""

import keras
from keras import ops

from kcv.layers.init import SMALL_NORMAL, fresh
from kcv.layers.linear import Linear


def patch_merging(x, epsilon: float = 1e-5):
    """Join each 2x2 square of tokens into one: `(B, H, W, C) -> (B, ceil(H/2), ceil(W/2), 2 C)`.

    The four vectors are concatenated column by column (upper left, lower left, upper right, lower
    right), normalised and projected without a bias. An odd row or column is paired with zeros.

    Args:
        epsilon: of the layer normalisation.

    Source: Liu et al. 2021, https://arxiv.org/abs/2103.14030.
    """
    height, width, channels = x.shape[1:]
    if height % 2 or width % 2:
        x = keras.layers.ZeroPadding2D(((0, height % 2), (0, width % 2)))(x)
        height, width = x.shape[1:3]
    x = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
    x = ops.transpose(x, (0, 1, 3, 4, 2, 5))
    x = ops.reshape(x, (-1, height // 2, width // 2, 4 * channels))
    x = keras.layers.LayerNormalization(epsilon=epsilon)(x)
    return Linear(2 * channels, use_bias=False, kernel_initializer=fresh(SMALL_NORMAL))(x)

"""Swin Transformer: attention in windows that shift from block to block, on a shrinking map.

Liu et al. 2021, https://arxiv.org/abs/2103.14030. Maps that the window does not divide are padded,
as in torchvision, so one set of weights serves every image size. Dense layers and tables of biases
start with a standard deviation of 0.02 and biases at zero, as in the authors' code; the patch
embedding with the inverse root of its fan.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    Conv2D,
    classify,
    drop_path,
    drop_path_rates,
    fewer_halvings,
    image_input,
    mlp,
    tap,
)
from kcv.layers.init import SMALL_NORMAL
from kcv.layers.merge import patch_merging
from kcv.layers.window import WindowAttention


def swin_block(
    x,
    num_heads: int,
    window: int = 7,
    shift: int = 0,
    *,
    mlp_ratio: float = 4.0,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    rate: float = 0.0,
    epsilon: float = 1e-5,
):
    """Pre-norm transformer block with attention in windows: `(B, H, W, C) -> (B, H, W, C)`.

    Args:
        num_heads, window, shift: of `WindowAttention`.
        mlp_ratio: width inside the MLP, in multiples of C.
        dropout, attention_dropout: rates after the projections and on the attention weights.
        rate: of stochastic depth on both branches.
        epsilon: of the layer normalisations.
    """
    y = keras.layers.LayerNormalization(epsilon=epsilon)(x)
    y = WindowAttention(num_heads, window, shift, dropout=attention_dropout, rate=dropout)(y)
    x = keras.layers.Add()([x, drop_path(y, rate)])
    y = keras.layers.LayerNormalization(epsilon=epsilon)(x)
    y = mlp(y, round(x.shape[-1] * mlp_ratio), dropout=dropout)
    return keras.layers.Add()([x, drop_path(y, rate)])


def swin(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    patch: int = 4,
    window: int = 7,
    width: int = 96,
    depths: tuple[int, ...] = (2, 2, 6, 2),
    num_heads: tuple[int, ...] = (3, 6, 12, 24),
    mlp_ratio: float = 4.0,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    drop_rate: float = 0.0,
    ln_epsilon: float = 1e-5,
    name: str = "swin_tiny",
) -> Model:
    """Build a Swin Transformer: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the normalised feature map at stride 32.
        image_size: pixels, a number or (height, width); what does not fill a patch is cut off.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, patches of half the side,
            or `"small"`, of a quarter. Both take windows of half the side, or the whole map where
            that is smaller.
        patch: side of a patch in pixels.
        window: side of a window in tokens.
        width: channels of the first stage; each further stage doubles them.
        depths, num_heads: blocks and heads of each stage.
        mlp_ratio: width inside the MLPs, in multiples of the channels.
        dropout, attention_dropout: rates on tokens and on attention weights.
        drop_rate: largest rate of stochastic depth, linear over the blocks; 0.2 for tiny, 0.3 for
            small and 0.5 for base in the paper.
        ln_epsilon: of the layer normalisations.

    Raises:
        ValueError: if the heads do not divide the channels, there are not as many `num_heads` as
            `depths`, or the image is smaller than a patch.
    """
    if len(depths) != len(num_heads):
        raise ValueError(
            "Swin needs one number of heads for each stage. "
            f"Received: depths={depths}, num_heads={num_heads}."
        )
    fewer = fewer_halvings(stem)
    if fewer:
        patch, window = max(1, patch >> fewer), (window + 1) // 2
    image, x = image_input(image_size, channels, normalize)
    x = Conv2D(width, patch, patch, kernel_initializer="lecun_normal")(x)
    x = tap(keras.layers.LayerNormalization(epsilon=ln_epsilon)(x), "stage1")
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    rates = iter(drop_path_rates(drop_rate, sum(depths)))
    for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
        x = patch_merging(x, ln_epsilon) if stage else x
        side = min(window, *x.shape[1:3]) if fewer else window
        for index in range(depth):
            x = swin_block(
                x,
                heads,
                side,
                side // 2 if index % 2 else 0,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                attention_dropout=attention_dropout,
                rate=next(rates),
                epsilon=ln_epsilon,
            )
        x = tap(x, f"stage{stage + 2}")
    x = tap(keras.layers.LayerNormalization(epsilon=ln_epsilon)(x), "features")
    return Model(image, classify(x, num_classes, dropout, SMALL_NORMAL), name=name)


def _row(width, depths, num_heads):
    return partial(swin, width=width, depths=depths, num_heads=num_heads)


VARIANTS = {
    "swin_tiny": _row(96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_small": _row(96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_base": _row(128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "swin_large": _row(192, (2, 2, 18, 2), (6, 12, 24, 48)),
}

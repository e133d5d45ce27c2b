"""Vision Transformer, and DeiT with its distillation token.

Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929; Touvron et al. 2020,
https://arxiv.org/abs/2012.12877. Dense layers, tokens and positions start with a standard deviation
of 0.02 and biases at zero, as in the code of DeiT; the patch embedding with the inverse root of its
fan, as in the first paper's code.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    ClassToken,
    Linear,
    PositionEmbedding,
    drop_path_rates,
    fewer_halvings,
    image_input,
    patch_embed,
    tap,
    transformer_encoder,
)
from kcv.layers.head import check_classes
from kcv.layers.init import SMALL_NORMAL, fresh


def _scores(x, num_classes: int, dropout: float, distilled: bool):
    """Score the class token; a distilled network averages its two heads, as DeiT does in use."""
    heads = []
    for index, name in enumerate(("class", "distilled") if distilled else ("logits",)):
        token = x[:, index]
        if dropout:
            token = keras.layers.Dropout(dropout)(token)
        name = name if name == "logits" else f"logits_{name}"
        heads.append(Linear(num_classes, kernel_initializer=fresh(SMALL_NORMAL), name=name)(token))
    return keras.layers.Average(name="logits")(heads) if distilled else heads[0]


def vit(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    patch: int = 16,
    width: int = 192,
    depth: int = 12,
    num_heads: int = 3,
    mlp_ratio: float = 4.0,
    distilled: bool = False,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    drop_rate: float = 0.0,
    layer_scale: float | None = None,
    ln_epsilon: float = 1e-6,
    name: str = "vit_tiny_16",
) -> Model:
    """Build a Vision Transformer: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the normalised tokens `(B, 1 + N, width)`.
        image_size: pixels, a number or (height, width), from one patch (16 pixels) on; what does
            not fill a patch is cut off.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, patches of half the side,
            or `"small"`, of a quarter, so that 28 pixels still give 49 tokens.
        patch: side of a patch in pixels.
        width, depth, num_heads, mlp_ratio: of the encoder.
        distilled: adds a distillation token and head (DeiT); the logits are the mean of both
            heads, `logits_class` and `logits_distilled` are to be had by name.
        dropout, attention_dropout: rates on tokens and on attention weights.
        drop_rate: largest rate of stochastic depth, linear over the blocks.
        layer_scale: initial value of learned branch scales, None for none.
        ln_epsilon: of the layer normalisations.

    Raises:
        ValueError: if the image is smaller than a patch, or the heads do not divide the width.
    """
    patch = max(1, patch >> fewer_halvings(stem))
    image, x = image_input(image_size, channels, normalize)
    grid = (image.shape[1] // patch, image.shape[2] // patch)
    if not all(grid):
        raise ValueError(
            f"A patch of {patch} pixels needs an image of at least that size. "
            f'Received: image_size={image_size}. Use stem="small" or a smaller patch.'
        )
    x = tap(patch_embed(x, width, patch), "stage1")
    x = PositionEmbedding(grid)(ClassToken(2 if distilled else 1)(x))
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    for index, rate in enumerate(drop_path_rates(drop_rate, depth), start=1):
        x = transformer_encoder(
            x,
            num_heads,
            mlp_ratio,
            dropout=dropout,
            attention_dropout=attention_dropout,
            drop_rate=rate,
            layer_scale=layer_scale,
            epsilon=ln_epsilon,
        )
        if 4 * index % depth == 0:
            x = tap(x, f"stage{1 + 4 * index // depth}")
    x = tap(keras.layers.LayerNormalization(epsilon=ln_epsilon)(x), "features")
    check_classes(num_classes)
    if num_classes is not None:
        x = _scores(x, num_classes, dropout, distilled)
    return Model(image, x, name=name)


def _row(width, depth, num_heads, patch, **changes):
    return partial(vit, width=width, depth=depth, num_heads=num_heads, patch=patch, **changes)


VARIANTS = {
    "vit_tiny_16": _row(192, 12, 3, 16),
    "vit_small_16": _row(384, 12, 6, 16),
    "vit_small_32": _row(384, 12, 6, 32),
    "vit_base_16": _row(768, 12, 12, 16),
    "vit_base_32": _row(768, 12, 12, 32),
    "vit_large_16": _row(1024, 24, 16, 16),
    "vit_large_32": _row(1024, 24, 16, 32),
    "deit_tiny_distilled_16": _row(192, 12, 3, 16, distilled=True),
    "deit_small_distilled_16": _row(384, 12, 6, 16, distilled=True),
}

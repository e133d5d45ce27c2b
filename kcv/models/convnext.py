"""ConvNeXt: a ResNet rebuilt step by step until it trains like a Swin transformer.

Liu et al. 2022, https://arxiv.org/abs/2201.03545. Atto to nano are timm's smaller rows: the same
network, written there with 1x1 convolutions. Kernels start with a standard deviation of 0.02,
biases at zero and branch scales at 1e-6, as in the authors' code.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    Conv2D,
    DepthwiseConv2D,
    LayerScale,
    classify,
    drop_path,
    drop_path_rates,
    fewer_halvings,
    image_input,
    mlp,
    tap,
)
from kcv.layers.init import SMALL_NORMAL, fresh


def convnext_block(
    x, kernel: int = 7, *, layer_scale: float | None = 1e-6, rate=0.0, epsilon: float = 1e-6
):
    """Depthwise convolution, normalisation, MLP of four times the width, learned scale, shortcut.

    `(B, H, W, C) -> (B, H, W, C)`

    Args:
        kernel: side of the depthwise convolution, odd.
        layer_scale: initial value of the learned branch scale, None for none.
        rate: of stochastic depth.
        epsilon: of the layer normalisation.
    """
    init = fresh(SMALL_NORMAL)
    y = DepthwiseConv2D(kernel, padding=kernel // 2, depthwise_initializer=init)(x)
    y = keras.layers.LayerNormalization(epsilon=epsilon)(y)
    y = mlp(y, 4 * x.shape[-1])
    y = y if layer_scale is None else LayerScale(layer_scale)(y)
    return keras.layers.Add()([x, drop_path(y, rate)])


def _patches(x, width: int, side: int):
    """Embed squares that do not overlap: a convolution whose stride is its kernel."""
    return Conv2D(width, side, side, kernel_initializer=fresh(SMALL_NORMAL))(x)


def convnext(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    patch: int = 4,
    width: int = 96,
    depths: tuple[int, ...] = (3, 3, 9, 3),
    kernel: int = 7,
    layer_scale: float | None = 1e-6,
    dropout: float = 0.0,
    drop_rate: float = 0.0,
    ln_epsilon: float = 1e-6,
    head_epsilon: float | None = None,
    name: str = "convnext_tiny",
) -> Model:
    """Build a ConvNeXt: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map at stride 32, not normalised.
        image_size: pixels, a number or (height, width); what does not fill a patch is cut off.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, patches of half the side,
            or `"small"`, of a quarter.
        patch: side of a patch of the stem in pixels.
        width: channels of the first stage; each further stage doubles them.
        depths: blocks in each stage.
        kernel: side of the depthwise convolutions.
        layer_scale: initial value of the learned branch scales, None for none.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth, linear over the blocks; 0.1 for tiny to 0.5
            for large in the paper.
        ln_epsilon: of the layer normalisations.
        head_epsilon: of the one before the classifier, None for the same.
    """
    norm = partial(keras.layers.LayerNormalization, epsilon=ln_epsilon)
    image, x = image_input(image_size, channels, normalize)
    x = _patches(x, width, max(1, patch >> fewer_halvings(stem)))
    x = tap(norm()(x), "stage1")
    rates = iter(drop_path_rates(drop_rate, sum(depths)))
    for stage, depth in enumerate(depths):
        if stage:
            x = _patches(norm()(x), width * 2**stage, 2)
        for _ in range(depth):
            rate = next(rates)
            x = convnext_block(x, kernel, layer_scale=layer_scale, rate=rate, epsilon=ln_epsilon)
        x = tap(x, f"stage{stage + 2}")
    x = tap(x, "features")
    if num_classes is not None:
        x = keras.layers.GlobalAveragePooling2D()(x)
        epsilon = ln_epsilon if head_epsilon is None else head_epsilon
        x = keras.layers.LayerNormalization(epsilon=epsilon)(x)
    x = classify(x, num_classes, dropout, SMALL_NORMAL, pool=False)
    return Model(image, x, name=name)


def _row(width, depths):
    return partial(convnext, width=width, depths=depths)


VARIANTS = {
    "convnext_atto": _row(40, (2, 2, 6, 2)),
    "convnext_femto": _row(48, (2, 2, 6, 2)),
    "convnext_pico": _row(64, (2, 2, 6, 2)),
    "convnext_nano": _row(80, (2, 2, 8, 2)),
    "convnext_tiny": _row(96, (3, 3, 9, 3)),
    "convnext_small": _row(96, (3, 3, 27, 3)),
    "convnext_base": _row(128, (3, 3, 27, 3)),
    "convnext_large": _row(192, (3, 3, 27, 3)),
    "convnext_xlarge": _row(256, (3, 3, 27, 3)),
}

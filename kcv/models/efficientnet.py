"""EfficientNet B0 to B7: one searched network, scaled in width, depth and image size together.

Tan and Le 2019, https://arxiv.org/abs/1905.11946. Numbers follow torchvision. So does the start, on
which the paper is silent: convolutions by He's rule, the classifier uniform within the inverse root
of its classes, biases at zero.
"""

import math
from functools import partial
from typing import NamedTuple

import keras

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    classify,
    conv_norm,
    fewer_halvings,
    image_input,
    inverted_residual,
    squeeze_excite,
    tap,
)
from kcv.models.mobilenet_v2 import conv_padding, round_width


class Stage(NamedTuple):
    """Equal blocks (table 1 of the paper)."""

    kernel: int
    expansion: int
    width: int
    depth: int
    stride: int  # of the first block


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 6, 24, 2, 2),
    Stage(5, 6, 40, 2, 2),
    Stage(3, 6, 80, 3, 2),
    Stage(5, 6, 112, 3, 1),
    Stage(5, 6, 192, 4, 2),
    Stage(3, 6, 320, 1, 1),
)
HEAD_INIT = keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform", seed=0)


def mbconv(
    x, width: int, stride: int = 1, *, expansion: int = 6, kernel=3, rate=0.0, conv=conv_norm
):
    """Inverted residual whose squeeze-and-excite is a quarter as wide as the block's input.

    `(B, H, W, C) -> (B, H / stride, W / stride, width)`; `rate` is that of stochastic depth, `conv`
    is `conv_norm` with the network's settings.
    """
    return inverted_residual(
        x,
        width,
        stride,
        inner=round_width(x.shape[-1] * expansion),
        kernel=kernel,
        gate=partial(squeeze_excite, width=max(1, x.shape[-1] // 4), act="silu"),
        rate=rate,
        conv=conv,
    )


def efficientnet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    padding: str = "symmetric",
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    drop_rate: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "efficientnet_b0",
) -> Model:
    """Build an EfficientNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map at stride 32.
        image_size: pixels, a number or (height, width). Each row has the paper's: 224 for B0, 240,
            260 (torchvision's B2 was tested at 288), 300, 380, 456, 528, 600 for B7.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"` halves the image five times, `"medium"` four and `"small"` three times,
            for images of 64 pixels or less.
        padding: `"symmetric"`, or `"same"` for weights that were trained in TensorFlow.
        width, depth: multipliers of channels and of blocks in a stage.
        dropout: rate before the classifier.
        drop_rate: of stochastic depth, growing linearly over the blocks and reached after the
            last one; 0.2 in the paper.
        bn_momentum, bn_epsilon: of the batch normalisations; long runs on ImageNet took a
            momentum of 0.99.

    Raises:
        ValueError: if `padding` is neither word.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm, act="silu", padding=conv_padding(padding))
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = conv(x, round_width(32 * width), 3, 1 if fewer else 2)
    depths = [math.ceil(stage.depth * depth) for stage in STAGES]
    rates = iter(drop_rate * i / sum(depths) for i in range(sum(depths)))
    level = 1
    for stage, blocks in zip(STAGES, depths, strict=True):
        stride = stage.stride
        if stride == 2:
            x, level = tap(x, f"stage{level}"), level + 1
            stride = 1 if fewer == 2 and level == 2 else 2
        for block in range(blocks):
            x = mbconv(
                x,
                round_width(stage.width * width),
                stride if block == 0 else 1,
                expansion=stage.expansion,
                kernel=stage.kernel,
                rate=next(rates),
                conv=conv,
            )
    x = tap(x, f"stage{level}")
    x = tap(conv(x, 4 * x.shape[-1], 1), "features")
    return Model(image, classify(x, num_classes, dropout, HEAD_INIT), name=name)


def _row(width, depth, image_size, dropout, **changes):
    size = {"width": width, "depth": depth, "image_size": image_size, "dropout": dropout}
    return partial(efficientnet, **size, **changes)


VARIANTS = {
    "efficientnet_b0": _row(1.0, 1.0, 224, 0.2),
    "efficientnet_b1": _row(1.0, 1.1, 240, 0.2),
    "efficientnet_b2": _row(1.1, 1.2, 260, 0.3),
    "efficientnet_b3": _row(1.2, 1.4, 300, 0.3),
    "efficientnet_b4": _row(1.4, 1.8, 380, 0.4),
    "efficientnet_b5": _row(1.6, 2.2, 456, 0.4, bn_epsilon=1e-3),
    "efficientnet_b6": _row(1.8, 2.6, 528, 0.5, bn_epsilon=1e-3),
    "efficientnet_b7": _row(2.0, 3.1, 600, 0.5, bn_epsilon=1e-3),
}

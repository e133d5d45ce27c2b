"""MobileNetV3: inverted residuals with squeeze-and-excite and hard swish, found by search.

Howard et al. 2019, https://arxiv.org/abs/1905.02244. Numbers follow torchvision; where the width
is not 1, the inner widths are timm's: the expansion times the rounded width of the input. Weights
start as torchvision's: He's rule, and a normal of 0.01 for both dense layers.
"""

import math
from functools import partial
from typing import NamedTuple

import keras

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    Linear,
    classify,
    conv_norm,
    drop_path_rates,
    fewer_halvings,
    image_input,
    inverted_residual,
    squeeze_excite,
    tap,
)
from kcv.layers.init import fresh
from kcv.models.mobilenet_v2 import HEAD_INIT, conv_padding, round_width


class Stage(NamedTuple):
    """Blocks of one width (tables 1 and 2 of the paper)."""

    kernel: int
    width: int
    expansions: tuple[float, ...]  # one for each block
    se: bool
    act: str
    stride: int  # of the first block


LARGE = (
    Stage(3, 16, (1,), False, "relu", 1),
    Stage(3, 24, (4, 3), False, "relu", 2),
    Stage(5, 40, (3, 3, 3), True, "relu", 2),
    Stage(3, 80, (6, 2.5, 2.3, 2.3), False, "hard_silu", 2),
    Stage(3, 112, (6, 6), True, "hard_silu", 1),
    Stage(5, 160, (6, 6, 6), True, "hard_silu", 2),
)
SMALL = (
    Stage(3, 16, (1,), True, "relu", 2),
    Stage(3, 24, (4.5, 3.67), False, "relu", 2),
    Stage(5, 40, (4, 6, 6), True, "hard_silu", 2),
    Stage(5, 48, (3, 3), True, "hard_silu", 1),
    Stage(5, 96, (6, 6, 6), True, "hard_silu", 2),
)


def _depth(stage: Stage, depth: float) -> int:
    """Return the number of blocks of a stage."""
    return math.ceil(len(stage.expansions) * depth)


def _blocks(x, stage: Stage, stride: int, width: float, rates: list[float], conv):
    """Return the output of one stage, a block for each rate of stochastic depth."""
    conv = partial(conv, act=stage.act)
    for index, rate in enumerate(rates):
        expansion = stage.expansions[min(index, len(stage.expansions) - 1)]
        inner = round_width(x.shape[-1] * expansion)
        gate = None
        if stage.se:
            gate = partial(squeeze_excite, width=round_width(inner / 4), gate="hard_sigmoid")
        x = inverted_residual(
            x,
            round_width(stage.width * width),
            stride if index == 0 else 1,
            inner=inner,
            kernel=stage.kernel,
            gate=gate,
            rate=rate,
            conv=conv,
        )
    return x


def mobilenet_v3(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    padding: str = "symmetric",
    stages: tuple[Stage, ...] = LARGE,
    head: int = 1280,
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    drop_rate: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-3,
    name: str = "mobilenet_v3_large",
) -> Model:
    """Build MobileNetV3: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map at stride 32.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"` halves the image five times, `"medium"` four and `"small"` three times,
            for images of 64 pixels or less.
        padding: `"symmetric"`, or `"same"` for weights that were trained in TensorFlow.
        stages: rows of the body.
        head: channels of the layer before the classifier; a width below 1 leaves them.
        width, depth: multipliers of channels and of blocks in a stage.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth, linear over the blocks.
        bn_momentum, bn_epsilon: of the batch normalisations; long runs on ImageNet took a
            momentum of 0.99.

    Raises:
        ValueError: if `padding` is neither word.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm, act="hard_silu", padding=conv_padding(padding))
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = conv(x, round_width(16 * width), 3, 1 if fewer else 2)
    rates = drop_path_rates(drop_rate, sum(_depth(stage, depth) for stage in stages))
    level = 1
    for stage in stages:
        stride = stage.stride
        if stride == 2:
            x, level = tap(x, f"stage{level}"), level + 1
            stride = 1 if fewer == 2 and level == 2 else 2
        blocks = _depth(stage, depth)
        x, rates = _blocks(x, stage, stride, width, rates[:blocks], conv), rates[blocks:]
    x = conv(tap(x, f"stage{level}"), 6 * x.shape[-1], 1)
    x = tap(x, "features")
    if num_classes is not None:
        x = keras.layers.GlobalAveragePooling2D()(x)
        hidden, init = round_width(head * max(1.0, width)), fresh(HEAD_INIT)
        x = Linear(hidden, activation="hard_silu", kernel_initializer=init)(x)
    x = classify(x, num_classes, dropout, HEAD_INIT, pool=False)
    return Model(image, x, name=name)


_large = partial(mobilenet_v3, stages=LARGE, head=1280)
_small = partial(mobilenet_v3, stages=SMALL, head=1024)

VARIANTS = {
    "mobilenet_v3_large": _large,
    "mobilenet_v3_small": _small,
    # timm's, whose epsilon is PyTorch's default
    "mobilenet_v3_large_075": partial(_large, width=0.75, bn_epsilon=1e-5),
    "mobilenet_v3_small_075": partial(_small, width=0.75, bn_epsilon=1e-5),
}

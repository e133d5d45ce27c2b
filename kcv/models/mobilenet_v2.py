"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al. 2018, https://arxiv.org/abs/1801.04381. Padding and rounding of widths follow
torchvision and timm, the start torchvision: He's rule, and a normal of 0.01 for the classifier.
"""

import math
from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    classify,
    conv_norm,
    drop_path_rates,
    fewer_halvings,
    image_input,
    inverted_residual,
    tap,
)

# expansion, width, depth, stride of the first block (table 2 of the paper)
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
HEAD_INIT = keras.initializers.RandomNormal(stddev=0.01, seed=0)


def round_width(width: float, divisor: int = 8) -> int:
    """Round a number of channels to a multiple of `divisor`, never more than 10 % down."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def conv_padding(padding: str) -> str | None:
    """Return what `conv_norm` takes for the padding of a network, `"symmetric"` or `"same"`.

    Raises:
        ValueError: for any other word.
    """
    if padding not in ("symmetric", "same"):
        raise ValueError(f'padding must be "symmetric" or "same". Received: padding={padding!r}.')
    return "same" if padding == "same" else None


def mobilenet_v2(
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
    zero_init_residual: bool = False,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "mobilenet_v2",
) -> Model:
    """Build MobileNetV2: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map `(B, H/32, W/32, 1280)`.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"` halves the image five times, `"medium"` four and `"small"` three times,
            for images of 64 pixels or less.
        padding: `"symmetric"`, or `"same"` for weights that were trained in TensorFlow.
        width, depth: multipliers of channels and of blocks in a stage.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth, linear over the blocks.
        zero_init_residual: let the last scale of each residual branch start at zero, so that the
            network starts as the blocks that change the shape (Goyal et al. 2017,
            https://arxiv.org/abs/1706.02677). Short runs learn faster so.
        bn_momentum, bn_epsilon: of the batch normalisations.

    Raises:
        ValueError: if `padding` is neither word.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm, act="relu6", padding=conv_padding(padding))
    end = partial(conv, norm=partial(norm, gamma_initializer="zeros"))
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = conv(x, round_width(32 * width), 3, 1 if fewer else 2)
    depths = [math.ceil(blocks * depth) for _, _, blocks, _ in STAGES]
    rates = iter(drop_path_rates(drop_rate, sum(depths)))
    level = 1
    for index, (expansion, base, _, stride) in enumerate(STAGES):
        if stride == 2:
            x, level = tap(x, f"stage{level}"), level + 1
        stride = 1 if fewer == 2 and index == 1 else stride
        for block in range(depths[index]):
            options = {"inner": x.shape[-1] * expansion, "rate": next(rates), "conv": conv}
            options["end"] = end if zero_init_residual else conv
            first = stride if block == 0 else 1
            x = inverted_residual(x, round_width(base * width), first, **options)
    x = conv(tap(x, f"stage{level}"), round_width(1280 * max(1.0, width)), 1)
    x = classify(tap(x, "features"), num_classes, dropout, HEAD_INIT)
    return Model(image, x, name=name)


VARIANTS = {
    "mobilenet_v2": partial(mobilenet_v2),
    "mobilenet_v2_035": partial(mobilenet_v2, width=0.35),
    "mobilenet_v2_050": partial(mobilenet_v2, width=0.5),
    "mobilenet_v2_075": partial(mobilenet_v2, width=0.75),
    "mobilenet_v2_140": partial(mobilenet_v2, width=1.4),
}

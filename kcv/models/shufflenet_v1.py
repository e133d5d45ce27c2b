"""ShuffleNet: grouped 1x1 convolutions and a channel shuffle between them.

Zhang et al. 2017, https://arxiv.org/abs/1707.01083. As in the paper the first unit does not group
its first convolution, and there is no activation after the depthwise one. The paper names no start:
it is that of the ResNets.
"""

from functools import partial
from typing import Any

import keras

from kcv.engine import Model
from kcv.layers import (
    AvgPool2D,
    BatchNorm,
    MaxPool2D,
    classify,
    conv_norm,
    drop_path,
    drop_path_rates,
    fewer_halvings,
    image_input,
    tap,
)
from kcv.layers.shuffle import channel_shuffle
from kcv.models.mobilenet_v2 import round_width

# width of the first stage for each number of groups (table 1 of the paper): the cost is the same
WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


def shuffle_unit(
    x,
    width: int,
    stride: int = 1,
    *,
    groups: int = 3,
    first=None,
    rate: float = 0.0,
    conv=conv_norm,
):
    """Bottleneck of grouped convolutions with a shuffle: `(B, H, W, C) -> (B, H/s, W/s, width)`.

    At stride 1 the input is added and `width` must be C; at stride 2 the averaged input is
    concatenated, and the branch makes the missing `width - C` channels.

    Args:
        groups: of the 1x1 convolutions.
        first: groups of the first 1x1 alone, by default `groups`.
        rate: of stochastic depth where the input is added.
        conv: `conv_norm` with the network's settings.
    """
    inner = width // 4
    y = conv(x, inner, 1, groups=groups if first is None else first)
    y = conv(y, inner, 3, stride, act=None, groups=inner)
    y = channel_shuffle(y, groups)
    if stride == 1:
        y = conv(y, width, 1, act=None, groups=groups)
        return keras.layers.ReLU()(keras.layers.Add()([x, drop_path(y, rate)]))
    y = conv(y, width - x.shape[-1], 1, groups=groups)
    return keras.layers.Concatenate()([AvgPool2D(3, stride, 1)(x), y])


def shufflenet_v1(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    groups: int = 3,
    width: float = 1.0,
    depths: tuple[int, ...] = (4, 8, 4),
    dropout: float = 0.0,
    drop_rate: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "shufflenet_v1_g3",
) -> Model:
    """Build ShuffleNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map at stride 32.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, without the stride of the
            first convolution, or `"small"`, without the pooling too.
        groups: of the 1x1 convolutions, 1, 2, 3, 4 or 8.
        width: multiplier of all channels (the paper's s), rounded so that the groups fit.
        depths: units in each stage.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth, linear over the blocks.
        bn_momentum, bn_epsilon: of the batch normalisations.

    Raises:
        ValueError: if the paper has no widths for `groups`.
    """
    if groups not in WIDTHS:
        raise ValueError(
            f"ShuffleNet needs groups to be one of {sorted(WIDTHS)}. Received: groups={groups}."
        )
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm)
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = tap(conv(x, round_width(24 * width, groups), 3, 1 if fewer else 2), "stage1")
    x = tap(x if fewer == 2 else MaxPool2D(3, 2, 1)(x), "stage2")
    rates = iter(drop_path_rates(drop_rate, sum(depths)))
    for stage, depth in enumerate(depths):
        plain = round_width(WIDTHS[groups] * 2**stage * width, 4 * groups)
        for index in range(depth):
            options: dict[str, Any] = {"groups": groups, "rate": next(rates), "conv": conv}
            first = 1 if stage == index == 0 else groups
            x = shuffle_unit(x, plain, 1 if index else 2, first=first, **options)
        x = tap(x, f"stage{stage + 3}")
    x = classify(tap(x, "features"), num_classes, dropout, "lecun_uniform")
    return Model(image, x, name=name)


VARIANTS = {
    "shufflenet_v1_g1": partial(shufflenet_v1, groups=1),
    "shufflenet_v1_g2": partial(shufflenet_v1, groups=2),
    "shufflenet_v1_g3": partial(shufflenet_v1, groups=3),
    "shufflenet_v1_g4": partial(shufflenet_v1, groups=4),
    "shufflenet_v1_g8": partial(shufflenet_v1, groups=8),
}

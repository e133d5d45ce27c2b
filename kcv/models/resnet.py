"""ResNet and its descendants: variants B, C and D, ResNeXt, wide and squeeze-and-excite networks.

He et al. 2015, https://arxiv.org/abs/1512.03385 (ResNet); He et al. 2018,
https://arxiv.org/abs/1812.01187 (B, C, D); Xie et al. 2016, https://arxiv.org/abs/1611.05431
(ResNeXt); Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146 (wide); Hu et al. 2017,
https://arxiv.org/abs/1709.01507 (SE). As in torchvision the stride is on the 3x3 (variant B).
Convolutions start by He's rule over the outputs, as in the authors' code; gammas at one, also the
last of a block unless `zero_init_residual`; the classifier, on which the papers are silent, uniform
with variance 1 / fan_in.
"""

from functools import partial
from typing import Any

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    MaxPool2D,
    basic_block,
    bottleneck_block,
    classify,
    conv_norm,
    drop_path_rates,
    fewer_halvings,
    image_input,
    tap,
)
from kcv.layers.residual import pool_project, project, zero_pad

SHORTCUTS = {"project": project, "pool_project": pool_project, "zero_pad": zero_pad}
BLOCKS = ("basic", "bottleneck")


def _check(name: str, word: str, words) -> None:
    if word not in words:
        raise ValueError(
            f"ResNet needs {name} to be one of {', '.join(words)}. Received: {name}={word!r}."
        )


def _stem(x, width: int, fewer: int, deep: bool, conv):
    """Return the network's first feature map; `deep` takes three 3x3 for the 7x7 (C and D)."""
    stride = 1 if fewer else 2
    if deep:
        return conv(conv(conv(x, width // 2, 3, stride), width // 2), width)
    return conv(x, width, 3 if fewer else 7, stride)


def resnet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    block: str = "bottleneck",
    depths: tuple[int, ...] = (3, 4, 6, 3),
    width: float = 1.0,
    groups: int = 1,
    group_width: int = 64,
    deep_stem: bool = False,
    shortcut: str = "project",
    se: bool = False,
    stride_at: str = "3x3",
    conv_bias: bool = False,
    dropout: float = 0.0,
    drop_rate: float = 0.0,
    zero_init_residual: bool = False,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "resnet50",
) -> Model:
    """Build a ResNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map at stride 32.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, a 3x3 of stride 1 before
            the pooling, or `"small"`, without the pooling too.
        block: `"basic"` or `"bottleneck"`.
        depths: blocks in each stage.
        width: multiplier of all channels.
        groups, group_width: cardinality and channels of a group in the first stage of bottlenecks
            (32 and 4 in ResNeXt-50 32x4d; group_width 128 makes a wide network).
        deep_stem: three 3x3 convolutions in place of the 7x7 (variants C and D).
        shortcut: `"project"`, `"pool_project"` (variant D) or `"zero_pad"` (option A).
        se: squeeze-and-excite at the end of each branch.
        stride_at: which convolution of a bottleneck steps, `"3x3"` or, as in the paper and in
            keras.applications' weights, the first `"1x1"`.
        conv_bias: biases in the convolutions, as those weights have them.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth, linear over the blocks.
        zero_init_residual: let the last scale of each residual branch start at zero, so that the
            network starts as its shortcuts (Goyal et al. 2017, https://arxiv.org/abs/1706.02677).
        bn_momentum, bn_epsilon: of the batch normalisations.

    Raises:
        ValueError: if `block`, `shortcut` or `stride_at` is none of its words.
    """
    _check("block", block, BLOCKS)
    _check("shortcut", shortcut, SHORTCUTS)
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm, bias=conv_bias)
    end = partial(conv, norm=partial(norm, gamma_initializer="zeros"))
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = tap(_stem(x, round(64 * width), fewer, deep_stem, conv), "stage1")
    if fewer < 2:
        x = MaxPool2D(3, 2, 1)(x)
    rates = iter(drop_path_rates(drop_rate, sum(depths)))
    for stage, depth in enumerate(depths):
        plain = round(64 * width) * 2**stage
        for index in range(depth):
            stride = 2 if stage and index == 0 else 1
            common: dict[str, Any] = {"se": se, "rate": next(rates), "conv": conv}
            common["shortcut"] = SHORTCUTS[shortcut]
            common["end"] = end if zero_init_residual else conv
            if block == "basic":
                x = basic_block(x, plain, stride, **common)
            else:
                inner = plain * group_width // 64 * groups
                common |= {"groups": groups, "stride_at": stride_at}
                x = bottleneck_block(x, plain * 4, stride, inner=inner, **common)
        x = tap(x, f"stage{stage + 2}")
    x = classify(tap(x, "features"), num_classes, dropout, "lecun_uniform")
    return Model(image, x, name=name)


def _row(depths, block="bottleneck", **changes):
    return partial(resnet, depths=depths, block=block, **changes)


D50, D101, D152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)
C = {"deep_stem": True}
D = {"deep_stem": True, "shortcut": "pool_project"}

VARIANTS = {
    "resnet18": _row((2, 2, 2, 2), "basic"),
    "resnet34": _row(D50, "basic"),
    "resnet50": _row(D50),
    "resnet101": _row(D101),
    "resnet152": _row(D152),
    "resnet18d": _row((2, 2, 2, 2), "basic", **D),
    "resnet34d": _row(D50, "basic", **D),
    "resnet50c": _row(D50, **C),
    "resnet50d": _row(D50, **D),
    "resnet101d": _row(D101, **D),
    "resnet152d": _row(D152, **D),
    "resnext50_32x4d": _row(D50, groups=32, group_width=4),
    "resnext101_32x4d": _row(D101, groups=32, group_width=4),
    "resnext101_32x8d": _row(D101, groups=32, group_width=8),
    "resnext101_64x4d": _row(D101, groups=64, group_width=4),
    "seresnet18": _row((2, 2, 2, 2), "basic", se=True),
    "seresnet34": _row(D50, "basic", se=True),
    "seresnet50": _row(D50, se=True),
    "seresnet101": _row(D101, se=True),
    "seresnet152": _row(D152, se=True),
    "seresnext50_32x4d": _row(D50, groups=32, group_width=4, se=True),
    "wide_resnet50_2": _row(D50, group_width=128),
}

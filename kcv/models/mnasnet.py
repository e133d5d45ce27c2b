"""MnasNet-B1: a mobile network found by a search that measured latency on a phone.

Tan et al. 2018, https://arxiv.org/abs/1807.11626. B1 is the variant without squeeze-and-excite;
rounding of widths, the fixed 1280 channels at the end and the start follow torchvision: He's rule,
and a normal of 0.01 for the classifier.
"""

import math
from functools import partial
from typing import NamedTuple

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
from kcv.models.mobilenet_v2 import HEAD_INIT, round_width


class Stage(NamedTuple):
    """Equal blocks (figure 7 of the paper, the network without squeeze-and-excite)."""

    kernel: int
    expansion: int
    width: int
    depth: int
    stride: int  # of the first block


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 3, 24, 3, 2),
    Stage(5, 3, 40, 3, 2),
    Stage(5, 6, 80, 3, 2),
    Stage(3, 6, 96, 2, 1),
    Stage(5, 6, 192, 4, 2),
    Stage(3, 6, 320, 1, 1),
)


def mnasnet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    drop_rate: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "mnasnet_100",
) -> Model:
    """Build MnasNet-B1: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map `(B, H/32, W/32, 1280)`.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"` halves the image five times, `"medium"` four and `"small"` three times,
            for images of 64 pixels or less.
        width, depth: multipliers of channels and of blocks in a stage.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth, linear over the blocks.
        bn_momentum, bn_epsilon: of the batch normalisations; the paper's momentum of 0.9997 suits
            only very long runs.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm)
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = conv(x, round_width(32 * width), 3, 1 if fewer else 2)
    depths = [math.ceil(stage.depth * depth) for stage in STAGES]
    rates = iter(drop_path_rates(drop_rate, sum(depths)))
    level = 1
    for stage, blocks in zip(STAGES, depths, strict=True):
        stride = stage.stride
        if stride == 2:
            x, level = tap(x, f"stage{level}"), level + 1
            stride = 1 if fewer == 2 and level == 2 else 2
        for block in range(blocks):
            x = inverted_residual(
                x,
                round_width(stage.width * width),
                stride if block == 0 else 1,
                inner=x.shape[-1] * stage.expansion,
                kernel=stage.kernel,
                rate=next(rates),
                conv=conv,
            )
    x = tap(conv(tap(x, f"stage{level}"), 1280, 1), "features")
    return Model(image, classify(x, num_classes, dropout, HEAD_INIT), name=name)


VARIANTS = {
    "mnasnet_050": partial(mnasnet, width=0.5),
    "mnasnet_075": partial(mnasnet, width=0.75),
    "mnasnet_100": partial(mnasnet),
    "mnasnet_130": partial(mnasnet, width=1.3),
}

"""AlexNet: the network of 2012 with two groups, and its descendant with one.

Krizhevsky et al. 2012,
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
(`alexnet_2012`); Krizhevsky 2014, https://arxiv.org/abs/1404.5997 (`alexnet`, as torchvision has
it: other widths, one group, no local response normalisation; weights by He's rule, as the paper
names none).
"""

from functools import partial
from typing import NamedTuple

import keras

from kcv.engine import Model
from kcv.layers import (
    Conv2D,
    Linear,
    MaxPool2D,
    activate,
    classify,
    fewer_halvings,
    image_input,
    tap,
)
from kcv.layers.adaptive import pool_to
from kcv.layers.init import fresh
from kcv.layers.lrn import LocalResponseNorm


class Conv(NamedTuple):
    """A convolution, and what comes after its ReLU."""

    width: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: float = 0.0
    lrn: bool = False
    pool: bool = False


class Design(NamedTuple):
    """A network: convolutions, initialiser, and the hidden dense layers' bias and dropout."""

    convs: tuple[Conv, ...]
    init: keras.initializers.Initializer
    bias: float
    # torchvision drops before the first and second dense layer, the paper before second and third
    dropout_from: int


HE = keras.initializers.HeNormal(seed=0)
GAUSS = keras.initializers.RandomNormal(stddev=0.01, seed=0)  # the paper's
DESIGNS = {
    "one_tower": Design(
        convs=(
            Conv(64, 11, 4, pool=True),
            Conv(192, 5, pool=True),
            Conv(384, 3),
            Conv(256, 3),
            Conv(256, 3, pool=True),
        ),
        init=HE,
        bias=0.0,
        dropout_from=0,
    ),
    "two_towers": Design(
        convs=(
            Conv(96, 11, 4, lrn=True, pool=True),
            Conv(256, 5, groups=2, bias=1.0, lrn=True, pool=True),
            Conv(384, 3),
            Conv(384, 3, groups=2, bias=1.0),
            Conv(256, 3, groups=2, bias=1.0, pool=True),
        ),
        init=GAUSS,
        bias=1.0,
        dropout_from=1,
    ),
}


def _small(design: Design, fewer: int) -> Design:
    """Return the design for small images: 5x5 of stride 2 or 3x3, He's rule, no biases of 1.

    The paper's start is made for its widths: a small network on it stands still, its signal lost
    beside the biases.
    """
    convs = [row._replace(bias=0.0) for row in design.convs]
    kernel, stride = (5, 2) if fewer == 1 else (3, 1)
    convs[0] = convs[0]._replace(kernel=kernel, stride=stride)
    return design._replace(convs=tuple(convs), init=HE, bias=0.0)


def _conv(x, row: Conv, width: int, init):
    """Convolve, ReLU, and normalise over channels if the row says so.

    The 11x11 is padded by 2: 224 pixels give the 55 of the paper, which come from 227 without
    padding.
    """
    x = Conv2D(
        width,
        row.kernel,
        row.stride,
        2 if row.kernel == 11 else row.kernel // 2,
        groups=row.groups,
        kernel_initializer=fresh(init),
        bias_initializer=keras.initializers.Constant(row.bias),
    )(x)
    x = activate(x, "relu")
    return LocalResponseNorm()(x) if row.lrn else x


def _dense(x, units: int, design: Design, dropout: float):
    """Two dense layers with ReLU, dropout before those of the design."""
    for index in range(2):
        if dropout and index >= design.dropout_from:
            x = keras.layers.Dropout(dropout)(x)
        init, bias = fresh(design.init), keras.initializers.Constant(design.bias)
        x = activate(Linear(units, kernel_initializer=init, bias_initializer=bias)(x), "relu")
    return x


def alexnet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    design: str = "one_tower",
    width: float = 1.0,
    dense_width: int = 4096,
    dropout: float = 0.5,
    name: str = "alexnet",
) -> Model:
    """Build AlexNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    `stage1` to `stage5` are the outputs of the five convolutions, before pooling.

    Args:
        num_classes: classes, or None for the feature map `(B, H/32 - 1, W/32 - 1, 256)`.
        image_size: pixels, a number or (height, width), from 63 on; the feature map is averaged
            to 6x6 before the dense layers, which changes nothing at 224 and 227.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, a 5x5 of stride 2 first
            (from 29 pixels on), or `"small"`, a 3x3 of stride 1 (from 15 on). Both leave a feature
            map below 6x6 as small as it is, and start by He's rule in both designs.
        design: `"one_tower"` (2014) or `"two_towers"` (2012).
        width: multiplier of the convolutions' channels.
        dense_width: units of the two hidden dense layers.
        dropout: rate before the dense layers: first and second in 2014, second and third in 2012.

    Raises:
        ValueError: if there is no such design.
    """
    if design not in DESIGNS:
        raise ValueError(f"design must be one of {', '.join(DESIGNS)}. Received: {design!r}.")
    fewer = fewer_halvings(stem)
    plan = _small(DESIGNS[design], fewer) if fewer else DESIGNS[design]
    image, x = image_input(image_size, channels, normalize)
    for stage, row in enumerate(plan.convs, start=1):
        x = tap(_conv(x, row, round(row.width * width / 2) * 2, plan.init), f"stage{stage}")
        x = MaxPool2D(3, 2)(x) if row.pool else x
    x = tap(x, "features")
    if num_classes is not None:
        x = pool_to(x, *(min(6, n) if fewer else 6 for n in x.shape[1:3]))
        x = _dense(keras.layers.Flatten()(x), dense_width, plan, dropout)
        x = classify(x, num_classes, dropout if plan.dropout_from else 0.0, GAUSS, pool=False)
    return Model(image, x, name=name)


VARIANTS = {
    "alexnet": partial(alexnet),
    "alexnet_2012": partial(alexnet, design="two_towers"),
}

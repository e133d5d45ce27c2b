"""NASNet-A: a cell found by search on small images, stacked for large ones.

Zoph et al. 2017, https://arxiv.org/abs/1707.07012. Equal to keras.applications' networks, which
took over the published weights: TensorFlow's padding, and in the reduction cells poolings over
zeros at the border, maxima included. The auxiliary classifier of training is left out there and
here. Convolutions start by He's rule over the outputs, as in the authors' code; the classifier by
Glorot's, as theirs would make scores of few classes large.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    AvgPool2D,
    BatchNorm,
    Conv2D,
    MaxPool2D,
    classify,
    drop_path,
    drop_path_rates,
    fewer_halvings,
    image_input,
    tap,
)
from kcv.layers.init import HE, fresh
from kcv.layers.separable import depthwise_separable, plain_conv


def separable(x, width: int, kernel: int, stride: int = 1, *, rate: float = 0.0, norm=BatchNorm):
    """ReLU, depthwise separable convolution, normalisation, all twice.

    `(B, H, W, C) -> (B, H / stride, W / stride, width)`; `rate` is that of stochastic depth, here
    and in the cells, `norm` what makes a normalisation layer.
    """
    for step in (stride, 1):
        x = keras.layers.ReLU()(x)
        x = norm()(depthwise_separable(x, width, kernel, step, padding="same"))
    return drop_path(x, rate)


def _project(x, width: int, norm):
    return norm()(plain_conv(keras.layers.ReLU()(x), width, 1))


def _mean(x):
    """Average 3x3 at stride 1, pixels beyond the border left out."""
    return AvgPool2D(3, 1, 1, count_pad=False)(x)


def _sum(x, y):
    return keras.layers.Add()([x, y])


def match(previous, x, width: int, norm=BatchNorm):
    """Bring the map before the last to the last one's size, and to `width` channels.

    A map of double size is halved by taking half of the channels from the even pixels and half from
    the odd ones.
    """
    if previous.shape[1:3] == x.shape[1:3]:
        return previous if previous.shape[-1] == width else _project(previous, width, norm)
    even = keras.layers.ReLU()(previous)
    odd = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(even)
    odd = keras.layers.Cropping2D(((1, 0), (1, 0)))(odd)
    halves = [
        Conv2D(units, 1, 2, use_bias=False, kernel_initializer=fresh(HE))(y)
        for y, units in ((even, width // 2), (odd, width - width // 2))
    ]
    return norm()(keras.layers.Concatenate()(halves))


def normal_cell(x, previous, width: int, *, rate: float = 0.0, norm=BatchNorm):
    """Five sums of two branches, beside the map before the last (figure 4 of the paper).

    `(B, H, W, C) -> (B, H, W, 6 width)`; `previous` is the input of the cell before, or None.
    """
    branch = partial(separable, width=width, rate=rate, norm=norm)
    p = match(x if previous is None else previous, x, width, norm)
    h = _project(x, width, norm)
    mean = _mean(p)
    sums = [
        _sum(branch(h, kernel=5), branch(p, kernel=3)),
        _sum(branch(p, kernel=5), branch(p, kernel=3)),
        _sum(drop_path(_mean(h), rate), p),
        _sum(drop_path(mean, rate), drop_path(mean, rate)),
        _sum(branch(h, kernel=3), h),
    ]
    return keras.layers.Concatenate()([p, *sums])


def reduction_cell(
    x, previous, width: int, *, rate: float = 0.0, norm=BatchNorm, max_over_zeros: bool = True
):
    """Five sums of two branches, four of them joined, at half the size (figure 4 of the paper).

    `(B, H, W, C) -> (B, H / 2, W / 2, 4 width)`; `previous` as in `normal_cell`. The zeros around
    the map count in its averages, and in its maxima unless `max_over_zeros` is False.
    """
    branch = partial(separable, width=width, rate=rate, norm=norm)
    p = x if previous is None else match(previous, x, width, norm)
    h = _project(x, width, norm)
    # TensorFlow's padding of a 3x3 window at stride 2, but with zeros that count
    border = tuple((n % 2, 1) for n in h.shape[1:3])
    padded = keras.layers.ZeroPadding2D(border)(h)
    high = MaxPool2D(3, 2)(padded) if max_over_zeros else MaxPool2D(3, 2, "same")(h)
    mean = AvgPool2D(3, 2)(padded)
    one = _sum(branch(h, kernel=5, stride=2), branch(p, kernel=7, stride=2))
    two = _sum(drop_path(high, rate), branch(p, kernel=7, stride=2))
    three = _sum(drop_path(mean, rate), branch(p, kernel=5, stride=2))
    four = _sum(drop_path(_mean(one), rate), two)
    five = _sum(branch(one, kernel=3), drop_path(high, rate))
    return keras.layers.Concatenate()([two, three, four, five])


def nasnet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    penultimate: int = 1056,
    depth: int = 4,
    stem_width: int = 32,
    skip_reduction: bool = False,
    max_over_zeros: bool = True,
    width: float = 1.0,
    dropout: float = 0.5,
    drop_rate: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-3,
    name: str = "nasnet_mobile",
) -> Model:
    """Build a NASNet-A: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    The paper writes NASNet-A (depth @ penultimate).

    Args:
        num_classes: classes, or None for the feature map `(B, H/32, W/32, penultimate)`.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, without the reduction cells
            before the first stage, or `"small"`, with a first convolution of stride 1 too: the
            paper's network for CIFAR, its feature map at stride 4.
        penultimate: channels of the feature map, 24 times those of a branch of the first stage.
        depth: normal cells in each of the three stages.
        stem_width: channels of the first convolution.
        skip_reduction: the first normal cell of a stage looks past the reduction cell before it.
        max_over_zeros: whether the zeros around a map take part in the maxima of the reduction
            cells, as in keras.applications; in timm they do not.
        width: multiplier of all channels.
        dropout: rate before the classifier.
        drop_rate: largest rate of stochastic depth on the branches, linear over the cells (the
            paper lets it grow over training time too).
        bn_momentum, bn_epsilon: of the batch normalisations; the published momentum of 0.9997 is
            for a million steps.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    fewer = fewer_halvings(stem)
    image, x = image_input(image_size, channels, normalize)
    reduce = partial(reduction_cell, norm=norm, max_over_zeros=max_over_zeros)
    base = 4 * max(1, round(penultimate * width / 96))
    rates = iter(drop_path_rates(drop_rate, 3 * depth + (2 if fewer else 4)))
    stride, padding = (1, 1) if fewer == 2 else (2, 0)
    x = norm()(plain_conv(x, round(stem_width * width), 3, stride, padding=padding))
    x, previous = tap(x, "stage1"), None
    if fewer:
        x = tap(x, "stage2")
    else:
        y = tap(reduce(x, None, base // 4, rate=next(rates)), "stage2")
        x, previous = reduce(y, x, base // 2, rate=next(rates)), y
    for stage in range(3):
        units = base * 2**stage
        if stage:
            y = reduce(x, previous, units, rate=next(rates))
            x, previous = y, previous if skip_reduction else x
        for _ in range(depth):
            x, previous = normal_cell(x, previous, units, rate=next(rates), norm=norm), x
        x = tap(x, f"stage{stage + 3}")
    x = tap(keras.layers.ReLU()(x), "features")
    return Model(image, classify(x, num_classes, dropout), name=name)


VARIANTS = {
    "nasnet_mobile": partial(nasnet),
    "nasnet_large": partial(
        nasnet, image_size=331, penultimate=4032, depth=6, stem_width=96, skip_reduction=True
    ),
}

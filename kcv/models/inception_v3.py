"""Inception v3: kernels factorised, n x n into n x 1 and 1 x n.

Szegedy et al. 2015, https://arxiv.org/abs/1512.00567. Widths and padding follow torchvision, which
follows Google's release. Images are 299 pixels; from 75 on any size will do. The paper names no
start; torchvision's is a normal of 0.1 cut at two standard deviations, and less in the auxiliary
classifier.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    AvgPool2D,
    BatchNorm,
    MaxPool2D,
    classify,
    conv_norm,
    fewer_halvings,
    image_input,
    tap,
)
from kcv.layers.adaptive import pool_to
from kcv.layers.inception import AuxiliaryLogits, inception_branch, repeated, scaled_conv

INIT = keras.initializers.TruncatedNormal(stddev=0.1, seed=0)
AUX_INIT = keras.initializers.TruncatedNormal(stddev=0.01, seed=0)
POOL = partial(AvgPool2D, 3, 1, 1)


def _side_by_side(*branches):
    return keras.layers.Concatenate()(branches)


def mixed(x, pooled: int, conv=conv_norm, pool=POOL):
    """5x5 and two 3x3 (figure 5 of the paper): `(B, H, W, C) -> (B, H, W, 224 + pooled)`.

    `conv` is `conv_norm` with the network's settings, `pool` makes the average pooling of a map of
    the same size, here and in the other blocks.
    """
    branch = partial(inception_branch, conv=conv)
    return _side_by_side(
        branch(x, (64, 1)),
        branch(x, (48, 1), (64, 5)),
        branch(x, (64, 1), (96, 3), (96, 3)),
        branch(pool()(x), (pooled, 1)),
    )


def mixed_factorised(x, inner: int, conv=conv_norm, pool=POOL):
    """7x7 as 1x7 and 7x1, once and twice (figure 6): `(B, H, W, C) -> (B, H, W, 768)`."""
    branch, row, column = partial(inception_branch, conv=conv), (1, 7), (7, 1)
    twice = (inner, column), (inner, row), (inner, column), (192, row)
    return _side_by_side(
        branch(x, (192, 1)),
        branch(x, (inner, 1), (inner, row), (192, column)),
        branch(x, (inner, 1), *twice),
        branch(pool()(x), (192, 1)),
    )


def mixed_wide(x, conv=conv_norm, pool=POOL):
    """1x3 beside 3x1, before the classifier (figure 7): `(B, H, W, C) -> (B, H, W, 2048)`."""
    branch = partial(inception_branch, conv=conv)

    def spread(y):
        return branch(y, (384, (1, 3))), branch(y, (384, (3, 1)))

    return _side_by_side(
        branch(x, (320, 1)),
        *spread(branch(x, (384, 1))),
        *spread(branch(x, (448, 1), (384, 3))),
        branch(pool()(x), (192, 1)),
    )


def reduce_first(x, conv=conv_norm):
    """Halve the map, 288 to 768 channels: 3x3, two 3x3, pooling (figure 10)."""
    branch = partial(inception_branch, conv=conv)
    return _side_by_side(
        branch(x, (384, 3, 2)), branch(x, (64, 1), (96, 3), (96, 3, 2)), MaxPool2D(3, 2)(x)
    )


def reduce_second(x, conv=conv_norm):
    """Halve the map, 768 to 1280 channels: 3x3, 7x7 factorised and 3x3, pooling."""
    branch = partial(inception_branch, conv=conv)
    seven = (192, 1), (192, (1, 7)), (192, (7, 1))
    return _side_by_side(
        branch(x, (192, 1), (320, 3, 2)), branch(x, *seven, (192, 3, 2)), MaxPool2D(3, 2)(x)
    )


def auxiliary(x, num_classes: int, conv=conv_norm):
    """Score the classes from the map at stride 16: `(B, H, W, C) -> (B, num_classes)`.

    Its loss counts 0.4 in training, as in torchvision's script (the paper gives no number).
    Maps below the 17x17 of 299 pixels are averaged to the 5x5 that its large window needs.
    """
    x = AvgPool2D(5, 3)(x) if min(x.shape[1:3]) >= 17 else pool_to(x, 5, 5)
    x = conv(conv(x, 128, 1), 768, 5, padding=0, init=AUX_INIT)
    x = keras.layers.GlobalAveragePooling2D()(x)
    init = keras.initializers.TruncatedNormal(stddev=0.001)
    return AuxiliaryLogits(num_classes, 0.4, kernel_initializer=init, name="logits_aux1")(x)


def _stem(x, fewer: int, conv):
    """Return the first 192 channels, pooled: at stride 8 without padding, at 4 or 2 with it."""
    edge = None if fewer else 0
    x = conv(x, 32, 3, 1 if fewer else 2, padding=edge)
    x = tap(conv(conv(x, 32, 3, padding=edge), 64, 3), "stage1")
    x = x if fewer == 2 else MaxPool2D(3, 2)(x)
    x = tap(conv(conv(x, 80, 1), 192, 3, padding=edge), "stage2")
    return MaxPool2D(3, 2)(x)


def inception_v3(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 299,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    width: float = 1.0,
    depth: float = 1.0,
    aux: bool = False,
    dropout: float = 0.5,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-3,
    bn_scale: bool = True,
    count_pad: bool = True,
    name: str = "inception_v3",
) -> Model:
    """Build Inception v3: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map (8x8x2048 of 299 pixels).
        image_size: pixels, a number or (height, width), from 75 on.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, stride 1 and padding at the
            start (from 31 pixels on), or `"small"`, with one pooling less too (from 15 on): the
            feature map is at stride 16 or 8.
        width, depth: multipliers of all channels and of blocks in a stage; further blocks are
            like the last one.
        aux: adds the auxiliary classifier of training: the outputs are then `[logits,
            logits_aux1]`. There is none on a feature map (`num_classes=None`).
        dropout: rate before the main classifier.
        bn_momentum, bn_epsilon: of the batch normalisations.
        bn_scale: whether they learn a factor; keras.applications' do not.
        count_pad: whether the average poolings of the branches count the zeros around the map;
            Google's release and keras.applications do not.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon, scale=bn_scale)
    pool = partial(POOL, count_pad=count_pad)
    conv = partial(scaled_conv, factor=width, norm=norm, init=INIT)
    image, x = image_input(image_size, channels, normalize)
    heads = []
    x = _stem(x, fewer_halvings(stem), conv)
    for pooled in repeated((32, 64, 64), depth):
        x = mixed(x, pooled, conv, pool)
    x = reduce_first(tap(x, "stage3"), conv)
    for inner in repeated((128, 160, 160, 192), depth):
        x = mixed_factorised(x, inner, conv, pool)
    x = tap(x, "stage4")
    if aux and num_classes is not None:
        heads.append(auxiliary(x, num_classes, conv))
    x = reduce_second(x, conv)
    for block in repeated((mixed_wide, mixed_wide), depth):
        x = block(x, conv, pool)
    x = tap(x, "stage5")
    x = classify(tap(x, "features"), num_classes, dropout, INIT)
    return Model(image, [x, *heads] if heads else x, name=name)


VARIANTS = {"inception_v3": partial(inception_v3)}

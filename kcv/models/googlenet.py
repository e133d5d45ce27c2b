"""GoogLeNet (Inception v1): four kernels side by side in every block.

Szegedy et al. 2014, https://arxiv.org/abs/1409.4842. As torchvision has it: batch normalisation in
place of local response normalisation, a 3x3 where the paper's third branch has a 5x5 (a slip of
the first port that its weights keep: `branch_kernel=5` is the paper's), and auxiliary classifiers
with an adaptive pooling to 4x4. Convolutions start by He's rule; the paper names none, and
torchvision's 0.01 lets the signal of an untrained network vanish.
"""

from functools import partial
from typing import NamedTuple

import keras

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    Linear,
    MaxPool2D,
    activate,
    classify,
    conv_norm,
    fewer_halvings,
    image_input,
    tap,
)
from kcv.layers.adaptive import pool_to
from kcv.layers.inception import AuxiliaryLogits, inception_branch, repeated, scaled_conv
from kcv.layers.init import fresh

HEAD_INIT = keras.initializers.TruncatedNormal(stddev=0.01, seed=0)


class Block(NamedTuple):
    """Channels of an Inception block's branches (table 1 of the paper)."""

    one: int
    three_in: int
    three: int
    five_in: int
    five: int
    pooled: int
    aux: bool = False


STAGES = (
    (Block(64, 96, 128, 16, 32, 32), Block(128, 128, 192, 32, 96, 64)),
    (
        Block(192, 96, 208, 16, 48, 64, aux=True),
        Block(160, 112, 224, 24, 64, 64),
        Block(128, 128, 256, 24, 64, 64),
        Block(112, 144, 288, 32, 64, 64, aux=True),
        Block(256, 160, 320, 32, 128, 128),
    ),
    (Block(256, 160, 320, 32, 128, 128), Block(384, 192, 384, 48, 128, 128)),
)


def inception(x, row: Block, kernel: int = 3, conv=conv_norm):
    """1x1; 1x1 and 3x3; 1x1 and `kernel`; pooling and 1x1; side by side.

    `(B, H, W, C) -> (B, H, W, one + three + five + pooled)`. `conv` is `conv_norm` with the
    network's settings.
    """
    branch = partial(inception_branch, conv=conv)
    return keras.layers.Concatenate()(
        [
            branch(x, (row.one, 1)),
            branch(x, (row.three_in, 1), (row.three, 3)),
            branch(x, (row.five_in, 1), (row.five, kernel)),
            branch(MaxPool2D(3, 1, 1)(x), (row.pooled, 1)),
        ]
    )


def auxiliary(x, num_classes: int, name: str, dropout: float = 0.7, conv=conv_norm):
    """Score the classes from an inner map: `(B, H, W, C) -> (B, num_classes)`.

    Its loss counts 0.3 in training and pushes gradient into the middle of the network.
    """
    x = keras.layers.Flatten()(conv(pool_to(x, 4, 4), 128, 1))
    x = activate(Linear(1024, kernel_initializer="he_normal")(x), "relu")
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    return AuxiliaryLogits(num_classes, 0.3, kernel_initializer=fresh(HEAD_INIT), name=name)(x)


def googlenet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    width: float = 1.0,
    depth: float = 1.0,
    branch_kernel: int = 3,
    aux: bool = False,
    dropout: float = 0.2,
    aux_dropout: float = 0.7,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-3,
    name: str = "googlenet",
) -> Model:
    """Build GoogLeNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map `(B, H/32, W/32, 1024)`.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, a 3x3 of stride 1 first, or
            `"small"`, without the pooling after it too: the feature map is at stride 16 or 8.
        width, depth: multipliers of all channels and of blocks in a stage; further blocks are
            like the last one, and an auxiliary classifier goes with its block.
        branch_kernel: window of the third branch, 3 (torchvision) or 5 (paper).
        aux: adds the auxiliary classifiers of training: the outputs are then `[logits,
            logits_aux1, logits_aux2]`. There are none on a feature map (`num_classes=None`).
        dropout, aux_dropout: rates before the last layer of the main and auxiliary classifiers.
        bn_momentum, bn_epsilon: of the batch normalisations.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(scaled_conv, factor=width, norm=norm)
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = tap(conv(x, 64, 3 if fewer else 7, 1 if fewer else 2), "stage1")
    if fewer < 2:
        x = MaxPool2D(3, 2, ceil=True)(x)
    x = tap(conv(conv(x, 64, 1), 192, 3), "stage2")
    heads: list = []
    for stage, rows in enumerate(STAGES, start=3):
        x = MaxPool2D(2 if stage == 5 else 3, 2, ceil=True)(x)
        for row in repeated(rows, depth):
            x = inception(x, row, branch_kernel, conv)
            if row.aux and aux and num_classes is not None:
                head = f"logits_aux{len(heads) + 1}"
                heads.append(auxiliary(x, num_classes, head, aux_dropout, conv))
        x = tap(x, f"stage{stage}")
    x = classify(tap(x, "features"), num_classes, dropout, HEAD_INIT)
    return Model(image, [x, *heads] if heads else x, name=name)


VARIANTS = {"googlenet": partial(googlenet)}

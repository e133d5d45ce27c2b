"""VGG: nothing but 3x3 convolutions, in five blocks.

Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556. Initialised by He's rule (torchvision:
only the convolutions); the paper trained a shallow network first and grew it.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    Conv2D,
    Linear,
    MaxPool2D,
    activate,
    classify,
    image_input,
    is_small,
    tap,
)
from kcv.layers.adaptive import pool_to
from kcv.layers.init import HE, fresh

HEAD_INIT = keras.initializers.RandomNormal(stddev=0.01, seed=0)


def vgg_block(x, depth: int, width: int, norm=None):
    """Chain `depth` 3x3 convolutions with ReLU: `(B, H, W, C) -> (B, H, W, width)`.

    Args:
        norm: what makes a normalisation layer between convolution and ReLU, None for none. The
            convolutions keep their biases, as in torchvision.
    """
    for _ in range(depth):
        x = Conv2D(width, 3, padding=1, kernel_initializer=fresh(HE))(x)
        x = activate(x if norm is None else norm()(x), "relu")
    return x


def vgg(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    conv_arch: tuple[tuple[int, int], ...] = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    batch_norm: bool = False,
    width: float = 1.0,
    dense_width: int = 4096,
    dropout: float = 0.5,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "vgg16",
) -> Model:
    """Build a VGG: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map `(B, H/32, W/32, 512)`.
        image_size: pixels, a number or (height, width), from 32 on; the feature map is averaged
            to 7x7 before the dense layers, which changes nothing at 224.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`, or `"small"` for images of 64 pixels or less: poolings round up, so
            that no image is too small, and a feature map below 7x7 stays as small as it is (1x1
            for 32 pixels).
        conv_arch: (convolutions, channels) of each block; a 2x2 pooling follows each.
        batch_norm: batch normalisation after each convolution.
        width: multiplier of the convolutions' channels.
        dense_width: units of the two hidden dense layers; 512 is usual for small images.
        dropout: rate after each of them.
        bn_momentum, bn_epsilon: of the batch normalisations.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon) if batch_norm else None
    small = is_small(stem)
    image, x = image_input(image_size, channels, normalize)
    for stage, (depth, base) in enumerate(conv_arch, start=1):
        x = tap(vgg_block(x, depth, round(base * width), norm), f"stage{stage}")
        x = MaxPool2D(2, ceil=small)(x)
    x = tap(x, "features")
    if num_classes is not None:
        x = pool_to(x, *(min(7, n) if small else 7 for n in x.shape[1:3]))
        x = keras.layers.Flatten()(x)
        x = activate(Linear(dense_width, kernel_initializer="he_normal")(x), "relu")
        x = keras.layers.Dropout(dropout)(x) if dropout else x
        x = activate(Linear(dense_width, kernel_initializer="he_normal")(x), "relu")
        x = classify(x, num_classes, dropout, HEAD_INIT, pool=False)
    return Model(image, x, name=name)


DEPTHS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def _row(depths, **changes):
    conv_arch = tuple(zip(depths, (64, 128, 256, 512, 512), strict=True))
    return partial(vgg, conv_arch=conv_arch, **changes)


VARIANTS = {
    **{name: _row(depths) for name, depths in DEPTHS.items()},
    **{f"{name}_bn": _row(depths, batch_norm=True) for name, depths in DEPTHS.items()},
}

"""MobileNet: depthwise-separable convolutions, one after the other.

Howard et al. 2017, https://arxiv.org/abs/1704.04861. Padding, ReLU6 and rounding of widths follow
timm; the original TensorFlow code pads with `"same"`, which is another function at stride 2. The
paper names no start: it is that of torchvision's V2.
"""

import math
from functools import partial

from kcv.engine import Model
from kcv.layers import BatchNorm, classify, conv_norm, fewer_halvings, image_input, tap
from kcv.layers.separable import depthwise_separable
from kcv.models.mobilenet_v2 import HEAD_INIT, conv_padding, round_width

# width, depth, stride of the first block (table 1 of the paper)
STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))


def mobilenet_v1(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    padding: str = "symmetric",
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "mobilenet_v1",
) -> Model:
    """Build MobileNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map `(B, H/32, W/32, 1024)`.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"` halves the image five times, `"medium"` four and `"small"` three times,
            for images of 64 pixels or less.
        padding: `"symmetric"`, or `"same"` for weights that were trained in TensorFlow.
        width, depth: multipliers of channels and of blocks in a stage.
        dropout: rate before the classifier.
        bn_momentum, bn_epsilon: of the batch normalisations.

    Raises:
        ValueError: if `padding` is neither word.
    """
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    pad = conv_padding(padding)
    conv = partial(conv_norm, norm=norm, act="relu6", padding=pad)
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = conv(x, round_width(32 * width), 3, 1 if fewer else 2)
    level = 1
    for base, blocks, stride in STAGES:
        if stride == 2:
            x, level = tap(x, f"stage{level}"), level + 1
        stride = 1 if fewer == 2 and level == 2 else stride
        for block in range(math.ceil(blocks * depth)):
            first = stride if block == 0 else 1
            x = depthwise_separable(x, round_width(base * width), 3, first, padding=pad, conv=conv)
    x = tap(tap(x, f"stage{level}"), "features")
    return Model(image, classify(x, num_classes, dropout, HEAD_INIT), name=name)


VARIANTS = {
    "mobilenet_v1": partial(mobilenet_v1),
}

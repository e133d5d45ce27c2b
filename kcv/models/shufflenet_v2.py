"""ShuffleNetV2: half of the channels pass untouched, then all are shuffled.

Ma et al. 2018, https://arxiv.org/abs/1807.11164. Numbers follow torchvision. The paper names no
start: it is that of the ResNets.
"""

from functools import partial

import keras
from keras import ops

from kcv.engine import Model
from kcv.layers import BatchNorm, MaxPool2D, classify, conv_norm, fewer_halvings, image_input, tap
from kcv.layers.shuffle import channel_shuffle


def shuffle_unit(x, width: int, stride: int = 1, conv=conv_norm):
    """Work on half of the channels and shuffle: `(B, H, W, C) -> (B, H/s, W/s, width)`.

    At stride 1 half of the channels pass and `width` must be C; at stride 2 both branches see all
    channels. `conv` is `conv_norm` with the network's settings.
    """
    half = width // 2
    if stride == 1:
        left, y = ops.split(x, 2, axis=-1)
    else:
        left, y = conv(x, x.shape[-1], 3, stride, act=None, groups=x.shape[-1]), x
        left = conv(left, half, 1)
    y = conv(y, half, 1)
    y = conv(y, half, 3, stride, act=None, groups=half)
    y = conv(y, half, 1)
    return channel_shuffle(keras.layers.Concatenate()([left, y]), 2)


def shufflenet_v2(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    widths: tuple[int, ...] = (116, 232, 464),
    depths: tuple[int, ...] = (4, 8, 4),
    head: int = 1024,
    width: float = 1.0,
    dropout: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "shufflenet_v2_100",
) -> Model:
    """Build ShuffleNetV2: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map at stride 32.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, without the stride of the
            first convolution, or `"small"`, without the pooling too.
        widths, depths: channels and units of each stage.
        head: channels before the pooling.
        width: multiplier of `widths`, rounded to even numbers.
        dropout: rate before the classifier.
        bn_momentum, bn_epsilon: of the batch normalisations.

    Raises:
        ValueError: if there are not as many `depths` as `widths`.
    """
    if len(widths) != len(depths):
        raise ValueError(
            "ShuffleNetV2 needs a width and a depth for each stage. "
            f"Received: widths={widths}, depths={depths}."
        )
    norm = partial(BatchNorm, bn_momentum, bn_epsilon)
    conv = partial(conv_norm, norm=norm)
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = tap(conv(x, 24, 3, 1 if fewer else 2), "stage1")
    x = tap(x if fewer == 2 else MaxPool2D(3, 2, 1)(x), "stage2")
    for stage, (base, depth) in enumerate(zip(widths, depths, strict=True), start=3):
        for index in range(depth):
            x = shuffle_unit(x, 2 * round(base * width / 2), 1 if index else 2, conv)
        x = tap(x, f"stage{stage}")
    x = tap(conv(x, head, 1), "features")
    x = classify(x, num_classes, dropout, "lecun_uniform")
    return Model(image, x, name=name)


# the widths of table 5 of the paper are no multiples of each other
VARIANTS = {
    "shufflenet_v2_050": partial(shufflenet_v2, widths=(48, 96, 192)),
    "shufflenet_v2_100": partial(shufflenet_v2, widths=(116, 232, 464)),
    "shufflenet_v2_150": partial(shufflenet_v2, widths=(176, 352, 704)),
    "shufflenet_v2_200": partial(shufflenet_v2, widths=(244, 488, 976), head=2048),
}

"""SqueezeNet: fire modules, no dense layer, fifty times fewer weights than AlexNet.

Iandola et al. 2016, https://arxiv.org/abs/1602.07360. Rows and padding follow torchvision; version
1.1 is the authors' later one, with 2.3 times fewer multiply-adds. Weights start as torchvision's:
He's uniform rule, and a normal of 0.01 for the last convolution.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import Conv2D, MaxPool2D, activate, fewer_halvings, image_input, tap
from kcv.layers.fire import fire
from kcv.layers.head import check_classes


def _score(x, num_classes: int, dropout: float):
    """Score the classes at every pixel, ReLU, average: `(B, H, W, C) -> (B, num_classes)`.

    The scores of the pixels, `logits_map`, show where each class is seen.
    """
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    init = keras.initializers.RandomNormal(stddev=0.01)
    # with a bias of 0 (the authors' start) every other class is dead under the last ReLU from the
    # first step on, and with few classes the loss never moves
    score = Conv2D(
        num_classes, 1, kernel_initializer=init, bias_initializer="ones", name="logits_map"
    )
    return keras.layers.GlobalAveragePooling2D(name="logits")(activate(score(x), "relu"))


def squeezenet(
    *,
    num_classes: int | None = 1000,
    image_size: int | tuple[int, int] = 224,
    channels: int = 3,
    normalize=None,
    stem: str = "standard",
    stem_width: int = 64,
    stem_kernel: int = 3,
    squeezes: tuple[tuple[int, ...], ...] = ((16, 16), (32, 32), (48, 48, 64, 64)),
    width: float = 1.0,
    dropout: float = 0.5,
    name: str = "squeezenet1_1",
) -> Model:
    """Build a SqueezeNet: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    The logits are means of ReLU outputs, hence never negative.

    Args:
        num_classes: classes, or None for the feature map at stride 16.
        image_size: pixels, a number or (height, width), from 17 on (21 with the 7x7 of 1.0).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`; for images of 64 pixels or less `"medium"`, a 3x3 of stride 1 first, or
            `"small"`, without the pooling after it too: the feature map is at stride 8 or 4.
        stem_width, stem_kernel: channels and window of the first convolution.
        squeezes: for each stage the squeezed channels of its fire modules; each expands to eight
            times as many. A pooling stands before every stage.
        width: multiplier of all channels.
        dropout: rate before the last convolution.
    """
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    kernel, stride, padding = (3, 1, 1) if fewer else (stem_kernel, 2, 0)
    first = round(stem_width * width)
    x = Conv2D(first, kernel, stride, padding, kernel_initializer="he_uniform")(x)
    x = tap(activate(x, "relu"), "stage1")
    for stage, row in enumerate(squeezes, start=2):
        x = x if fewer == 2 and stage == 2 else MaxPool2D(3, 2, ceil=True)(x)
        for squeeze in row:
            x = fire(x, round(squeeze * width), 4 * round(squeeze * width))
        x = tap(x, f"stage{stage}")
    x = tap(x, "features")
    check_classes(num_classes)
    x = x if num_classes is None else _score(x, num_classes, dropout)
    return Model(image, x, name=name)


VERSION_1_0 = ((16, 16, 32), (32, 48, 48, 64), (64,))

VARIANTS = {
    "squeezenet1_0": partial(squeezenet, stem_width=96, stem_kernel=7, squeezes=VERSION_1_0),
    "squeezenet1_1": partial(squeezenet),
}

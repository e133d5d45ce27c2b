"""LeNet-5, the convolutional network that read cheques.

LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf. As everywhere today, and
other than in the paper: the second convolution sees all maps of the first, poolings have no
weights, tanh is not scaled, and the last layer is linear where the paper has radial basis
functions. Weights start by the rule of the authors' "Efficient BackProp" of that year, uniform
with variance 1 / fan_in; the paper's +-2.4 / fan_in is for its second-order steps, and momentum
SGD stands still on it for epochs.
"""

from functools import partial

import keras

from kcv.engine import Model
from kcv.layers import AvgPool2D, Conv2D, Linear, activate, classify, image_input, is_small, tap


def _conv(x, width: int, padding: int, act: str):
    conv = Conv2D(width, 5, padding=padding, kernel_initializer="lecun_uniform")
    return activate(conv(x), act)


def lenet(
    *,
    num_classes: int | None = 10,
    image_size: int | tuple[int, int] = 32,
    channels: int = 1,
    normalize=None,
    stem: str = "standard",
    width: float = 1.0,
    act: str = "tanh",
    dropout: float = 0.0,
    name: str = "lenet5",
) -> Model:
    """Build LeNet-5: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        num_classes: classes, or None for the feature map `(B, 5, 5, 16)` of 32-pixel images.
        image_size: pixels, a number or (height, width), from 16 on. The dense layers grow with it:
            61,706 weights are those of 32 pixels.
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"`, or `"small"` for images of 28 pixels: pads two on every side, which is
            how the paper's 28-pixel digits came to have 32.
        width: multiplier of channels.
        act: activation, tanh as in the paper.
        dropout: rate before each dense layer (none in the paper).
    """
    image, x = image_input(image_size, channels, normalize)
    x = tap(_conv(x, round(6 * width), 2 if is_small(stem) else 0, act), "stage1")
    x = tap(_conv(AvgPool2D(2)(x), round(16 * width), 0, act), "stage2")
    x = tap(AvgPool2D(2)(x), "features")
    if num_classes is not None:
        x = keras.layers.Flatten()(x)
        for units in (round(120 * width), round(84 * width)):
            if dropout:
                x = keras.layers.Dropout(dropout)(x)
            x = activate(Linear(units, kernel_initializer="lecun_uniform")(x), act)
        x = classify(x, num_classes, dropout, "lecun_uniform", pool=False)
    return Model(image, x, name=name)


VARIANTS = {"lenet5": partial(lenet)}

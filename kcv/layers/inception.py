"""What the Inception networks share: a branch of convolutions, an auxiliary classifier's end."""

import math
from collections.abc import Sequence

import keras

from kcv.layers.conv import conv_norm
from kcv.layers.linear import Linear


def scaled_conv(x, width: int, kernel=3, stride: int = 1, *, factor: float = 1.0, **options):
    """Apply `conv_norm` with `width * factor` channels, for networks with a width multiplier."""
    return conv_norm(x, max(1, round(width * factor)), kernel, stride, **options)


def repeated(rows: Sequence, depth: float) -> list:
    """Return `depth` times as many rows, rounded up: the first ones, then the last one again."""
    return [rows[min(i, len(rows) - 1)] for i in range(math.ceil(len(rows) * depth))]


def inception_branch(x, *steps: tuple, conv=conv_norm):
    """Chain convolutions: `(B, H, W, C) -> (B, H', W', width of the last)`.

    Args:
        *steps: (width, kernel) or (width, kernel, stride) of each; half a kernel is padded at
            stride 1, nothing at stride 2, so that a branch meets an unpadded pooling.
        conv: `conv_norm` with the network's settings.

    Source: Szegedy et al. 2014, https://arxiv.org/abs/1409.4842.
    """
    for width, kernel, *stride in steps:
        x = conv(x, width, kernel, *stride, padding=0 if stride else None)
    return x


@keras.saving.register_keras_serializable("kcv")
class AuxiliaryLogits(Linear):
    """The last layer of an auxiliary classifier: `(B, C) -> (B, units)`.

    A `Linear` that knows how much its loss counts beside that of the main classifier.

    Args:
        units: classes.
        loss_weight: factor of its loss in training; in evaluation and use it counts nothing.
    """

    def __init__(self, units, loss_weight=0.3, **kwargs):
        super().__init__(units, **kwargs)
        self.loss_weight = float(loss_weight)

    def get_config(self):
        return {**super().get_config(), "loss_weight": self.loss_weight}

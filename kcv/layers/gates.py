"""Channel attention."""

import keras

from kcv.layers.conv import Conv2D, activate
from kcv.layers.init import HE, fresh


def squeeze_excite(x, width: int, act: str = "relu", gate: str = "sigmoid"):
    """Weigh each channel by what the whole image says: `(B, H, W, C) -> (B, H, W, C)`.

    Average over rows and columns, two 1x1 convolutions with biases, a gate of 0..1.

    Args:
        width: channels between the two convolutions (C / 16 in the paper).
        act: activation between them.
        gate: activation at the end, `"sigmoid"` or `"hard_sigmoid"`.

    Source: Hu et al. 2017, https://arxiv.org/abs/1709.01507.
    """
    channels = x.shape[-1]
    y = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = Conv2D(width, 1, kernel_initializer=fresh(HE))(y)
    y = Conv2D(channels, 1, kernel_initializer=fresh(HE))(activate(y, act))
    return keras.layers.Multiply()([x, activate(y, gate)])

"""The inverted residual: narrow ends, a wide middle that only a depthwise convolution sees."""

import keras

from kcv.layers.conv import conv_norm
from kcv.layers.drop_path import drop_path


def inverted_residual(
    x,
    width: int,
    stride: int = 1,
    *,
    inner: int,
    kernel: int = 3,
    gate=None,
    rate: float = 0.0,
    conv=conv_norm,
    end=None,
):
    """Expand with 1x1, filter depthwise, weigh the channels, project; add the input if it fits.

    `(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), width)`. The projection has no
    activation: in few channels it would lose what it cuts off.

    Args:
        inner: channels between; with `inner=C` there is no expansion.
        kernel: side of the depthwise convolution.
        gate: channel attention after it, e.g. `partial(squeeze_excite, width=8)`.
        rate: of stochastic depth.
        conv: `conv_norm` with the network's settings.
        end: what makes a projection to which the input is added, by default `conv`.

    Source: Sandler et al. 2018, https://arxiv.org/abs/1801.04381; with a gate Tan et al. 2018,
    https://arxiv.org/abs/1807.11626.
    """
    y = x if inner == x.shape[-1] else conv(x, inner, 1)
    y = conv(y, inner, kernel, stride, groups=inner)
    y = y if gate is None else gate(y)
    fits = stride == 1 and width == x.shape[-1]
    y = (end if fits and end else conv)(y, width, 1, act=None)
    return keras.layers.Add()([x, drop_path(y, rate)]) if fits else y

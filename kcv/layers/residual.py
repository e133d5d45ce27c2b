"""The residual blocks of the ResNets, and the three ways in which a shortcut changes its shape."""

import keras

from kcv.layers.conv import conv_norm
from kcv.layers.drop_path import drop_path
from kcv.layers.gates import squeeze_excite
from kcv.layers.pool import AvgPool2D


def basic_block(
    x, width: int, stride: int = 1, *, shortcut=None, se=False, rate=0.0, conv=conv_norm, end=None
):
    """Two 3x3 convolutions and a shortcut: `(B, H, W, C) -> (B, H / stride, W / stride, width)`.

    Args:
        shortcut: maps (x, width, stride, conv) to the other summand where the shape changes, by
            default `project`; else the input itself is added.
        se: squeeze-and-excite at the end of the branch.
        rate: of stochastic depth.
        conv: `conv_norm` with a network's settings.
        end: what makes the last convolution of the branch, by default `conv`.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385.
    """
    y = conv(x, width, 3, stride)
    y = (end or conv)(y, width, 3, act=None)
    return _add(x, y, stride, shortcut, se, rate, conv)


def bottleneck_block(
    x,
    width: int,
    stride: int = 1,
    *,
    inner: int | None = None,
    groups: int = 1,
    shortcut=None,
    se: bool = False,
    rate: float = 0.0,
    stride_at: str = "3x3",
    conv=conv_norm,
    end=None,
):
    """1x1 to `inner` channels, 3x3 in `groups`, 1x1 to `width`, and a shortcut.

    `(B, H, W, C) -> (B, H / stride, W / stride, width)`. The others are those of `basic_block`.

    Args:
        inner: channels of the 3x3, by default a quarter of `width`.
        groups: of the 3x3; 32 in ResNeXt.
        stride_at: which convolution steps, `"3x3"` (variant B) or, as in the paper, the first
            `"1x1"`.

    Raises:
        ValueError: if `stride_at` is neither word.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385; Xie et al. 2016,
    https://arxiv.org/abs/1611.05431 (groups).
    """
    if stride_at not in ("1x1", "3x3"):
        raise ValueError(f'stride_at must be "1x1" or "3x3". Received: {stride_at!r}.')
    inner = width // 4 if inner is None else inner
    first, second = (stride, 1) if stride_at == "1x1" else (1, stride)
    y = conv(x, inner, 1, first)
    y = conv(y, inner, 3, second, groups=groups)
    y = (end or conv)(y, width, 1, act=None)
    return _add(x, y, stride, shortcut, se, rate, conv)


def _add(x, y, stride, shortcut, se, rate, conv):
    width = y.shape[-1]
    if se:
        y = squeeze_excite(y, max(8, (width // 16 + 4) // 8 * 8))
    if stride != 1 or x.shape[-1] != width:
        x = (shortcut or project)(x, width, stride, conv)
    return keras.layers.ReLU()(keras.layers.Add()([drop_path(y, rate), x]))


def project(x, width: int, stride: int, conv=conv_norm):
    """Shortcut by a strided 1x1 convolution (option B of the paper)."""
    return conv(x, width, 1, stride, act=None)


def pool_project(x, width: int, stride: int, conv=conv_norm):
    """Shortcut by average pooling and a 1x1 convolution: no pixel is thrown away.

    Source: He et al. 2018, https://arxiv.org/abs/1812.01187 (ResNet-D).
    """
    if stride != 1:
        x = AvgPool2D(2, stride, ceil=True, count_pad=False)(x)
    return conv(x, width, 1, act=None)


def zero_pad(x, width: int, stride: int, conv=None):
    """Shortcut without weights: every `stride`-th pixel, new channels zero (option A).

    Raises:
        ValueError: if `width` is less than the channels of `x`.
    """
    missing = width - x.shape[-1]
    if missing < 0:
        raise ValueError(
            "A shortcut without weights can add channels, not take them away. "
            f'Received: width={width} of {x.shape[-1]} channels. Use shortcut="project".'
        )
    x = x[:, ::stride, ::stride]
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing)))

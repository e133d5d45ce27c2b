"""Convolutions that leave connections out: grouped, depthwise separable, spatially separable.

Each is a block of plain convolutions (no bias, no normalisation, no activation), as their costs
are usually compared. With `conv=conv_norm` (or a network's partial of it) normalisation and
activation follow every convolution, as in MobileNet.
"""

from functools import partial

from kcv.layers.conv import Padding, conv_norm


def _no_norm():
    return lambda x: x


plain_conv = partial(conv_norm, act=None, norm=_no_norm)


def grouped_conv(x, width: int, kernel: int = 3, stride: int = 1, groups: int = 2, conv=plain_conv):
    """Convolve groups of channels apart: `(B, H, W, C) -> (B, H / stride, W / stride, width)`.

    Weights and multiply-adds are those of a convolution divided by `groups`. With as many groups
    as channels, in and out, it is the depthwise convolution.

    Args:
        groups: number of groups; divides C and `width`.
        conv: what makes the convolution, with the signature of `conv_norm`.

    Raises:
        ValueError: if `groups` does not divide both numbers of channels.

    Source: Krizhevsky et al. 2012 (two groups, for two GPUs); Xie et al. 2016,
    https://arxiv.org/abs/1611.05431 (as a dimension of design).
    """
    if groups < 1 or x.shape[-1] % groups or width % groups:
        raise ValueError(
            "grouped_conv needs groups to divide the channels in and out. "
            f"Received: groups={groups} with {x.shape[-1]} channels in and {width} out."
        )
    return conv(x, width, kernel, stride, groups=groups)


def depthwise_separable(
    x,
    width: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    padding: Padding | None = None,
    conv=plain_conv,
):
    """Filter each channel, then mix the channels with 1x1.

    `(B, H, W, C) -> (B, H / stride, W / stride, width)` with `C (kernel ** 2 + width)` weights in
    place of `C kernel ** 2 width`.

    Args:
        padding: of the depthwise convolution, as in `Conv2D`; None pads half a kernel.
        conv: what makes each convolution, with the signature of `conv_norm`.

    Source: Sifre 2014; Howard et al. 2017, https://arxiv.org/abs/1704.04861.
    """
    y = conv(x, x.shape[-1], kernel, stride, groups=x.shape[-1], padding=padding)
    return conv(y, width, 1)


def spatially_separable(
    x, width: int, kernel: int = 3, stride: int = 1, *, inner: int | None = None, conv=plain_conv
):
    """Convolve with `kernel` x 1, then with 1 x `kernel`.

    `(B, H, W, C) -> (B, H / stride, W / stride, width)` with `kernel (C inner + inner width)`
    weights in place of `kernel ** 2 C width`.

    Args:
        inner: channels between the two, by default `width`.
        conv: what makes each convolution, with the signature of `conv_norm`.

    Source: Szegedy et al. 2015, https://arxiv.org/abs/1512.00567.
    """
    y = conv(x, inner or width, (kernel, 1), (stride, 1))
    return conv(y, width, (1, kernel), (1, stride))

"""Convolutions without copies of activations or kernels."""

from keras import ops

from kcv.kernels.backend import TORCH
from kcv.kernels.layout import nchw, nhwc
from kcv.kernels.padding import pad_map, pads, split_pad

if TORCH:
    import torch.nn.functional as F


def conv2d(x, kernel, bias=None, stride=(1, 1), padding=0, dilation=(1, 1), groups=1):
    """Convolve `(B, H, W, C)` with `(kh, kw, C / groups, width)` to `(B, H', W', width)`."""
    pad = pads(padding, x.shape[1:3], kernel.shape[:2], stride, dilation)
    if TORCH:
        if x.device.type == "cpu" and corrupts(x.shape[-1], kernel.shape[:2], stride, groups):
            x, pad = pad_map(x, pad), ((0, 0), (0, 0))
            x, stride = x[:, :: stride[0], :: stride[1]], (1, 1)
        x, symmetric = split_pad(x, pad)
        weight = kernel.permute(3, 2, 0, 1)
        return nhwc(F.conv2d(nchw(x), weight, bias, stride, symmetric, dilation, groups))
    if any(pad[0]) or any(pad[1]):
        x = pad_map(x, pad)
    y = ops.conv(x, kernel, strides=list(stride), padding="valid", dilation_rate=list(dilation))
    return y if bias is None else y + bias


def corrupts(channels: int, kernel, stride, groups: int) -> bool:
    """Return whether torch 2.13's CPU build may write past its memory in the backward pass.

    It does for strided 1x1 convolutions of fewer than 16 channels in channels_last, from about 56
    pixels on (107 of 780 shapes tried aborted or crashed; none of stride 1, none of kernel 3).
    """
    return tuple(kernel) == (1, 1) and max(stride) > 1 and channels // groups < 16


def depthwise_conv2d(x, kernel, bias=None, stride=(1, 1), padding=0, dilation=(1, 1)):
    """Convolve each channel of `(B, H, W, C)` with its `(kh, kw, C, m)` to `(B, H', W', C m)`."""
    pad = pads(padding, x.shape[1:3], kernel.shape[:2], stride, dilation)
    if TORCH:
        x, symmetric = split_pad(x, pad)
        weight = kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        y = F.conv2d(nchw(x), weight, bias, stride, symmetric, dilation, x.shape[-1])
        return nhwc(y)
    if any(pad[0]) or any(pad[1]):
        x = pad_map(x, pad)
    y = ops.depthwise_conv(
        x, kernel, strides=list(stride), padding="valid", dilation_rate=list(dilation)
    )
    return y if bias is None else y + bias

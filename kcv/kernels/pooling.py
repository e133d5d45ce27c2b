"""Pooling with the paddings of PyTorch and TensorFlow."""

from keras import ops

from kcv.kernels.backend import TORCH
from kcv.kernels.layout import nchw, nhwc
from kcv.kernels.padding import Pads, pad_map, pads, split_pad

if TORCH:
    import torch.nn.functional as F


def _pool_pads(x, size, stride, padding, ceil) -> tuple[Pads, Pads]:
    """Return (padding that counts, padding that `ceil` adds at the end)."""
    pad = pads(padding, x.shape[1:3], size, stride)
    extra = []
    for n, k, s, (before, after) in zip(x.shape[1:3], size, stride, pad, strict=True):
        span = n + before + after
        out = -(-(span - k) // s) + 1
        # torch drops a last window that would start beyond the input and its left padding
        out -= int((out - 1) * s >= n + before)
        extra.append((0, max(0, (out - 1) * s + k - span) if ceil else 0))
    return pad, (extra[0], extra[1])


def max_pool2d(x, size, stride, padding=0, ceil=False):
    """Maximum over windows of `(B, H, W, C)`; padded positions never win."""
    pad, extra = _pool_pads(x, size, stride, padding, ceil)
    if TORCH:
        x, symmetric = split_pad(x, pad, float("-inf"))
        return nhwc(F.max_pool2d(nchw(x), size, stride, symmetric, 1, ceil))
    whole = tuple((a + c, b + d) for (a, b), (c, d) in zip(pad, extra, strict=True))
    x = pad_map(x, whole, float("-inf"))
    return ops.max_pool(x, tuple(size), tuple(stride), padding="valid")


def avg_pool2d(x, size, stride, padding=0, ceil=False, count_pad=True):
    """Mean over windows of `(B, H, W, C)`; `count_pad` says whether padded zeros are counted.

    Keras 3.15.1's average pooling with `"same"` is wrong on torch where the padding is asymmetric
    (keras PR 23233), hence the explicit sums of ones.
    """
    pad, extra = _pool_pads(x, size, stride, padding, ceil)
    symmetric = all(a == b for a, b in pad)
    if TORCH and symmetric:
        low = (pad[0][0], pad[1][0])
        return nhwc(F.avg_pool2d(nchw(x), size, stride, low, ceil, count_pad))
    counted = ops.ones_like(x[:1, :, :, :1])
    if count_pad:
        counted = pad_map(pad_map(counted, pad, 1.0), extra)
    else:
        whole = tuple((a + c, b + d) for (a, b), (c, d) in zip(pad, extra, strict=True))
        counted = pad_map(counted, whole)
    x = pad_map(pad_map(x, pad), extra)
    mean = ops.average_pool(x, tuple(size), tuple(stride), padding="valid")
    share = ops.average_pool(counted, tuple(size), tuple(stride), padding="valid")
    return mean / share

"""Padding of maps `(B, H, W, C)`, with the conventions of both PyTorch and TensorFlow."""

from keras import ops

from kcv.kernels.backend import TORCH

if TORCH:
    import torch.nn.functional as F


Pads = tuple[tuple[int, int], tuple[int, int]]


def pads(padding, size, kernel, stride, dilation=(1, 1)) -> Pads:
    """Return ((top, bottom), (left, right)) for a padding of `int`, `"valid"` or `"same"`.

    `"same"` is TensorFlow's: it depends on the input size and puts the odd row at the end.
    """
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding != "same":
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        return ((rows, rows), (columns, columns))
    both = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        both.append((total // 2, total - total // 2))
    return (both[0], both[1])


def pad_map(x, pad: Pads, value: float = 0.0):
    """Pad the rows and columns of `(B, H, W, C)`."""
    (top, bottom), (left, right) = pad
    if TORCH:
        return F.pad(x, (0, 0, left, right, top, bottom), value=value)
    return ops.pad(x, ((0, 0), pad[0], pad[1], (0, 0)), constant_values=value)


def split_pad(x, pad: Pads, value: float = 0.0):
    """Return (x, symmetric padding): what torch's kernels cannot pad themselves is padded here."""
    if pad[0][0] == pad[0][1] and pad[1][0] == pad[1][1]:
        return x, (pad[0][0], pad[1][0])
    return pad_map(x, pad, value), (0, 0)

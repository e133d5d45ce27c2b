"""How tensors lie in memory: `(B, H, W, C)` is torch's channels_last, for free."""

from kcv.kernels.backend import TORCH

if TORCH:
    import torch


def lay_out(kernel, depthwise: bool = False, empty: bool = False) -> None:
    """Store a convolution kernel in torch's memory order; its Keras shape does not change.

    Keras re-lays every kernel out at every call and its gradient in every backward pass: a quarter
    of a ResNet-18 training step. `assign` keeps the order, so this is done once, in `build`.
    Of an `empty` kernel, which is yet to be assigned, no numbers are moved.
    """
    if not TORCH or kernel._value is None:
        return
    value = kernel._value
    if depthwise:
        value.data = value.data.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    else:
        stored = value.data.permute(3, 2, 0, 1)
        if empty:
            stored = torch.empty_like(stored, memory_format=torch.channels_last)
        stored = stored.contiguous(memory_format=torch.channels_last)
        value.data = stored.permute(2, 3, 1, 0)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def match_layout(slots, variables) -> None:
    """Store optimiser slots in the memory order of their variables (torch; nothing elsewhere).

    torch's fused steps silently compute wrong updates where the strides of a weight, its gradient
    and its slots differ.
    """
    if not TORCH:
        return
    for slot, variable in zip(slots, variables, strict=True):
        if slot is None:
            continue
        old, like = slot._value.data, variable._value.data
        slot._value.data = torch.empty_strided(
            like.shape, like.stride(), dtype=old.dtype, device=old.device
        ).copy_(old)

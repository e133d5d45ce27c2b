"""Other shapes of a tensor: one torch call each; `keras.ops` first looks what it was given."""

from keras import ops

from kcv.kernels.backend import TORCH

if TORCH:
    import torch
    import torch.nn.functional as F


def reshape(x, shape: tuple[int, ...]):
    """Return the tensor in another shape, of which one length may be -1."""
    return x.reshape(shape) if TORCH else ops.reshape(x, shape)


def transpose(x, axes: tuple[int, ...]):
    """Return the tensor with its axes in another order."""
    return x.permute(axes) if TORCH else ops.transpose(x, axes)


def pad_end(x, below: int, right: int):
    """Add rows and columns of zeros at the end of maps `(B, H, W, C)`."""
    if TORCH:
        return F.pad(x, (0, 0, 0, right, 0, below))
    return ops.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))


def roll(x, shift: tuple[int, int]):
    """Move maps `(B, H, W, C)` down and right, what leaves them coming in at the other end."""
    return torch.roll(x, shift, (1, 2)) if TORCH else ops.roll(x, shift, (1, 2))


def cast_like(x, other):
    """Return the tensor in the type of another one."""
    if not TORCH:
        return ops.cast(x, other.dtype)
    return x if x.dtype == other.dtype else x.to(other.dtype)


def prepend(tokens, x):
    """Put the same tokens `(1, K, C)` in front of every sequence `(B, N, C)`."""
    if TORCH:
        return torch.cat([tokens.expand(x.shape[0], -1, -1), x], 1)
    return ops.concatenate([ops.broadcast_to(tokens, (ops.shape(x)[0], *tokens.shape[1:])), x], 1)


def unbind(x):
    """Return the parts of a tensor along its first axis.

    One call on torch: the backward pass of single indices fills a tensor of zeros for each of them.
    """
    return torch.unbind(x) if TORCH else tuple(x[i] for i in range(x.shape[0]))


def rows(table, index):
    """Return the rows `(N, C)` of a table `(M, C)` that an index `(N,)` names."""
    return F.embedding(index, table) if TORCH else ops.take(table, index, axis=0)

"""Batch normalisation in one call."""

import keras
from keras import ops

from kcv.kernels.backend import TORCH
from kcv.kernels.layout import nchw, nhwc

if TORCH:
    import torch.nn.functional as F


def batch_norm(x, layer, training: bool):
    """Normalise `(B, ..., C)` with the weights of a batch-norm layer, and update its statistics.

    PyTorch's mathematics on every backend: batches are normalised with the biased variance, the
    running variance takes the unbiased one (Keras takes the biased one: 1/n less).
    """
    mean, variance = layer.moving_mean, layer.moving_variance
    count = _count(x)
    if TORCH and (not training or count != 1):
        return _torch_batch_norm(x, layer, training)
    wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
    if training:
        axes = list(range(len(x.shape) - 1))
        center, spread = ops.mean(wide, axes), ops.var(wide, axes)
        keep = layer.momentum
        unbiased = spread * (count / max(count - 1, 1)) if isinstance(count, int) else spread
        mean.assign(keep * mean + (1 - keep) * center)
        variance.assign(keep * variance + (1 - keep) * unbiased)
        mean, variance = center, spread
    y = ops.batch_normalization(
        wide, mean, variance, -1, layer.beta, layer.gamma, epsilon=layer.epsilon
    )
    return ops.cast(y, x.dtype)


def _count(x):
    """Return how many values each channel has, None where the batch size is symbolic."""
    count = 1
    for n in x.shape[:-1]:
        if n is None:
            return None
        count *= n
    return count


def _torch_batch_norm(x, layer, training: bool):
    gamma, beta = (None if v is None else v.value for v in (layer.gamma, layer.beta))
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    y = nchw(x) if x.ndim == 4 else x
    y = F.batch_norm(y, mean, variance, gamma, beta, training, 1.0 - layer.momentum, layer.epsilon)
    return nhwc(y) if x.ndim == 4 else y

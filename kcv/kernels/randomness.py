"""Random masks without a wait for the device, and the seed of the backend."""

import keras
from keras import ops

from kcv.kernels.backend import TORCH

if TORCH:
    import torch


def drop_path(x, rate: float, seed):
    """Zero whole samples of `(B, ...)` with probability `rate`, scale the others by 1/(1-rate).

    On torch the mask comes from torch's generator on the tensor's device: no host sync, where a
    seeded Keras dropout makes a new generator, and one sync, per call.
    """
    shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
    keep = 1.0 - rate
    if TORCH:
        return x * x.new_empty(shape).bernoulli_(keep).div_(keep)
    mask = keras.random.uniform(shape, seed=seed) < keep
    return x * ops.cast(mask, x.dtype) / keep


def seed_backend(seed: int) -> None:
    """Seed the backend's own random generators (torch's, on every device)."""
    if TORCH:
        torch.manual_seed(seed)

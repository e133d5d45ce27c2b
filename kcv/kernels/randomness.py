"""Random masks without a wait for the device, and the seed of the backend."""

import keras
import numpy as np
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


def random_state() -> list[np.ndarray]:
    """Return where torch's generators stand: the CPU's, then each GPU's; nothing elsewhere."""
    if not TORCH:
        return []
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states += torch.cuda.get_rng_state_all()
    return [state.numpy().copy() for state in states]


def set_random_state(states: list[np.ndarray]) -> None:
    """Put torch's generators where `random_state` found them.

    Raises:
        ValueError: if there are more or fewer GPUs than there were.
    """
    if not TORCH:
        return
    gpus = torch.cuda.device_count()
    if len(states) != 1 + gpus:
        raise ValueError(
            f"Random states need as many GPUs as they were taken on, {len(states) - 1}. "
            f"Received: a machine with {gpus}. Seed the run instead, by kcv.set_seed."
        )
    torch.set_rng_state(torch.from_numpy(states[0]))
    for device, state in enumerate(states[1:]):
        torch.cuda.set_rng_state(torch.from_numpy(state), device)

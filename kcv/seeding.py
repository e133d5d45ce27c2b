"""Every source of randomness of a run: seeded by one call, read and put back by one call each.

Four streams belong to the process: Python's, NumPy's, the backend's (on every device) and Keras's
own. What a model draws from beside them are variables of its layers (`SeedGenerator`), saved with
its weights; batches of `kcv.data` draw from (seed, epoch, index) and remember the epoch only.
"""

import hashlib
import operator
import random
import sys
from typing import Any

import keras
import numpy as np

from kcv import kernels

LIMIT = 2**32  # NumPy's legacy generator takes no larger seed


def set_seed(seed: int) -> None:
    """Seed Python, NumPy, the backend and Keras, so that the same seed gives the same run.

    `keras.utils.set_random_seed` does this too, but imports TensorFlow wherever it is installed:
    seconds of start-up and, beside torch, a second owner of the GPU. TensorFlow is seeded here only
    if somebody has imported it already.

    Args:
        seed: 0 <= seed < 2**32.

    Raises:
        ValueError: if `seed` is no integer of this range.
    """
    seed = _check("seed", seed)
    random.seed(seed)  # also the seeds of Keras layers that get none: Keras draws them here
    np.random.seed(seed)
    kernels.seed_backend(seed)
    _forget_keras_generator()
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.random.set_seed(seed)


def seed_epoch(seed: int, epoch: int) -> int:
    """Seed everything for one epoch of a run, and return the seed that was derived for it.

    A run that calls this at the begin of every epoch can be continued at any epoch as if it had
    never stopped.

    Args:
        seed: the seed of the run, 0 <= seed < 2**32.
        epoch: number of the epoch, counted from 0.

    Raises:
        ValueError: if one of them is no integer of its range.
    """
    derived = derive(_check("seed", seed), _check("epoch", epoch))
    set_seed(derived)
    return derived


def seed_step(seed: int, step: int, rank: int = 0) -> int:
    """Seed everything for one training step of one process, and return the derived seed.

    With this before every step a run can be continued at any step, and processes that share the
    work (`rank` counts them) draw different masks.

    Args:
        seed: the seed of the run, 0 <= seed < 2**32.
        step: number of the step since the begin of the run, from 0.
        rank: number of the process, from 0.

    Raises:
        ValueError: if one of them is no integer of its range.
    """
    parts = _check("step", step), _check("rank", rank)
    derived = derive(_check("seed", seed), "step", *parts)
    set_seed(derived)
    return derived


def state() -> dict[str, Any]:
    """Return where all streams of this process stand, for `set_state`.

    Returns:
        `{"python", "numpy", "backend", "keras"}`; the backend's part is a list of byte arrays, one
        for the CPU and one for each GPU (torch; empty elsewhere, where randomness has no state).
    """
    made = _home().global_state.get_global_attribute(_home().GLOBAL_SEED_GENERATOR)
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "backend": kernels.random_state(),
        "keras": None if made is None else np.array(keras.ops.convert_to_numpy(made.state.value)),
    }


def set_state(found: dict[str, Any]) -> None:
    """Put all streams where `state` found them.

    Raises:
        ValueError: if the state is of a machine with another number of GPUs.
    """
    random.setstate(found["python"])
    np.random.set_state(found["numpy"])
    kernels.set_random_state(found["backend"])
    _forget_keras_generator()
    if found["keras"] is not None:
        made = keras.random.SeedGenerator(0)
        made.state.assign(found["keras"])
        _home().global_state.set_global_attribute(_home().GLOBAL_SEED_GENERATOR, made)


def derive(seed: int, *parts: int | str) -> int:
    """Return a seed for a part of a run: `derive(seed, epoch)`, `derive(seed, "workers", rank)`.

    A hash, because neighbouring seeds make related streams: Keras seeds torch with seed + counter,
    so the second draw of seed 7 is the first draw of seed 8.
    """
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def _check(name: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < LIMIT:
        raise ValueError(f"Seeding needs an integer 0 <= {name} < 2**32. Received: {name}={value}.")
    return number


def _forget_keras_generator() -> None:
    """Let Keras make its global `SeedGenerator` anew, from Python's generator, at its next draw.

    Keras offers this only inside `set_random_seed` and inside `clear_session`, which also forgets
    the dtype policy and all layer names: hence the way through the module of the public class.
    """
    home = _home()
    home.global_state.set_global_attribute(home.GLOBAL_SEED_GENERATOR, None)


def _home():
    """Return the module in which Keras keeps its global generator."""
    return sys.modules[keras.random.SeedGenerator.__module__]

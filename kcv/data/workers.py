"""Loader processes: how they are started."""

import signal
from multiprocessing import get_all_start_methods

import keras


def start_method() -> str | None:
    """Return how processes are to be started; None for what Python does by itself."""
    # JAX runs threads, and a fork of a process with threads may hang.
    threaded = keras.config.backend() == "jax"
    return "forkserver" if threaded and "forkserver" in get_all_start_methods() else None


def start() -> None:
    """Prepare a loader process."""
    # They inherit what the training process does at a signal (save, requeue): that is not their
    # task. They end when the training process does.
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

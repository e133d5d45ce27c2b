"""Loader processes: how they are started, and the search for unreadable files with them."""

import signal
from collections.abc import Iterator
from multiprocessing import get_all_start_methods

import keras
import torch

from kcv.data.sources import Source


def options(workers: int) -> dict:
    """Return the arguments of a DataLoader for a number of loader processes.

    Args:
        workers: number of processes; 0 loads in the calling process.
    """
    # A loader draws a seed at every epoch, by default from the generator that dropout uses.
    common = {"generator": torch.Generator()}
    if workers == 0:
        return common
    return common | {
        "num_workers": workers,
        "worker_init_fn": start,
        "multiprocessing_context": start_method(),
    }


def start_method() -> str | None:
    """Return how processes are to be started; None for what Python does by itself."""
    # JAX runs threads, and a fork of a process with threads may hang.
    threaded = keras.config.backend() == "jax"
    return "forkserver" if threaded and "forkserver" in get_all_start_methods() else None


def start(worker: int) -> None:
    """Prepare a loader process; ``worker`` is its number."""
    # They inherit what the training process does at a signal (save, requeue): that is not their
    # task. They end when the training process does.
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class _Problems(torch.utils.data.Dataset):
    def __init__(self, source: Source):
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> str | None:
        return self.source.problem(index)


def find_problems(source: Source, workers: int) -> Iterator[tuple[int, str]]:
    """Decode all images; yield the number of each one that cannot be read, and the reason."""
    if source.in_memory:
        return
    checked = torch.utils.data.DataLoader(
        _Problems(source), batch_size=64, collate_fn=list, **options(workers)
    )
    for block, reasons in enumerate(checked):
        for row, reason in enumerate(reasons):
            if reason is not None:
                yield block * 64 + row, reason

"""Memory for batches that is used again as soon as nobody looks at the batch any more.

Fresh memory costs the kernel as much time as a twentieth of the decoding: it has to find and to
clear each page.
"""

import math
import mmap
import weakref
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch


def shared(size: int, inherited: bool) -> torch.Tensor:
    """Return memory ``(size,)``, uint8, that loader processes can write into.

    Args:
        size: in bytes.
        inherited: that the processes are forked; the memory then has no name, and the size of
            ``/dev/shm`` (64 MiB in a container, unless told otherwise) is no limit.
    """
    if inherited:
        return torch.frombuffer(mmap.mmap(-1, size), dtype=torch.uint8)
    return torch.empty(size, dtype=torch.uint8).share_memory_()


class Slots:
    """Pieces of memory that are lent and come back by themselves.

    Args:
        pieces: arrays ``(size,)``, uint8.
        most: so many may be lent at a time; more batches than that are given as copies.

    Attributes:
        free: numbers of the pieces that may be written into; the last one is the one used last,
            which a processor may still have at hand.
    """

    def __init__(self, pieces: Sequence[np.ndarray], most: int):
        self.pieces, self.most = pieces, most
        self.free = deque(range(len(pieces)))
        self._lent: set[int] = set()

    def view(self, slot: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return a piece as an array; it stays taken until ``lend`` or ``free`` gets its number."""
        return self.pieces[slot][: math.prod(shape)].reshape(shape)

    def lend(self, slot: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return a piece that is free again when the array, and all tensors over it, are gone."""
        array = self.view(slot, shape)
        if len(self._lent) >= self.most:
            self.free.append(slot)
            return array.copy()
        self._lent.add(slot)
        weakref.finalize(array, _back, self._lent, self.free, slot).atexit = False
        return array


def _back(lent: set[int], free: deque[int], slot: int) -> None:
    lent.discard(slot)
    free.append(slot)

"""Random draws that depend on (seed, epoch, index) and on nothing else.

Neither the process, the number of workers nor what was drawn before changes a draw, so a resumed
run sees the same images. Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
https://doi.org/10.1145/2063384.2063405) is a function of a key and a counter: the key holds seed
and epoch, the counter holds the purpose and the index of the sample.
"""

import hashlib
import os
from typing import Any

import numpy as np

AUGMENT, SUBSTITUTE, ORDER, STATISTICS, MIX, BALANCE, BLOCKS = range(7)


def _place(
    seed: int, epoch: int, index: int, purpose: int, repeat: int = 0
) -> dict[str, np.ndarray]:
    # The low word of the counter stays 0, and so does the second one unless something is drawn
    # again: they count the values that a stream gives.
    return {
        "key": np.array([seed, epoch], np.uint64),
        "counter": np.array([0, repeat, purpose, index], np.uint64),
    }


def _philox(seed: int, epoch: int, index: int, purpose: int, repeat: int = 0) -> np.random.Philox:
    return np.random.Philox(**_place(seed, epoch, index, purpose, repeat))


def generator(
    seed: int, epoch: int, index: int, purpose: int = AUGMENT, repeat: int = 0
) -> np.random.Generator:
    """Return the random generator of one sample in one epoch.

    ``repeat`` counts how often the sample has come in this epoch before.
    """
    return np.random.Generator(_philox(seed, epoch, index, purpose, repeat))


class Streams:
    """The generators of ``generator``, one at a time and at a fifth of the time.

    Args:
        seed: of all of them.
    """

    def __init__(self, seed: int):
        self._seed, self._bits = seed, _philox(seed, 0, 0, 0)
        self._generator = np.random.Generator(self._bits)
        # Where every stream begins: nothing is left over from a draw before.
        self._state: Any = dict(self._bits.state)

    def at(
        self, epoch: int, index: int, purpose: int = AUGMENT, repeat: int = 0
    ) -> np.random.Generator:
        """Return the generator of a sample, which ends the one that was given before."""
        self._state["state"] = _place(self._seed, epoch, index, purpose, repeat)
        self._bits.state = self._state
        return self._generator


def order(length: int, seed: int, epoch: int = 0, purpose: int = ORDER) -> np.ndarray:
    """Return a permutation of ``range(length)``, int64."""
    # Raw Philox words are the same in every NumPy; Generator.permutation is not promised to be.
    return np.argsort(_philox(seed, epoch, 0, purpose).random_raw(length), kind="stable")


def numbers(length: int, seed: int, epoch: int, label: int, turn: int) -> np.ndarray:
    """Return random numbers ``(length,)``, uint64, for one walk through the images of a class."""
    return _philox(seed, epoch, label, BALANCE, turn).random_raw(length)


def scores(keys: list[str], seed: int | str) -> np.ndarray:
    """Return one random number for each key, uint64, that no other key has a say in."""
    hashes = (hashlib.blake2b(os.fsencode(f"{seed}/{key}"), digest_size=8) for key in keys)
    return np.array([int.from_bytes(one.digest(), "big") for one in hashes], np.uint64)

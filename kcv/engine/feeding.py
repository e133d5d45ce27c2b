"""Arrays as batches on the device: each row is copied once, and a GPU never waits for it.

Keras copies every batch of an array three times, the last time to the device while the host waits:
a GPU then has nothing to do until the next step has been written. Here rows go into page-locked
memory, one batch ahead and beside the training, and from there to the device on their own.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from keras import ops, tree

# Keras takes an adapter of one's own in the place of arrays, but names none in public.
from keras.src.trainers.data_adapters.array_data_adapter import (
    ArrayDataAdapter,
    can_convert_arrays,
)
from keras.src.trainers.data_adapters.array_slicing import train_validation_split

NAMES = ("x", "y", "sample_weight")
TYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
END = object()


class Feed(ArrayDataAdapter):
    """Arrays in the order, the batches and the weights that Keras would give, for one device.

    Args:
        arrays: (x, y, sample weight), as Keras takes them.
        device: where the batches go.
        options: `batch_size`, `steps`, `shuffle` and `class_weight`, as Keras takes them.
    """

    def __init__(self, arrays: tuple, device: torch.device, **options):
        super().__init__(*arrays, **options)
        self.device = device

    def get_torch_dataloader(self):
        plain = super().get_torch_dataloader()
        sampler = plain.batch_sampler
        rows = Rows(plain.dataset.array, self.device.type == "cuda", not self._shuffle)
        loader = torch.utils.data.DataLoader(
            rows, batch_sampler=sampler, collate_fn=plain.collate_fn
        )
        return Ahead(loader, self.device) if self.device.type == "cuda" else loader


class Rows(torch.utils.data.Dataset):
    """Rows of nested arrays, a batch of them at a time, in memory of its own.

    Args:
        arrays: nested, what Keras cuts into batches.
        pinned: whether the memory is to be page-locked.
        ordered: whether the rows of a batch always follow one another.
    """

    def __init__(self, arrays, pinned: bool, ordered: bool):
        self.arrays = tree.map_structure(
            _pinnable if pinned else _plain, arrays, none_is_leaf=False
        )
        self.ordered = ordered

    def __getitems__(self, indices: list[int]):
        where = slice(indices[0], indices[-1] + 1) if self.ordered else indices
        return tree.map_structure(
            lambda array: _taken(array, where), self.arrays, none_is_leaf=False
        )


def _plain(sliceable):
    """Return an array as it is where NumPy cuts it and torch has its type, else Keras's wrapper."""
    array = sliceable.array
    return array if type(array) is np.ndarray and array.dtype.name in TYPES else sliceable


def _pinnable(sliceable):
    """Return an array as a tensor on the same memory, from which torch gathers on all cores."""
    array = _plain(sliceable)
    if array is sliceable or not array.flags.writeable or min(array.strides, default=0) < 0:
        return array
    return torch.from_numpy(array)


def _taken(array, where: slice | list[int]) -> torch.Tensor:
    """Return rows of an array, copied."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(array[where].copy() if isinstance(where, slice) else array[where])
    if not isinstance(array, torch.Tensor):
        rows = array.convert_to_torch_compatible(array[where])
        rows = rows.clone() if isinstance(rows, torch.Tensor) else np.array(rows)
        return ops.convert_to_tensor(rows)
    if isinstance(where, slice):
        part = array[where]
        return torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(part)
    rows = torch.empty((len(where), *array.shape[1:]), dtype=array.dtype, pin_memory=True)
    return torch.index_select(array, 0, torch.tensor(where), out=rows)


class Ahead:
    """Batches of a loader on a device, of which the next one is made while one is worked on."""

    def __init__(self, loader: Iterable, device: torch.device):
        self.loader, self.device = loader, device

    def __iter__(self) -> Iterator[Any]:
        # Both here and now: what a loader draws at its start comes from everybody's generator.
        return self._batches(iter(self.loader))

    def _batches(self, batches: Iterator[Any]) -> Iterator[Any]:
        batch = next(batches, END)
        with ThreadPoolExecutor(1) as thread:
            while batch is not END:
                following = thread.submit(next, batches, END)
                yield tree.map_structure(self._moved, batch, none_is_leaf=False)
                batch = following.result()

    def _moved(self, tensor):
        return tensor.to(self.device, non_blocking=True)


def feed_fit(given: dict, device: torch.device) -> dict:
    """Return the arguments of `fit` with a `Feed` in the place of arrays."""
    given = dict(given)
    arrays, batch = _arrays(given), given.get("batch_size")
    if arrays is not None:
        if given.get("validation_split") and given.get("validation_data") is None:
            arrays, given["validation_data"] = train_validation_split(
                arrays, given.pop("validation_split")
            )
        options = {"shuffle": given.pop("shuffle", True), "batch_size": batch}
        options |= {"class_weight": given.pop("class_weight", None)}
        feed = Feed(arrays, device, steps=given.get("steps_per_epoch"), **options)
        given |= {"x": feed, "y": None, "sample_weight": None}
    held_out = given.get("validation_data")
    if isinstance(held_out, list | tuple) and len(held_out) in (2, 3):
        arrays = _arrays(dict(zip(NAMES, held_out, strict=False)))
        if arrays is not None:
            options = {"batch_size": given.get("validation_batch_size") or batch}
            options |= {"steps": given.get("validation_steps")}
            given["validation_data"] = Feed(arrays, device, **options)
    return given


def feed_test(given: dict, device: torch.device) -> dict:
    """Return the arguments of `evaluate` or `predict` with a `Feed` in the place of arrays."""
    arrays = _arrays(given)
    if arrays is None:
        return given
    feed = Feed(arrays, device, batch_size=given.get("batch_size"), steps=given.get("steps"))
    return {**{k: v for k, v in given.items() if k not in NAMES}, "x": feed}


def _arrays(given: dict) -> tuple | None:
    """Return (x, y, sample weight) if all of them are arrays, None otherwise."""
    arrays = tuple(given.get(name) for name in NAMES)
    plain = arrays[0] is not None and not isinstance(arrays[0], ArrayDataAdapter)
    return arrays if plain and can_convert_arrays(arrays) else None

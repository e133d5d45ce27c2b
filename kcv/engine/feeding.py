"""Arrays as batches on the device: each row is copied once, and a GPU never waits for it.

Keras copies every batch of an array three times, the last time to the device while the host waits:
a GPU then has nothing to do until the next step has been written. Here rows go into page-locked
memory and from there to the device, one batch ahead and beside the work on the one before.
"""

import functools
from collections import deque
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
from keras.src.trainers.data_adapters.array_slicing import (
    convert_to_sliceable,
    train_validation_split,
)

NAMES = ("x", "y", "sample_weight")
TYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
END = object()
LEAD = 3  # batches that may be copied before the device has finished the first of them


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
        cuda = self.device.type == "cuda"
        arrays = convert_to_sliceable(self._inputs, target_backend="torch")
        loader = Rows(arrays, self._batches(), pinned=cuda, ordered=not self._shuffle)
        return Ahead(loader, self.device) if cuda else loader

    def _batches(self) -> Iterable[list[int]]:
        """Return what gives the numbers of the rows of each batch."""
        rows, kinds = range(self._num_samples), torch.utils.data
        if self._shuffle == "batch":
            return Shuffled(kinds.BatchSampler(rows, self._batch_size, False))
        order = kinds.RandomSampler(rows) if self._shuffle else kinds.SequentialSampler(rows)
        return kinds.BatchSampler(order, self._batch_size, False)


class Shuffled:
    """Batches of a sampler, each in an order of its own."""

    def __init__(self, batches: torch.utils.data.BatchSampler):
        self.batches = batches

    def __iter__(self):
        for batch in self.batches:
            yield [batch[i] for i in torch.randperm(len(batch))]


class Rows:
    """Rows of nested arrays, a batch of them at a time, in memory of its own, in Keras's order.

    torch's loader takes 9 microseconds for a batch of two rows of 8 numbers (this 4; one core of an
    AMD EPYC), as it looks whether it is profiled: on a GPU beside who launches the work.

    Args:
        arrays: nested, what Keras cuts into batches.
        batches: the numbers of the rows of each batch.
        pinned: whether the memory is to be page-locked.
        ordered: whether the rows of a batch always follow one another.
    """

    def __init__(self, arrays, batches: Iterable[list[int]], *, pinned: bool, ordered: bool):
        self.arrays = _map(_pinnable if pinned else _plain, arrays)
        self.batches, self.ordered = batches, ordered

    def __iter__(self) -> Iterator[Any]:
        torch.empty((), dtype=torch.int64).random_()  # torch's loader draws a seed for its workers
        return map(self._batch, self.batches)

    def _batch(self, indices: list[int]):
        where = slice(indices[0], indices[-1] + 1) if self.ordered else indices
        return _map(lambda array: _taken(array, where), self.arrays)


def _plain(sliceable):
    """Return an array as it is where NumPy cuts it and torch has its type, else Keras's wrapper."""
    array = sliceable.array
    return array if type(array) is np.ndarray and array.dtype.name in TYPES else sliceable


def _pinnable(sliceable):
    """Return an array as a tensor on the same memory, from which torch gathers on all cores.

    Four threads of one's own were no faster for batches of 40 MB and slower for 150 MB: networks
    that predict 256 images in less then waited for them (11.5 ms a batch, 9.4 before; 16
    cores, benchmarks/results/h200-bfloat16-threads.csv and -before.csv, ResNet-18).
    """
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


@functools.cache
def _aside(device: torch.device) -> torch.cuda.Stream:
    """Return the stream on which all batches come to a device.

    Memory is kept for the stream that had it: a new one for every `fit` would ask for new memory
    each time, and the old one's would lie idle.
    """
    return torch.cuda.Stream(device)


class Ahead:
    """Batches of a loader on a GPU, copied there beside the work on the batches before.

    A thread copies on a stream of its own, so that neither host nor device waits for it. It stays
    at most `LEAD` batches ahead of what the device has finished: without a bound a host that never
    waits would fill the memory with batches.
    """

    def __init__(self, loader: Iterable, device: torch.device):
        self.loader, self.device = loader, device

    def __iter__(self) -> Iterator[Any]:
        # Both here and now: what a loader draws at its start comes from everybody's generator.
        return self._batches(iter(self.loader))

    def _batches(self, batches: Iterator[Any]) -> Iterator[Any]:
        finished: deque[torch.cuda.Event] = deque()
        aside = _aside(self.device) if self.device.type == "cuda" else None
        with ThreadPoolExecutor(1) as thread:
            following = thread.submit(self._copied, batches, None, aside)
            while (copy := following.result()) is not None:
                wait = finished.popleft() if len(finished) == LEAD else None
                following = thread.submit(self._copied, batches, wait, aside)
                yield _taken_over(*copy)
                if aside is not None:
                    finished.append(torch.cuda.current_stream(self.device).record_event())

    def _copied(self, batches, wait: torch.cuda.Event | None, aside: torch.cuda.Stream | None):
        """Return (the next batch on the device, when it is there), None behind the last one."""
        if wait is not None:
            wait.synchronize()
        batch = next(batches, END)
        if batch is END:
            return None
        with torch.cuda.stream(aside):
            moved = _map(self._moved, batch)
            return moved, None if aside is None else aside.record_event()

    def _moved(self, tensor):
        return tensor.to(self.device, non_blocking=True)


def _taken_over(batch, there: torch.cuda.Event | None):
    """Let the current stream wait for a batch, and its memory last until that has used it."""
    if there is None:
        return batch
    current = torch.cuda.current_stream()
    current.wait_event(there)
    _map(lambda tensor: tensor.record_stream(current), batch)
    return batch


def _map(function, nested):
    """Return what a function makes of each leaf of nested arrays or tensors; None stays None.

    `keras.tree` takes 12 microseconds for a pair of tensors on torch (this 1.6; one core of an AMD
    EPYC), twice a batch and beside the thread that launches the work of a device.
    """
    if type(nested) is tuple:
        return tuple([_map(function, one) for one in nested])
    if nested is None:
        return None
    if isinstance(nested, torch.Tensor | np.ndarray):
        return function(nested)
    return tree.map_structure(function, nested, none_is_leaf=False)


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

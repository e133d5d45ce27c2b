"""What a loader process knows: how to make a batch of numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from kcv.data import draws
from kcv.data.augment import Operation
from kcv.data.images import ImageError
from kcv.data.pool import LETHAL, Filled, Key
from kcv.data.reading import Wanted, reduced
from kcv.data.resizing import resize_image
from kcv.data.sources import Source

# Half of the files would have to be unreadable for 20 draws in a row to fail once in a million.
MAX_ATTEMPTS = 20

Size = tuple[int, int]


class Samples(torch.utils.data.Dataset):
    """Makes whole batches for lists of (epoch, index, repeat).

    Args:
        source: the images.
        size: ``(height, width)`` of all images.
        crop_pct: see ``kcv.data.resize_image``.
        seed: decides the changes.
        operations: random changes.
        training: that an unreadable image is replaced with another one.
        sizes: ``(height, width)`` in an epoch; None for ``size`` in all of them.
        mode, interpolation: see ``kcv.data.resize_image``.
        weights: weight of each image in the loss ``(N,)``; None for batches without weights.
    """

    def __init__(
        self,
        source: Source,
        size: Size,
        crop_pct: float,
        seed: int,
        operations: tuple[Operation, ...],
        training: bool,
        sizes: Callable[[int], Size] | None = None,
        mode: str = "crop",
        interpolation: str = "bilinear",
        weights: np.ndarray | None = None,
    ):
        self.weights = weights
        self.source, self.size, self.seed = source, size, seed
        self.how: dict[str, Any] = {
            "mode": mode,
            "crop_pct": crop_pct,
            "interpolation": interpolation,
        }
        self.operations, self.attempts = operations, MAX_ATTEMPTS if training else 1
        self.sizes = sizes if training else None

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, keys: Sequence[Key]) -> Filled:
        return self.fill(list(keys))

    def fill(
        self,
        keys: list[Key],
        memory: np.ndarray | None = None,
        avoid: frozenset[int] = frozenset(),
    ) -> Filled:
        """Make a batch.

        Args:
            keys: (epoch, index), or (epoch, index, repeat), of each image.
            memory: bytes to make it in; None for new ones.
            avoid: numbers of images that must not be decoded.

        Returns:
            The batch. Where images have weights, ``labels`` has the fields ``label`` and
            ``weight``: those of the images that are in the batch, which need not be those that
            were asked for.
        """
        unreadable: list[tuple[int, str]] = []
        size = self.sizes(keys[0][0]) if self.sizes else self.size
        operations = sized(self.operations, size)
        images, labels, chosen = np.empty(0, np.uint8), [], []
        streams = draws.Streams(self.seed)
        try:
            for row, key in enumerate(keys):
                # The first image says how many channels there are.
                out = images[row] if row else None
                image, label, index = self._sample(
                    key, size, operations, unreadable, avoid, streams, out
                )
                if row == 0:
                    images = _room((len(keys), *image.shape), memory)
                if image is not out:
                    images[row] = image
                labels.append(label)
                chosen.append(index)
        # Raised by Batches: on its way out of a loader process it would become a page of text.
        except ImageError:
            return Filled(np.empty(0, np.uint8), np.empty(0, np.int64), unreadable)
        several = isinstance(labels[0], np.ndarray)
        given = np.array(labels, np.float32 if several else np.int64)
        return Filled(images, self._weighted(given, chosen), unreadable)

    def _weighted(self, labels: np.ndarray, indices: list[int]) -> np.ndarray:
        """Return labels with the weights of their images beside them, if they have any."""
        if self.weights is None:
            return labels
        fields = [("label", labels.dtype, labels.shape[1:]), ("weight", np.float32)]
        both = np.empty(len(labels), fields)
        both["label"], both["weight"] = labels, self.weights[indices]
        return both

    def plain(self, index: int) -> np.ndarray:
        """Return an image at the size wanted, without random changes."""
        return self.resized(self.source[index][0])

    def resized(self, image: np.ndarray) -> np.ndarray:
        """Return an image of any size at the size wanted."""
        return self._resize(image, self.size)

    def _resize(self, image: np.ndarray, size: Size) -> np.ndarray:
        if image.shape[:2] == size and self.how["crop_pct"] == 1:
            return image
        return resize_image(image, size, **self.how)

    def _sample(
        self,
        key: Key,
        size: Size,
        operations: tuple[Operation, ...],
        unreadable: list[tuple[int, str]],
        avoid: frozenset[int],
        streams: draws.Streams,
        out: np.ndarray | None,
    ) -> tuple[np.ndarray, Any, int]:
        """Make an image, perhaps in ``out``; return it, its label and which one it is."""
        epoch, index, *repeat = key
        fresh = partial(streams.at, epoch, index, draws.AUGMENT, *repeat)
        crop = Crop(operations[0], fresh) if operations and _cuts(operations[0]) else None
        image, label, index = self._read(epoch, index, unreadable, avoid, crop)
        if not operations:
            return self._resize(image, size), label, index
        if crop is not None:
            image, rng, rest = *crop.cut(image, out), operations[1:]
        else:
            rng, rest = fresh(), operations
            if not getattr(operations[0], "resizes", False):
                image = self._resize(image, size)
        for operation in rest:
            # In the batch itself, a change needs no second image.
            change = getattr(operation, "change", operation) if image is out else operation
            image = change(image, rng)
        if image.shape[:2] != size:
            raise ValueError(
                f"The operations of augment need to give images of size {size}. "
                f"Received: an image of size {image.shape[:2]} after {operations}"
            )
        return image, label, index

    def _read(
        self,
        epoch: int,
        index: int,
        unreadable: list[tuple[int, str]],
        avoid: frozenset[int],
        crop: "Crop | None",
    ) -> tuple[np.ndarray, Any, int]:
        """Read an image; in training, another one if it cannot be read. The number is its own."""
        for tried in self._candidates(epoch, index):
            try:
                if tried in avoid:
                    raise ImageError(self.source.name(tried), LETHAL)
                if crop is None or self.source.in_memory:
                    return *self.source[tried], tried
                with reduced(crop.choose):
                    return *self.source[tried], tried
            except ImageError as error:
                unreadable.append((tried, error.reason))
                failure = error
        raise failure

    def _candidates(self, epoch: int, index: int) -> Iterator[int]:
        yield index
        # Not from a list of readable ones: what this process has met before must not matter.
        rng = draws.generator(self.seed, epoch, index, draws.SUBSTITUTE)
        for _ in range(self.attempts - 1):
            yield int(rng.random() * len(self.source))


class Crop:
    """A random crop that is drawn before its JPEG file is decoded, for the decoder to do less.

    Whether a file could be reduced must not change what is drawn: the rectangle is drawn for the
    size of the full image, with a generator that has given nothing yet.
    """

    def __init__(self, operation: Any, fresh: Callable[[], np.random.Generator]):
        self._operation, self._fresh = operation, fresh
        self._full: Size | None = None

    def choose(self, height: int, width: int) -> Wanted:
        """Return what is needed of an image of that size."""
        self._full, self._rng = (height, width), self._fresh()
        self._rectangle = self._operation.rectangle(height, width, self._rng)
        self._reduction = self._operation.reduction(self._rectangle)
        bottom = self._rectangle[0] + self._rectangle[2]
        return Wanted(self._reduction, bottom, getattr(self._operation, "coarse", False))

    def cut(
        self, image: np.ndarray, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.random.Generator]:
        """Return the crop, perhaps in ``out``, and the generator for what comes next."""
        height, width, _ = image.shape
        # Nobody asked, or the source has turned or cut the image after it was read.
        if self._full is None or not self._is_expected(height, width):
            self.choose(height, width)
            self._reduction = 1
        return self._operation.cut(image, self._rectangle, self._reduction, out), self._rng

    def _is_expected(self, height: int, width: int) -> bool:
        bottom, (full, full_width) = self._rectangle[0] + self._rectangle[2], self._full or (0, 0)
        least, most, expected = (-(-edge // self._reduction) for edge in (bottom, full, full_width))
        return least <= height <= most and width == expected


def _cuts(operation: Any) -> bool:
    return all(hasattr(operation, name) for name in ("rectangle", "reduction", "cut"))


def sized(operations: tuple[Operation, ...], size: Size) -> tuple[Operation, ...]:
    """Return the operations with another image size for those that have one."""
    return tuple(
        replace(one, size=size)  # type: ignore[type-var]
        if getattr(one, "resizes", False) and one.size != size  # type: ignore[attr-defined]
        else one
        for one in operations
    )


def _room(shape: tuple[int, ...], memory: np.ndarray | None) -> np.ndarray:
    if memory is None:
        return np.empty(shape, np.uint8)
    return memory[: int(np.prod(shape))].reshape(shape)

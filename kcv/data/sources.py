"""Sources: labelled images by number, decoded when they are asked for."""

import bisect
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from kcv.data.images import ImageError
from kcv.data.reading import problem, read_image

Label = int | np.ndarray


class Source(Protocol):
    """Labelled images by number.

    ``source[i]`` is ``(image, label)``: an array ``(H, W, C)``, uint8, at its own size, and a class
    number or a multi-hot vector ``(K,)``. It raises ``ImageError`` where an image cannot be read.
    ``labels`` holds all class numbers, ``(N,)`` int64, or ``(N, K)`` float32 where an image may
    have several classes; ``weights`` is None or the weight of each image, ``(N,)`` float32;
    ``in_memory`` says that no image of it can be unreadable.
    """

    in_memory: bool

    @property
    def labels(self) -> np.ndarray: ...

    @property
    def weights(self) -> np.ndarray | None: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, Label]: ...

    def name(self, index: int) -> str:
        """Return what a person calls this image: its path, or ``fashion_mini/test/17``."""

    def key(self, index: int) -> str:
        """Return the name of this image inside its data set, wherever that is stored."""

    def problem(self, index: int) -> str | None:
        """Return why this image cannot be read, or None."""

    def encoded(self, index: int) -> bytes | np.ndarray:
        """Return the content of the image's file; of images in memory, their pixels."""


def _labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    return labels.astype(np.int64 if labels.ndim == 1 else np.float32)


def _label(labels: np.ndarray, index: int) -> Label:
    return int(labels[index]) if labels.ndim == 1 else labels[index]


def count_classes(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the number of images of each class, ``(num_classes,)``, for one label or several."""
    if labels.ndim == 2:
        return labels.sum(0).astype(np.int64)
    return np.bincount(labels, minlength=num_classes)


class ArraySource:
    """Images that lie in one array.

    Args:
        images: array ``(N, H, W)`` or ``(N, H, W, 1 or 3)``, uint8.
        labels: class numbers ``(N,)``, or several classes ``(N, K)`` of 0 and 1.
        channels: 1 or 3; grey is repeated, colours are turned into grey.
        dataset: name of the data set, for ``name``.
        part: name of the part that the array is, for ``name`` and ``key``.
    """

    in_memory = True
    weights: np.ndarray | None = None

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, channels: int, dataset: str, part: str
    ):
        self.images = _with_channels(images, channels)
        self.labels = _labels(labels)
        self.dataset, self.part = dataset, part

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Label]:
        return self.images[index], _label(self.labels, index)

    def name(self, index: int) -> str:
        return f"{self.dataset}/{self.key(index)}"

    def key(self, index: int) -> str:
        return f"{self.part}/{index}"

    def problem(self, index: int) -> str | None:
        return None

    def encoded(self, index: int) -> np.ndarray:
        return self.images[index]


def _with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Return a read-only array ``(N, H, W, channels)``."""
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[-1] == 3 and channels == 1:
        images = np.stack([read_image(image, channels=1) for image in images])
    # A repeated channel is a view with stride 0: three channels take the memory of one.
    images = np.broadcast_to(images, (*images.shape[:3], channels))
    # An operation that wrote into its image would change the data for all later epochs.
    images.flags.writeable = False
    return images


class FileSource:
    """Image files.

    Args:
        root: the folder.
        files: paths relative to it, with forward slashes, or absolute ones.
        labels: class numbers ``(N,)``, or several classes ``(N, K)`` of 0 and 1.
        channels: 1 or 3.
        weights: weight of each image ``(N,)``, or None.
    """

    in_memory = False

    def __init__(
        self,
        root: str,
        files: Sequence[str],
        labels: np.ndarray,
        channels: int,
        weights: np.ndarray | None = None,
    ):
        self.root, self.files, self.channels = root, list(files), channels
        self.labels = _labels(labels)
        self.weights = None if weights is None else np.asarray(weights, np.float32)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Label]:
        return read_image(self.name(index), self.channels), _label(self.labels, index)

    def name(self, index: int) -> str:
        file = self.files[index]
        return file if os.path.isabs(file) else os.path.join(self.root, *file.split("/"))

    def key(self, index: int) -> str:
        return self.files[index]

    def problem(self, index: int) -> str | None:
        return problem(self.name(index))

    def encoded(self, index: int) -> bytes:
        with open(self.name(index), "rb") as file:
            return file.read()


class PackedSource:
    """Image files inside larger ones: tar shards, Parquet tables, record files.

    Args:
        read: gives the content of the image file with a number; it must survive pickling.
        keys: name of each image inside the data set.
        labels: class numbers ``(N,)``, or several classes ``(N, K)`` of 0 and 1.
        channels: 1 or 3.
        dataset: name of the data set, for ``name``.

    Attributes:
        blocks: number of the piece ``(N,)`` that holds each image, where ``read`` reads pieces.
    """

    in_memory = False
    weights: np.ndarray | None = None
    blocks: np.ndarray | None = None

    def __init__(
        self,
        read: Callable[[int], bytes],
        keys: Sequence[str],
        labels: np.ndarray,
        channels: int,
        dataset: str,
    ):
        self.read, self.keys, self.channels, self.dataset = read, keys, channels, dataset
        self.labels = _labels(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Label]:
        try:
            image = read_image(self.read(index), self.channels)
        except ImageError as error:
            raise ImageError(self.name(index), error.reason) from error
        return image, _label(self.labels, index)

    def name(self, index: int) -> str:
        return f"{self.dataset}/{self.key(index)}"

    def key(self, index: int) -> str:
        return self.keys[index]

    def problem(self, index: int) -> str | None:
        try:
            self[index]
        except ImageError as error:
            return error.reason
        return None

    def encoded(self, index: int) -> bytes:
        return self.read(index)


class Subset:
    """The images of a source with the given numbers, in that order."""

    def __init__(self, source: Source, indices: np.ndarray):
        self.source, self.indices = source, np.asarray(indices, np.int64)
        self.labels, self.in_memory = source.labels[self.indices], source.in_memory
        self.weights = None if source.weights is None else source.weights[self.indices]
        blocks = getattr(source, "blocks", None)
        self.blocks = None if blocks is None else blocks[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Label]:
        return self.source[int(self.indices[index])]

    def name(self, index: int) -> str:
        return self.source.name(int(self.indices[index]))

    def key(self, index: int) -> str:
        return self.source.key(int(self.indices[index]))

    def problem(self, index: int) -> str | None:
        return self.source.problem(int(self.indices[index]))

    def encoded(self, index: int) -> bytes | np.ndarray:
        return self.source.encoded(int(self.indices[index]))


class Joined:
    """Several sources, one after the other."""

    def __init__(self, sources: Sequence[Source]):
        self.sources = list(sources)
        self.starts = np.cumsum([0, *(len(source) for source in self.sources)]).tolist()
        self.labels = np.concatenate([source.labels for source in self.sources])
        self.in_memory = all(source.in_memory for source in self.sources)
        self.weights = None
        if any(source.weights is not None for source in self.sources):
            self.weights = np.concatenate([_weights(source) for source in self.sources])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Label]:
        source, inner = self._find(index)
        return source[inner]

    def name(self, index: int) -> str:
        source, inner = self._find(index)
        return source.name(inner)

    def key(self, index: int) -> str:
        source, inner = self._find(index)
        return source.key(inner)

    def problem(self, index: int) -> str | None:
        source, inner = self._find(index)
        return source.problem(inner)

    def encoded(self, index: int) -> bytes | np.ndarray:
        source, inner = self._find(index)
        return source.encoded(inner)

    def _find(self, index: int) -> tuple[Source, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} images. Received: {index=}")
        which = bisect.bisect_right(self.starts, index) - 1
        return self.sources[which], index - self.starts[which]


def _weights(source: Source) -> np.ndarray:
    return np.ones(len(source), np.float32) if source.weights is None else source.weights

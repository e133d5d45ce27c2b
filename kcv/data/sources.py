"""Sources: labelled images by number, decoded when they are asked for."""

import bisect
import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from kcv.data.images import problem, read_image


class Source(Protocol):
    """Labelled images by number.

    ``source[i]`` is ``(image, label)``: an array ``(H, W, C)``, uint8, at its own size, and a class
    number. It raises ``ImageError`` where an image cannot be read. ``labels`` holds all class
    numbers, int64; ``in_memory`` says that no image of it can be unreadable.
    """

    in_memory: bool

    @property
    def labels(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]: ...

    def name(self, index: int) -> str:
        """Return what a person calls this image: its path, or ``fashion_mini/test/17``."""

    def key(self, index: int) -> str:
        """Return the name of this image inside its data set, wherever that is stored."""

    def problem(self, index: int) -> str | None:
        """Return why this image cannot be read, or None."""


class ArraySource:
    """Images that lie in one array.

    Args:
        images: array ``(N, H, W)`` or ``(N, H, W, 1 or 3)``, uint8.
        labels: class numbers ``(N,)``.
        channels: 1 or 3; grey is repeated, colours are turned into grey.
        dataset: name of the data set, for ``name``.
        part: name of the part that the array is, for ``name`` and ``key``.
    """

    in_memory = True

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, channels: int, dataset: str, part: str
    ):
        self.images = _with_channels(images, channels)
        self.labels = np.asarray(labels, np.int64)
        self.dataset, self.part = dataset, part

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.images[index], int(self.labels[index])

    def name(self, index: int) -> str:
        return f"{self.dataset}/{self.key(index)}"

    def key(self, index: int) -> str:
        return f"{self.part}/{index}"

    def problem(self, index: int) -> str | None:
        return None


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
        files: paths relative to it, with forward slashes.
        labels: class numbers, one for each file.
        channels: 1 or 3.
    """

    in_memory = False

    def __init__(self, root: str, files: Sequence[str], labels: np.ndarray, channels: int):
        self.root, self.files, self.channels = root, list(files), channels
        self.labels = np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return read_image(self.name(index), self.channels), int(self.labels[index])

    def name(self, index: int) -> str:
        return os.path.join(self.root, *self.files[index].split("/"))

    def key(self, index: int) -> str:
        return self.files[index]

    def problem(self, index: int) -> str | None:
        return problem(self.name(index))


class Subset:
    """The images of a source with the given numbers, in that order."""

    def __init__(self, source: Source, indices: np.ndarray):
        self.source, self.indices = source, np.asarray(indices, np.int64)
        self.labels, self.in_memory = source.labels[self.indices], source.in_memory

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.source[int(self.indices[index])]

    def name(self, index: int) -> str:
        return self.source.name(int(self.indices[index]))

    def key(self, index: int) -> str:
        return self.source.key(int(self.indices[index]))

    def problem(self, index: int) -> str | None:
        return self.source.problem(int(self.indices[index]))


class Joined:
    """Several sources, one after the other."""

    def __init__(self, sources: Sequence[Source]):
        self.sources = list(sources)
        self.starts = np.cumsum([0, *(len(source) for source in self.sources)]).tolist()
        self.labels = np.concatenate([source.labels for source in self.sources])
        self.in_memory = all(source.in_memory for source in self.sources)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
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

    def _find(self, index: int) -> tuple[Source, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} images. Received: {index=}")
        which = bisect.bisect_right(self.starts, index) - 1
        return self.sources[which], index - self.starts[which]

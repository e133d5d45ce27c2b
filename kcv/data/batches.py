"""Batches: a DataLoader whose every image is a function of (seed, epoch, index)."""

from collections.abc import Iterator, Sequence
from typing import NoReturn

import keras
import numpy as np
import torch

from kcv.data import draws
from kcv.data import workers as processes
from kcv.data.augment import Operation
from kcv.data.images import ImageError, resize_image
from kcv.data.skipped import Skipped
from kcv.data.sources import Source

# Half of the files would have to be unreadable for 20 draws in a row to fail once in a million.
MAX_ATTEMPTS = 20


# Images, labels, and number and reason of each unreadable image met; no images if it was hopeless.
_Batch = tuple[np.ndarray, np.ndarray, list[tuple[int, str]]]


class Batches(torch.utils.data.DataLoader):
    """Batches of one part of a data set: ``images (B, H, W, C)`` uint8, ``labels (B,)`` int64.

    A part named ``train`` is shuffled by (seed, epoch), changed by ``operations``, and gives no
    partial last batch unless it is the only one; ``epoch`` goes up when the last batch is given,
    and may be set, for resuming. A file that cannot be read is replaced with another one of the
    part, chosen by (seed, epoch, index), named in a warning and added to ``skipped``. Every other
    part is given as it is and in order; there, an unreadable file is an error.

    Keras looks at one batch before it trains a new model: of a part with a single batch that is an
    epoch. Set ``epoch`` in ``on_epoch_begin`` where that matters.

    Args:
        source: the images.
        part: ``train``, or another name.
        image_size: ``(height, width)`` of all images.
        batch_size: images in a batch.
        seed: decides order and changes.
        operations: random changes of training images (``kcv.data.augment``).
        crop_pct: see ``kcv.data.resize_image``.
        workers: number of loader processes; 0 loads in the calling process.
        skipped: where unreadable files are noted.
    """

    def __init__(
        self,
        source: Source,
        part: str,
        *,
        image_size: tuple[int, int],
        batch_size: int,
        seed: int = 0,
        operations: Sequence[Operation] = (),
        crop_pct: float = 1.0,
        workers: int = 0,
        skipped: Skipped | None = None,
    ):
        training = part == "train"
        self.source, self.part = source, part
        self.skipped = Skipped() if skipped is None else skipped
        self._order = _Order(len(source), seed if training else None)
        self._samples = _Samples(source, image_size, crop_pct, seed, tuple(operations), training)
        super().__init__(
            self._samples,
            batch_size=batch_size,
            sampler=self._order,
            drop_last=training and len(source) >= batch_size,
            collate_fn=_to_tensors,
            # Pinning starts CUDA in this process, which only torch may want.
            pin_memory=keras.config.backend() == "torch" and torch.cuda.is_available(),
            **processes.options(workers, keep=part != "test"),
        )

    @property
    def labels(self) -> np.ndarray:
        """Class numbers of all images, in the order of the source: ``(N,)``, int64."""
        return self.source.labels

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next iteration gives, from 0."""
        return self._order.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        if epoch < 0:
            raise ValueError(f"Batches needs epoch >= 0. Received: {epoch=}")
        self._order.epoch = epoch

    def name(self, index: int) -> str:
        """Return the path of an image, or a name like ``fashion_mini/test/17``."""
        return self.source.name(index)

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Return images of the source as for evaluation: ``(len(indices), H, W, C)``, uint8.

        Raises:
            ImageError: one of them cannot be read.
        """
        return np.stack([self._samples.plain(int(index)) for index in indices])

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:  # type: ignore[override]
        # A generator, because Keras makes iterators that it never uses: loader processes start, and
        # the epoch is looked up, only when the first batch is asked for.
        last, following = len(self) - 1, self.epoch + (self.part == "train")
        for step, (images, labels, unreadable) in enumerate(super().__iter__()):
            for index, reason in unreadable:
                self.skipped.add(self.name(index), reason)
            if not len(images):
                self._fail(*unreadable[-1])
            # Before the last batch is given: Keras never asks for one more.
            if step == last:
                self.epoch = following
            yield images, labels

    def _fail(self, index: int, reason: str) -> NoReturn:
        if self.part != "train":
            raise ImageError(self.name(index), reason)
        raise RuntimeError(
            f"Training needs images that can be read. Received: {MAX_ATTEMPTS} in a row that "
            f"cannot, the last one {self.name(index)} {reason}"
        )


class _Order:
    """Sampler of (epoch, index): shuffled by seed and epoch, or in order where seed is None."""

    def __init__(self, length: int, seed: int | None):
        self.length, self.seed, self.epoch = length, seed, 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        if self.seed is None:
            indices: Sequence[int] = range(self.length)
        else:
            indices = draws.order(self.length, self.seed, epoch).tolist()
        return ((epoch, index) for index in indices)


class _Samples(torch.utils.data.Dataset):
    """What a loader process knows: gives whole batches for lists of (epoch, index)."""

    def __init__(
        self,
        source: Source,
        size: tuple[int, int],
        crop_pct: float,
        seed: int,
        operations: tuple[Operation, ...],
        training: bool,
    ):
        self.source, self.size, self.crop_pct, self.seed = source, size, crop_pct, seed
        self.operations, self.attempts = operations, MAX_ATTEMPTS if training else 1
        self.resizes = bool(operations) and getattr(operations[0], "resizes", False)

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> _Batch:
        unreadable: list[tuple[int, str]] = []
        try:
            samples = [self._sample(epoch, index, unreadable) for epoch, index in keys]
        # Raised by Batches: on its way out of a loader process it would become a page of text.
        except ImageError:
            return np.empty(0, np.uint8), np.empty(0, np.int64), unreadable
        images, labels = zip(*samples, strict=True)
        return np.stack(images), np.array(labels, np.int64), unreadable

    def plain(self, index: int) -> np.ndarray:
        """Return an image at the size wanted, without random changes."""
        return self._resize(self.source[index][0])

    def _resize(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] == self.size and self.crop_pct == 1:
            return image
        return resize_image(image, self.size, crop_pct=self.crop_pct)

    def _sample(
        self, epoch: int, index: int, unreadable: list[tuple[int, str]]
    ) -> tuple[np.ndarray, int]:
        image, label = self._read(epoch, index, unreadable)
        if not self.resizes:
            image = self._resize(image)
        if not self.operations:
            return image, label
        rng = draws.generator(self.seed, epoch, index)
        for operation in self.operations:
            image = operation(image, rng)
        if image.shape[:2] != self.size:
            raise ValueError(
                f"The operations of augment need to give images of size {self.size}. "
                f"Received: an image of size {image.shape[:2]} after {self.operations}"
            )
        return image, label

    def _read(
        self, epoch: int, index: int, unreadable: list[tuple[int, str]]
    ) -> tuple[np.ndarray, int]:
        """Read an image; in training, another one if it cannot be read."""
        for tried in self._candidates(epoch, index):
            try:
                return self.source[tried]
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


def _to_tensors(batch: _Batch) -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, str]]]:
    images, labels, unreadable = batch
    return torch.from_numpy(images), torch.from_numpy(labels), unreadable

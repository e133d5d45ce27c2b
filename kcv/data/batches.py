"""Batches: a DataLoader whose every image is a function of (seed, epoch, index)."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import keras
import numpy as np
import torch

from kcv.data.augment import Operation
from kcv.data.images import ImageError
from kcv.data.pool import Filled, Pool
from kcv.data.samples import MAX_ATTEMPTS, Samples
from kcv.data.sampling import Order
from kcv.data.skipped import Skipped
from kcv.data.slots import Slots
from kcv.data.sources import Source


class Batches(torch.utils.data.DataLoader):
    """Batches of one part of a data set: ``images (B, H, W, C)`` uint8, ``labels (B,)`` int64.

    A part named ``train`` is shuffled by (seed, epoch), changed by ``operations``, and gives no
    partial last batch unless it is the only one; ``epoch`` goes up when the last batch is given,
    and may be set, for resuming. A file that cannot be read is replaced with another one of the
    part, chosen by (seed, epoch, index), named in a warning and added to ``skipped``. Every other
    part is given as it is and in order; there, an unreadable file is an error. Where an image may
    have several classes, labels are ``(B, K)`` float32. Training images that have weights come
    with them: ``images, labels, weights (B,)`` float32, as ``model.fit`` takes them.

    Keras looks at one batch before it trains a new model: of a part with a single batch that is an
    epoch. Set ``epoch`` in ``on_epoch_begin`` where that matters.

    A loader process that dies is replaced, and the batches are those that it would have given.

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
        sampling: which training images an epoch has: ``shuffled`` or ``balanced``, see
            ``kcv.data.sampling.Order``.
        repeats: how often a training image comes in a row, likewise.
        sizes: ``(height, width)`` of the training images of an epoch, a function of its number,
            none larger than ``image_size``; see ``kcv.data.sampling.Growing``.
        mode, interpolation: see ``kcv.data.resize_image``.
        weights: weight of each training image in the loss ``(N,)``; None for those of the source,
            if it has any.
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
        sampling: str = "shuffled",
        repeats: int = 1,
        sizes: Callable[[int], tuple[int, int]] | None = None,
        mode: str = "crop",
        interpolation: str = "bilinear",
        weights: np.ndarray | None = None,
    ):
        training = part == "train"
        weights = source.weights if weights is None else np.asarray(weights, np.float32)
        # Validation and test count every image alike: a score is no loss.
        self.weights, self.sizes = (weights, sizes) if training else (None, None)
        self.source, self.part, self.workers = source, part, workers
        self.image_size, self.crop_pct = image_size, crop_pct
        self.skipped = Skipped() if skipped is None else skipped
        blocks = getattr(source, "blocks", None)
        self._order = Order(source.labels, seed if training else None, sampling, repeats, blocks)
        self._samples = Samples(
            source,
            image_size,
            crop_pct,
            seed,
            tuple(operations),
            training,
            sizes,
            mode,
            interpolation,
            self.weights,
        )
        # Three channels at most; batches of one leave the rest untouched.
        self._bytes = batch_size * image_size[0] * image_size[1] * 3
        self._memory: Slots | None = None
        self._pool: Pool | None = None
        # Pinning starts CUDA in this process, which only torch may want.
        self._pinned = keras.config.backend() == "torch" and torch.cuda.is_available()
        # Keras knows a DataLoader by its class, and asks it for its length and its batch size. What
        # it does itself, it does without processes: those are here.
        super().__init__(
            self._samples,
            batch_size=batch_size,
            sampler=self._order,
            drop_last=training and len(source) >= batch_size,
            # A loader draws a seed at every epoch, by default from the generator that dropout uses.
            generator=torch.Generator(),
        )

    @property
    def labels(self) -> np.ndarray:
        """Labels of all images, in the order of the source: ``(N,)`` int64, ``(N, K)`` float32."""
        return self.source.labels

    @property
    def resize(self) -> dict[str, Any]:
        """Arguments of ``kcv.data.resize_image`` for evaluation."""
        return self._samples.how

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

    @property
    def processes(self) -> list[int]:
        """Numbers of the loader processes, as the system counts them; none before they start."""
        return [] if self._pool is None else self._pool.processes

    def close(self) -> None:
        """End the loader processes; the next iteration starts new ones."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:  # type: ignore[override]
        # A generator, because Keras makes iterators that it never uses: loader processes start, and
        # the epoch is looked up, only when the first batch is asked for.
        last, following = len(self) - 1, self.epoch + (self.part == "train")
        for step, (images, labels, unreadable) in enumerate(self._loaded()):
            for index, reason in unreadable:
                self.skipped.add(self.name(index), reason, self.part)
            if not len(images):
                self._fail(*unreadable[-1])
            # Before the last batch is given: Keras never asks for one more.
            if step == last:
                self.epoch = following
            pixels = torch.from_numpy(images)
            yield pixels.pin_memory() if self._pinned else pixels, *_targets(labels)

    def _loaded(self) -> Iterator[Filled]:
        if self.workers == 0:
            yield from map(self._filled, self.batch_sampler)
            return
        if self._pool is None or not self._pool.processes:
            self._pool = Pool(self._samples, self.workers, self._bytes)
            weakref.finalize(self, self._pool.close)
        try:
            yield from self._pool.batches(iter(self.batch_sampler), len(self))
        finally:
            # Test images come once: their processes would wait for nothing.
            if self.part == "test":
                self.close()

    def _filled(self, keys: list) -> Filled:
        """Make a batch in this process, in memory that is used again."""
        self._memory = self._memory or Slots([np.empty(self._bytes, np.uint8) for _ in "123"], 3)
        if not self._memory.free:
            return self._samples.fill(keys)
        slot = self._memory.free.pop()
        images, labels, unreadable = self._samples.fill(keys, self._memory.pieces[slot])
        return Filled(self._memory.lend(slot, images.shape), labels, unreadable)

    def _fail(self, index: int, reason: str) -> NoReturn:
        if self.part != "train":
            raise ImageError(self.name(index), reason)
        raise RuntimeError(
            f"Training needs images that can be read. Received: {MAX_ATTEMPTS} in a row that "
            f"cannot, the last one {self.name(index)} {reason}"
        )


def _targets(labels: np.ndarray) -> list[torch.Tensor]:
    """Return labels, and weights where there are any."""
    names = labels.dtype.names
    columns = [labels] if names is None else [labels[name].copy() for name in names]
    return [torch.from_numpy(column) for column in columns]

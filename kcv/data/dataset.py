"""Data: what ``kcv.data.load`` returns."""

import logging
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from kcv import bars
from kcv.data import draws
from kcv.data.asking import ask_each, find_problems
from kcv.data.augment import Operation
from kcv.data.batches import Batches
from kcv.data.images import ImageError
from kcv.data.pool import LETHAL
from kcv.data.samples import Samples
from kcv.data.sampling import CLASS_WEIGHTS, image_weights, positive_weights
from kcv.data.skipped import Skipped
from kcv.data.sources import Joined, Source, Subset, count_classes

log = logging.getLogger("kcv")

STATISTICS_IMAGES = 1000
Sums = tuple[int, np.ndarray, np.ndarray]


class Data:
    """A data set in parts, ready for ``model.fit``. ``kcv.data.load`` makes it.

    Attributes:
        spec: what it was loaded from.
        class_names: names of the classes, in the order of the class numbers.
        image_size: ``(height, width)`` of the images in all batches.
        channels: 1 (grey) or 3 (RGB).
        crop_pct: share that the centre crop of evaluation keeps; see ``kcv.data.resize_image``.
        mode, interpolation: how images are resized for evaluation, likewise.
        was_split: that kcv made the test part, of a folder or arrays given as one whole.
        skipped: ``{"path": ..., "reason": ..., "part": ...}`` of each unreadable file met so far.
    """

    def __init__(
        self,
        spec: str,
        class_names: list[str],
        parts: dict[str, Source],
        *,
        image_size: tuple[int, int],
        channels: int,
        crop_pct: float,
        batch_size: int,
        seed: int,
        operations: tuple[Operation, ...],
        val_fraction: float,
        workers: int,
        was_split: bool = False,
        sampling: str = "shuffled",
        repeats: int = 1,
        sizes: Callable[[int], tuple[int, int]] | None = None,
        mode: str = "crop",
        interpolation: str = "bilinear",
        class_weights: str = "none",
    ):
        self.mode, self.interpolation = mode, interpolation
        self.spec, self.class_names = spec, class_names
        self.image_size, self.channels, self.crop_pct = image_size, channels, crop_pct
        self.was_split, self.skipped = was_split, Skipped()
        self._parts, self._batch_size, self._seed = parts, batch_size, seed
        self._operations, self._val_fraction, self._workers = operations, val_fraction, workers
        self._training: dict[str, Any] = {"sampling": sampling, "repeats": repeats, "sizes": sizes}
        self._class_weights = class_weights

    def __repr__(self) -> str:
        height, width = self.image_size
        parts = ", ".join(f"{name} {len(source):,}" for name, source in self._parts.items())
        return (
            f"<kcv Data {self.spec!r}: {self.num_classes} classes, "
            f"images {height}x{width}x{self.channels}, {parts}>"
        )

    @property
    def resize(self) -> dict:
        """Arguments of ``kcv.data.resize_image`` for evaluation."""
        return {
            "mode": self.mode,
            "crop_pct": self.crop_pct,
            "interpolation": self.interpolation,
        }

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def multi_label(self) -> bool:
        """Whether an image may have several classes; labels are then ``(B, K)`` of 0 and 1."""
        return self._parts["train"].labels.ndim == 2

    @property
    def class_counts(self) -> dict[str, list[int]]:
        """Number of images of each class in each part, unreadable ones included."""
        return {
            part: count_classes(source.labels, self.num_classes).tolist()
            for part, source in self._parts.items()
        }

    @cached_property
    def train(self) -> Batches:
        """Training batches: shuffled, with random changes, and with weights where there are any."""
        source = self._parts["train"]
        several = self.multi_label
        weights = source.weights if several else image_weights(source, self._class_weights)
        return self._batches(source, "train", **self._training, weights=weights)

    @cached_property
    def positive_weights(self) -> list[float] | None:
        """Weight of each class's yes in the loss, where images have several; None for 1."""
        if not self.multi_label or self._class_weights == "none":
            return None
        power = CLASS_WEIGHTS[self._class_weights]
        return positive_weights(self._parts["train"].labels, power).tolist()

    @cached_property
    def val(self) -> Batches:
        """Validation batches, held out of training. The first use decodes every file once."""
        return self._batches(self._readable("val"), "val")

    @cached_property
    def test(self) -> Batches | None:
        """Test batches, or None if there is no such part. The first use decodes every file once."""
        return self._batches(self._readable("test"), "test") if "test" in self._parts else None

    @cached_property
    def all(self) -> Batches:
        """All parts as one, in order and unchanged, to evaluate a model on a whole folder."""
        readable = [self._readable(part) for part in self._parts]
        return self._batches(Joined(readable), "all")

    def plain(self, part: str) -> Batches:
        """Return a part for evaluation: in order, unchanged, without what cannot be read.

        Args:
            part: ``train``, ``val``, ``test`` or ``all``; ``train`` without its random changes.

        Raises:
            KeyError: there is no such part.
        """
        if part == "all":
            return self.all
        if part == "train":
            return self._batches(self._readable(part), "train, in order")
        found = self.val if part == "val" else self.test
        if found is None or part not in self._parts:
            raise KeyError(f"The data has {', '.join(self._parts)}. Received: {part=}")
        return found

    @cached_property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel, in grey levels 0..255, over up to 1,000 training images."""
        return self._statistics[0]

    @cached_property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel, in grey levels, over the same images; at least 1."""
        return self._statistics[1]

    @cached_property
    def splits(self) -> dict:
        """Which image lies in which part, unreadable ones included; for a JSON file."""
        keys = {
            part: [source.key(index) for index in range(len(source))]
            for part, source in self._parts.items()
        }
        return {
            "spec": self.spec,
            "seed": self._seed,
            "val_fraction": self._val_fraction,
            "class_names": self.class_names,
            **keys,
        }

    def _batches(self, source: Source, part: str, **training: Any) -> Batches:
        return Batches(
            source,
            part,
            image_size=self.image_size,
            batch_size=self._batch_size,
            seed=self._seed,
            operations=self._operations if part == "train" else (),
            **self.resize,
            workers=self._workers,
            skipped=self.skipped,
            **training,
        )

    def _readable(self, part: str) -> Source:
        """Return a part without the images that cannot be read.

        A score must count the same images whoever asks, so they leave before anything is counted.
        """
        source = self._parts[part]
        if not source.in_memory:
            log.info("Checking the %d files of part %r", len(source), part)
        bad = dict(find_problems(source, self._workers, part))
        if not bad:
            return source
        for index, reason in bad.items():
            self.skipped.add(source.name(index), reason, part)
        if len(bad) == len(source):
            raise ValueError(
                f"The part {part!r} needs an image that can be read. Received: {len(bad)} file"
                f"{'s' if len(bad) > 1 else ''} without one, the first is {source.name(0)}"
            )
        return Subset(source, np.array([i for i in range(len(source)) if i not in bad]))

    @cached_property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        source = self.train.source
        order = draws.order(len(source), self._seed, purpose=draws.STATISTICS)
        chosen = np.sort(order[:STATISTICS_IMAGES]).tolist()
        count, total, squares = 0, np.zeros(self.channels), np.zeros(self.channels)
        workers = 0 if source.in_memory else self._workers
        question = partial(_sums, self.train.dataset, chosen)
        answers: Iterator[Sums | str] = ask_each(question, len(chosen), workers, LETHAL)
        watched = bars.bar("Measuring mean and deviation", answers, total=len(chosen))
        for index, found in zip(chosen, watched, strict=True):
            if isinstance(found, str):
                self.skipped.add(source.name(index), found, "train")
                continue
            count += found[0]
            total += found[1]
            squares += found[2]
        if count == 0:
            raise ValueError(
                "Mean and standard deviation need a training image that can be read. "
                f"Received: {len(chosen)} files that cannot"
            )
        mean = total / count
        std = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), 1.0)
        return tuple(mean.tolist()), tuple(std.tolist())


def _sums(samples: Samples, chosen: list[int], at: int) -> Sums | str:
    """Return number, sum and sum of squares of an image's pixels, or why it cannot be read."""
    try:
        pixels = samples.plain(chosen[at]).astype(np.float64)
    except ImageError as error:
        return error.reason
    return pixels.shape[0] * pixels.shape[1], pixels.sum((0, 1)), np.square(pixels).sum((0, 1))

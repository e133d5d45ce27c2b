"""Which images an epoch has, and in which order; and the weight of a class in the loss."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kcv.data import draws
from kcv.data.found import SMALL_SIZE
from kcv.data.sources import Source

# Blocks, pieces that are read at once, whose images are shuffled together.
WINDOW = 8
SAMPLINGS = ("shuffled", "balanced")
CLASS_WEIGHTS = {"none": 0.0, "root": 0.5, "balanced": 1.0}
"""Name -> ``power`` of ``class_weights`` and ``positive_weights``."""


class Order:
    """Sampler of (epoch, index, repeat): shuffled by seed and epoch, or in order without a seed.

    Args:
        labels: class numbers ``(N,)``; or several classes ``(N, K)`` of 0 and 1.
        seed: decides the order; None gives ``0, 1, 2 ...`` in every epoch.
        sampling: ``shuffled``, each image once; or ``balanced``, each class equally often: N times
            a class and then an image of it is drawn, so that some images of large classes are
            left out and those of small ones come again, with other random changes.
        repeats: each image comes so many times in a row, with other random changes, and an epoch
            of N has N / repeats of them (Hoffer et al. 2019, "Augment your batch",
            https://arxiv.org/abs/1901.09335).
        blocks: number of the piece ``(N,)`` that holds each image, where images are read by pieces:
            an epoch shuffles the pieces, and the images of ``WINDOW`` of them at a time.

    Raises:
        ValueError: an unknown sampling, too many repeats, or labels that cannot be balanced.
    """

    def __init__(
        self,
        labels: np.ndarray,
        seed: int | None,
        sampling: str = "shuffled",
        repeats: int = 1,
        blocks: np.ndarray | None = None,
    ):
        if sampling not in SAMPLINGS:
            raise ValueError(
                f"Training needs sampling in {', '.join(SAMPLINGS)}. Received: {sampling=}"
            )
        if not 1 <= repeats <= max(1, len(labels)):
            raise ValueError(
                f"Training needs 1 <= repeats <= {len(labels)}, the number of images. "
                f"Received: {repeats=}"
            )
        if sampling == "balanced" and labels.ndim != 1:
            raise ValueError(
                "Balanced sampling needs images of one class each. Received: labels of shape "
                f"{labels.shape}"
            )
        self.length, self.seed, self.epoch = len(labels), seed, 0
        self.repeats, self.blocks = repeats, blocks
        self._members = _members(labels) if sampling == "balanced" else None

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        epoch = self.epoch
        seen: dict[int, int] = {}
        for index in self._indices(epoch):
            repeat = seen.get(index, 0)
            seen[index] = repeat + 1
            yield epoch, index, repeat

    def _indices(self, epoch: int) -> list[int]:
        if self.seed is None:
            return list(range(self.length))
        distinct = -(-self.length // self.repeats)
        if self._members is None:
            chosen = draws.order(self.length, self.seed, epoch)
            if self.blocks is not None:
                chosen = _by_blocks(chosen, self.blocks, self.seed, epoch)
            chosen = chosen[:distinct]
        else:
            chosen = _balanced(self._members, distinct, self.seed, epoch)
        return np.repeat(chosen, self.repeats)[: self.length].tolist()


def _by_blocks(order: np.ndarray, blocks: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return a shuffled order in which the blocks come by turns, ``WINDOW`` of them at a time."""
    present, block = np.unique(blocks, return_inverse=True)
    turn = np.argsort(draws.order(len(present), seed, epoch, draws.BLOCKS)) // WINDOW
    return order[np.argsort(turn[block[order]], kind="stable")]


def _members(labels: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _balanced(members: list[np.ndarray], count: int, seed: int, epoch: int) -> np.ndarray:
    """Draw images so that every class comes equally often, give or take one.

    Each class walks through a permutation of its images, and through the next one at its end:
    no image of a class comes twice before each has come once.
    """
    share, more = divmod(count, len(members))
    favoured = np.argsort(draws.numbers(len(members), seed, epoch, len(members), 0))[:more]
    columns = []
    for label, indices in enumerate(members):
        length = share + (label in favoured)
        walks = [
            indices[
                np.argsort(draws.numbers(len(indices), seed, epoch, label, turn), kind="stable")
            ]
            for turn in range(-(-length // len(indices)))
        ]
        columns.append(np.concatenate([*walks, indices[:0]])[:length])
    pool = np.concatenate(columns)
    return pool[draws.order(len(pool), seed, epoch)]


def class_weights(
    labels: np.ndarray, num_classes: int | None = None, power: float = 1.0
) -> dict[int, float]:
    """Return the weight of each class in the loss, for ``model.fit(class_weight=...)``.

    A class with n of the N images weighs ``n ** -power``, scaled so that the mean weight of an
    image is 1. With ``power=1`` all classes count alike, as scikit-learn's ``balanced`` has it;
    ``power=0.5`` is a usual half-way.

    Args:
        labels: class numbers ``(N,)``.
        num_classes: K; None for the largest number and one.
        power: 0 (no weights) to 1.

    Raises:
        ValueError: labels of another shape, a class without images, or a power out of its range.
    """
    if labels.ndim != 1:
        raise ValueError(f"class_weights needs labels (N,). Received: shape {labels.shape}")
    if not 0 <= power <= 1:
        raise ValueError(f"class_weights needs 0 <= power <= 1. Received: {power=}")
    counts = np.bincount(labels, minlength=num_classes or 0)
    if not counts.all():
        raise ValueError(
            "class_weights needs an image of each class. Received: none of class "
            f"{int(np.flatnonzero(counts == 0)[0])}"
        )
    raw = counts.astype(float) ** -power
    return dict(enumerate((raw * counts.sum() / (raw * counts).sum()).tolist()))


def positive_weights(labels: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Return the weight of each class's yes against its no, for images of several classes.

    A class that n of the N images have weighs ``((N - n) / n) ** power`` where it is there and 1
    where it is not: with ``power=1`` both answers count alike in sum.

    Args:
        labels: ``(N, K)`` of 0 and 1.
        power: 0 (no weights) to 1.

    Returns:
        Weights ``(K,)``, for ``kcv.losses.BinaryCrossEntropy(positive_weights=...)``.

    Raises:
        ValueError: labels of another shape, or a class that no or every image has.
    """
    if labels.ndim != 2:
        raise ValueError(f"positive_weights needs labels (N, K). Received: shape {labels.shape}")
    counts = (labels > 0).sum(0)
    alike = np.flatnonzero((counts == 0) | (counts == len(labels)))
    if len(alike):
        label = int(alike[0])
        raise ValueError(
            "positive_weights needs images with and without each class. Received: "
            f"{counts[label]} of {len(labels)} with class {label}"
        )
    return ((len(labels) - counts) / counts) ** power


def image_weights(source: Source, classes: str) -> np.ndarray | None:
    """Return the weight of each image in the loss ``(N,)``, or None where all weigh 1.

    Args:
        source: the images, with their own weights or without; of one class each if ``classes``
            is not ``none``.
        classes: a key of ``CLASS_WEIGHTS``; weights of classes and of images are multiplied.
    """
    if classes == "none":
        return source.weights
    by_class = class_weights(source.labels, power=CLASS_WEIGHTS[classes])
    weights = np.array([by_class[label] for label in source.labels.tolist()], np.float32)
    return weights if source.weights is None else weights * source.weights


def growing_epochs(epochs: int) -> int:
    """Return over how many epochs of a run images grow; in the last quarter they have full size.

    So it is in the source of `Growing`, whose last of four stages has that size.
    """
    return max(1, round(0.75 * epochs))


@dataclass(frozen=True)
class Growing:
    """The image size of an epoch, from ``first`` to ``last`` in equal steps.

    Small images first make early epochs cheap. Tan and Le 2021, "EfficientNetV2: smaller models
    and faster training", https://arxiv.org/abs/2104.00298; the random changes stay as strong as
    they are. The network has to take images of several sizes: ``kcv.models.several_sizes``.

    Args:
        first: edge of the images of epoch 0.
        last: edge from epoch ``epochs - 1`` on.
        epochs: number of epochs over which the edge grows.
        step: edges are multiples of it, except for ``last``; 0 for 32, or 4 where ``last`` is at
            most 64.
    """

    first: int
    last: int
    epochs: int
    step: int = 0

    def __post_init__(self):
        if not 1 <= self.first <= self.last:
            raise ValueError(
                f"Growing needs 1 <= first <= last. Received: first={self.first}, last={self.last}"
            )
        if self.epochs < 1 or self.step < 0:
            raise ValueError(
                "Growing needs epochs >= 1 and step >= 0. "
                f"Received: epochs={self.epochs}, step={self.step}"
            )

    def __call__(self, epoch: int) -> tuple[int, int]:
        share = min(epoch / max(1, self.epochs - 1), 1.0)
        edge = self.first + (self.last - self.first) * share
        step = self.step or (32 if self.last > SMALL_SIZE else 4)
        # Down to a multiple; the smallest one that the first epoch allows is the first itself.
        edge = self.last if share == 1 else max(self.first, int(edge) // step * step)
        return edge, edge

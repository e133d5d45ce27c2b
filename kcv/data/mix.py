"""Mixed batches: mixup and CutMix, which make new images and soft labels of pairs of images."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from kcv.data import draws
from kcv.data.batches import Batches
from kcv.data.skipped import Skipped
from kcv.data.sources import Source


class Mixed(torch.utils.data.DataLoader):
    """Batches whose images are mixed: ``(B, H, W, C)`` float32, 0..255, labels ``(B, K)`` float32.

    With mixup (Zhang et al. 2017, "mixup: beyond empirical risk minimization",
    https://arxiv.org/abs/1710.09412) an image becomes a mean of itself and another one of its
    batch; with CutMix (Yun et al. 2019, "CutMix: regularization strategy to train strong
    classifiers with localizable features", https://arxiv.org/abs/1905.04899) a rectangle of the
    other one is pasted into it. A label is mixed like its image: by the weights of the mean, or by
    the pasted area after its cut at the edges. One weight is drawn for a whole batch.

    Images with weights come with the weight of the mixture, and a label mixed by their shares of
    it: the loss is then the mixture of the two weighted losses, as it is linear in the label.

    The draws depend on (seed, epoch, number of the batch) only, so a resumed run sees the same
    batches. A loss needs to take soft labels, as ``keras.losses.CategoricalCrossentropy`` does.

    Args:
        batches: training batches; their loader processes, order and epoch are used.
        num_classes: K.
        mixup: alpha of mixup, whose weight is drawn from Beta(alpha, alpha); 0 for no mixup.
        cutmix: alpha of CutMix, likewise.
        rate: probability that a batch is mixed.
        switch: where both are wanted, probability that a mixed batch is mixed by CutMix.
        seed: decides pairs, weights and rectangles.
        end_epoch: number of the first epoch, from 0, whose batches are not mixed; None for never.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        batches: Batches,
        num_classes: int,
        *,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        rate: float = 1.0,
        switch: float = 0.5,
        seed: int = 0,
        end_epoch: int | None = None,
    ):
        _check(batches, num_classes, mixup, cutmix, rate, switch, seed, end_epoch)
        self.batches, self.num_classes, self.seed = batches, num_classes, seed
        self.mixup, self.cutmix, self.rate, self.switch = mixup, cutmix, rate, switch
        self.end_epoch = math.inf if end_epoch is None else end_epoch
        # Keras knows a DataLoader by its class and asks it for length and batch size. This one
        # loads nothing itself, hence no worker processes of its own.
        super().__init__(
            batches.dataset,
            batch_size=batches.batch_size,
            sampler=batches.sampler,
            drop_last=batches.drop_last,
        )

    @property
    def labels(self) -> np.ndarray:
        """Class numbers of all images, in the order of the source: ``(N,)``, int64."""
        return self.batches.labels

    @property
    def source(self) -> Source:
        """The images."""
        return self.batches.source

    @property
    def part(self) -> str:
        """Name of the part, ``train``."""
        return self.batches.part

    @property
    def skipped(self) -> Skipped:
        """Unreadable files met so far."""
        return self.batches.skipped

    @property
    def sizes(self) -> Callable[[int], tuple[int, int]] | None:
        """Size of the images of an epoch, see `Batches`."""
        return self.batches.sizes

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next iteration gives, from 0."""
        return self.batches.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.batches.epoch = epoch

    def name(self, index: int) -> str:
        """Return the name of an image."""
        return self.batches.name(index)

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Return images as for evaluation, not mixed: ``(len(indices), H, W, C)``, uint8."""
        return self.batches.images(indices)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:  # type: ignore[override]
        # Looked up before the loop: the batches count on when they give their last one.
        epoch = self.epoch
        for step, batch in enumerate(self.batches):
            # On the device, where there is one: pixels travel there as bytes.
            if batch[0].is_pinned():
                batch = tuple(one.cuda(non_blocking=True) for one in batch)
            images, labels, *weights = batch
            soft = _soft(labels, self.num_classes)
            rng = draws.generator(self.seed, epoch, step, draws.MIX)
            if epoch >= self.end_epoch or rng.random() >= self.rate:
                yield images.float(), soft, *weights
            else:
                yield self._mix(images, soft, rng, *weights)

    def _mix(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        rng: np.random.Generator,
        weights: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        others = torch.from_numpy(np.argsort(rng.random(len(images)), kind="stable"))
        others = others.to(images.device)
        pasted = self.switch if self.mixup and self.cutmix else float(self.cutmix > 0)
        if rng.random() < pasted:
            mixed, weight = _paste(images, others, rng.beta(self.cutmix, self.cutmix), rng)
        else:
            weight = rng.beta(self.mixup, self.mixup)
            mixed = images[others].float().lerp_(images.float(), weight)
        if weights is None:
            return mixed, torch.lerp(labels[others], labels, weight)
        total = torch.lerp(weights[others], weights, weight)
        # Of two images without weight no label matters.
        share = torch.where(total > 0, weight * weights / total, weight)[:, None]
        return mixed, share * labels + (1 - share) * labels[others], total


def _soft(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return ``(B, K)`` float32 of class numbers, or of labels that have that form already."""
    if labels.ndim == 2:
        return labels.float()
    return torch.nn.functional.one_hot(labels, num_classes).float()


def _paste(
    images: torch.Tensor, others: torch.Tensor, kept: float, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Paste a rectangle of each other image; return the images and the share they really keep."""
    _, height, width, _ = images.shape
    edge = math.sqrt(1 - kept)
    top, bottom = _span(height, int(height * edge), rng)
    left, right = _span(width, int(width * edge), rng)
    mixed = images.float()
    mixed[:, top:bottom, left:right] = images[others, top:bottom, left:right].float()
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _span(length: int, extent: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw a span whose centre lies anywhere in ``range(length)``, cut at both ends."""
    start = int(rng.random() * length) - extent // 2
    return max(start, 0), min(start + extent, length)


def _check(batches, num_classes, mixup, cutmix, rate, switch, seed, end_epoch) -> None:
    if batches.part != "train":
        raise ValueError(f"Mixed needs training batches. Received: part={batches.part!r}")
    several = batches.labels.ndim == 2
    classes = batches.labels.shape[1] if several else int(batches.labels.max()) + 1
    if num_classes < classes:
        raise ValueError(
            f"Mixed needs num_classes >= {classes}, as the labels have. Received: {num_classes=}"
        )
    if not 0 <= mixup < math.inf or not 0 <= cutmix < math.inf or mixup == cutmix == 0:
        raise ValueError(
            f"Mixed needs mixup >= 0 and cutmix >= 0, one of them over 0. "
            f"Received: {mixup=}, {cutmix=}"
        )
    for name, value in (("rate", rate), ("switch", switch)):
        if not 0 <= value <= 1:
            raise ValueError(f"Mixed needs 0 <= {name} <= 1. Received: {name}={value}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"Mixed needs 0 <= seed < 2**64. Received: {seed=}")
    if end_epoch is not None and end_epoch < 0:
        raise ValueError(f"Mixed needs end_epoch >= 0, or None. Received: {end_epoch=}")

"""Random changes of where things are in a training image: crop, flip, shift, turn, tilt."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from kcv.data.checks import check_range, check_rate
from kcv.data.pixels import opencv
from kcv.data.resampling import QUALITIES, Rectangle, reduction, resample


def integer(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw from low..high, both included; three times faster than ``rng.integers``."""
    return low + int(rng.random() * (high - low + 1))


def rectangle_in(
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Rectangle | None:
    """Draw (top, left, height, width) inside an image; None if ten tries do not fit into it."""
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        area = height * width * (scale[0] + rng.random() * (scale[1] - scale[0]))
        aspect = math.exp(low + rng.random() * (high - low))
        h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < h <= height and 0 < w <= width:
            return integer(rng, 0, height - h), integer(rng, 0, width - w), h, w
    return None


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror left and right with probability ``rate``."""

    rate: float = 0.5

    def __post_init__(self):
        check_rate("HorizontalFlip", self.rate)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _mirrored(image) if rng.random() < self.rate else image

    def change(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As a call, but the image may be written into."""
        cv2: Any = opencv()
        if cv2 is None or image.shape[2] != 3 or not image.flags.c_contiguous:
            return self(image, rng)
        if rng.random() < self.rate:
            cv2.flip(image, 1, dst=image)
        return image


@dataclass(frozen=True)
class VerticalFlip:
    """Mirror top and bottom with probability ``rate``."""

    rate: float = 0.5

    def __post_init__(self):
        check_rate("VerticalFlip", self.rate)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return image[::-1] if rng.random() < self.rate else image


def _mirrored(image: np.ndarray) -> np.ndarray:
    # A mirrored view costs its next reader more than a mirrored copy (220 microseconds at 224
    # pixels, against 14 of torch and 6 of OpenCV). Both want pixels that lie side by side, and
    # torch warns of those that must not be written into.
    if image.size < 10_000 or not image.flags.c_contiguous or not image.flags.writeable:
        return image[:, ::-1]
    cv2: Any = opencv()
    if cv2 is None or image.shape[2] != 3:
        return torch.from_numpy(image).flip(1).numpy()
    return cv2.flip(image, 1)


@dataclass(frozen=True)
class RandomShift:
    """Move by up to ``pixels`` in each direction; ``fill`` (grey level) comes in at the edges."""

    pixels: int = 2
    fill: int = 0

    def __post_init__(self):
        if self.pixels < 0:
            raise ValueError(f"RandomShift needs pixels >= 0. Received: pixels={self.pixels}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        (height, width, channels), edge = image.shape, self.pixels
        padded = np.full((height + 2 * edge, width + 2 * edge, channels), self.fill, np.uint8)
        padded[edge : edge + height, edge : edge + width] = image
        top, left = integer(rng, 0, 2 * edge), integer(rng, 0, 2 * edge)
        return padded[top : top + height, left : left + width]


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut out a random rectangle and resize it to ``size`` (height, width).

    Ten rectangles are tried; if none fits, the largest one with an allowed ratio in the centre is
    taken. Szegedy et al. 2014, "Going deeper with convolutions", https://arxiv.org/abs/1409.4842

    Args:
        size: ``(height, width)`` of the result.
        scale: smallest and largest share of the area.
        ratio: smallest and largest width / height, drawn evenly in its logarithm.
        interpolation: one of ``kcv.data.resampling.QUALITIES``; antialiased, except for ``fast``.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"
    # As the first operation, it is given the image at its own size.
    resizes: ClassVar[bool] = True

    def __post_init__(self):
        check_range("RandomResizedCrop", "scale", self.scale)
        check_range("RandomResizedCrop", "ratio", self.ratio)
        if self.interpolation not in QUALITIES:
            raise ValueError(
                f"RandomResizedCrop needs interpolation in {', '.join(QUALITIES)}. "
                f"Received: interpolation={self.interpolation!r}"
            )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.cut(image, self.rectangle(image.shape[0], image.shape[1], rng))

    def rectangle(self, height: int, width: int, rng: np.random.Generator) -> Rectangle:
        """Draw ``(top, left, height, width)`` for an image of that size."""
        drawn = rectangle_in(height, width, self.scale, self.ratio, rng)
        return drawn or self._largest(height, width)

    def reduction(self, rectangle: Rectangle) -> int:
        """Return by how much a JPEG file may be reduced while it is decoded."""
        return reduction(rectangle, self.size, self.interpolation)

    @property
    def coarse(self) -> bool:
        """Whether a JPEG file may be decoded with coarse colours."""
        return self.interpolation == "fast"

    def cut(
        self,
        image: np.ndarray,
        rectangle: Rectangle,
        reduced: int = 1,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the rectangle of the full image, of which ``image`` may be a reduced one.

        ``out`` is an array for the result, where that saves a copy (``kcv.data.resampling``).
        """
        return resample(image, rectangle, self.size, self.interpolation, reduced, out)

    def _largest(self, height: int, width: int) -> Rectangle:
        w = min(width, max(1, round(height * self.ratio[1])))
        h = min(height, max(1, round(width / self.ratio[0])))
        return (height - h) // 2, (width - w) // 2, h, w

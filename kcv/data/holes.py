"""Random holes in training images: parts that the network has to do without."""

from dataclasses import dataclass

import numpy as np

from kcv.data.checks import check_range, check_rate
from kcv.data.geometry import integer, rectangle_in


@dataclass(frozen=True)
class Cutout:
    """Cover a square of ``size`` pixels, whose centre lies anywhere in the image, with ``fill``.

    DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with
    cutout", https://arxiv.org/abs/1708.04552
    """

    size: int = 8
    fill: int = 0

    def __post_init__(self):
        if self.size < 1:
            raise ValueError(f"Cutout needs size >= 1. Received: size={self.size}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        top = integer(rng, 0, image.shape[0] - 1) - self.size // 2
        left = integer(rng, 0, image.shape[1] - 1) - self.size // 2
        image = image.copy()
        image[max(top, 0) : top + self.size, max(left, 0) : left + self.size] = self.fill
        return image


@dataclass(frozen=True)
class RandomErasing:
    """Replace a random rectangle with random pixels, with probability ``rate``.

    Zhong et al. 2017, "Random erasing data augmentation", https://arxiv.org/abs/1708.04896

    Args:
        rate: probability that anything is erased.
        scale: smallest and largest share of the area.
        ratio: smallest and largest width / height, drawn evenly in its logarithm.
    """

    rate: float = 0.5
    scale: tuple[float, float] = (0.02, 1 / 3)
    ratio: tuple[float, float] = (0.3, 1 / 0.3)

    def __post_init__(self):
        check_rate("RandomErasing", self.rate)
        check_range("RandomErasing", "scale", self.scale)
        check_range("RandomErasing", "ratio", self.ratio)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        found = rectangle_in(image.shape[0], image.shape[1], self.scale, self.ratio, rng)
        if found is None:
            return image
        top, left, height, width = found
        image = image.copy()
        hole = image[top : top + height, left : left + width]
        hole[:] = rng.integers(0, 256, hole.shape, np.uint8)
        return image


@dataclass(frozen=True)
class GridMask:
    """Cover the squares of a grid, moved at random, with ``fill``, with probability ``rate``.

    Chen et al. 2020, "GridMask data augmentation", https://arxiv.org/abs/2001.04086; the grid is
    not turned, as in the published runs.

    Args:
        rate: probability that the image is covered.
        distance: smallest and largest distance between squares, as a share of the shorter edge.
        keep: share of that distance that is left between two squares.
        fill: grey level of the squares.
    """

    rate: float = 0.7
    distance: tuple[float, float] = (0.4, 1.0)
    keep: float = 0.5
    fill: int = 0

    def __post_init__(self):
        check_rate("GridMask", self.rate)
        check_range("GridMask", "distance", self.distance)
        if not 0 < self.keep < 1:
            raise ValueError(f"GridMask needs 0 < keep < 1. Received: keep={self.keep}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        low, high = (max(2, round(edge * min(image.shape[:2]))) for edge in self.distance)
        distance = integer(rng, low, high)
        square = distance - min(max(1, round(distance * self.keep)), distance - 1)
        rows, columns = (
            (np.arange(length) + integer(rng, 0, distance - 1)) % distance < square
            for length in image.shape[:2]
        )
        image = image.copy()
        image[rows[:, None] & columns[None]] = self.fill
        return image

"""Random holes in training images: parts that the network has to do without."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kcv.data.checks import check_range, check_rate
from kcv.data.geometry import integer, rectangle_in


@dataclass(frozen=True)
class Cutout:
    """Cover a square of ``size`` pixels, whose centre lies anywhere in the image, with ``fill``.

    DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with
    cutout", https://arxiv.org/abs/1708.04552. Their code makes an odd square one pixel smaller, and
    covers what is already normalised: its hole has the mean colour of the data, this one is black.
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

    Zhong et al. 2017, "Random erasing data augmentation", https://arxiv.org/abs/1708.04896: each
    pixel is drawn evenly from 0..255, as in the paper. torchvision and timm erase what is already
    normalised: torchvision with zeros, which is the mean colour (``fill``), timm with them or with
    normal noise. The rectangles are torchvision's.

    Args:
        rate: probability that anything is erased.
        scale: smallest and largest share of the area.
        ratio: smallest and largest width / height, drawn evenly in its logarithm.
        fill: grey level, or a level for each of three channels, in place of random pixels.
    """

    rate: float = 0.5
    scale: tuple[float, float] = (0.02, 1 / 3)
    ratio: tuple[float, float] = (0.3, 1 / 0.3)
    fill: tuple[int, ...] = ()

    def __post_init__(self):
        check_rate("RandomErasing", self.rate)
        check_range("RandomErasing", "scale", self.scale)
        check_range("RandomErasing", "ratio", self.ratio)
        if len(self.fill) not in (0, 1, 3) or not all(0 <= level <= 255 for level in self.fill):
            raise ValueError(
                "RandomErasing needs one level of 0..255 or three, or none for random pixels. "
                f"Received: fill={self.fill}"
            )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        found = rectangle_in(image.shape[0], image.shape[1], self.scale, self.ratio, rng)
        if found is None:
            return image
        top, left, height, width = found
        image = image.copy()
        hole = image[top : top + height, left : left + width]
        if self.fill:
            level = np.array(self.fill, np.float64)
            hole[:] = np.rint(level if hole.shape[2] == 3 else level.mean())
        else:
            hole[:] = rng.integers(0, 256, hole.shape, np.uint8)
        return image


@dataclass(frozen=True)
class GridMask:
    """Cover the squares of a grid, moved and turned at random, with ``fill``.

    Chen et al. 2020, "GridMask data augmentation", https://arxiv.org/abs/2001.04086, with the
    settings of its code for ImageNet. That code lets the rate grow from 0 to 0.8 over the first 240
    of 300 epochs, counts the distance in pixels (96 to 223 of 224), and covers what is already
    normalised: its squares have the mean colour of the data, these are black.

    Args:
        rate: probability that the image is covered.
        distance: smallest and largest distance between squares, as a share of the shorter edge.
        keep: share of that distance that is left between two squares.
        fill: grey level of the squares.
        degrees: the grid is turned by a whole number of degrees below this; 1 for not at all.
    """

    rate: float = 0.8
    distance: tuple[float, float] = (96 / 224, 223 / 224)
    keep: float = 0.6
    fill: int = 0
    degrees: int = 360

    def __post_init__(self):
        check_rate("GridMask", self.rate)
        check_range("GridMask", "distance", self.distance)
        if not 0 < self.keep < 1:
            raise ValueError(f"GridMask needs 0 < keep < 1. Received: keep={self.keep}")
        if self.degrees < 1:
            raise ValueError(f"GridMask needs degrees >= 1. Received: degrees={self.degrees}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        covered = self._covered(image.shape[0], image.shape[1], rng)
        image = image.copy()
        image[covered] = self.fill
        return image

    def _covered(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw which pixels are covered: ``(height, width)``, bool."""
        low, high = (max(2, round(edge * min(height, width))) for edge in self.distance)
        distance = integer(rng, low, high)
        kept = min(math.ceil(distance * self.keep), distance - 1)
        # However it is turned, the grid covers the image.
        side = math.ceil(math.hypot(height, width))
        rows, columns = (
            (np.arange(side) + integer(rng, 0, distance - 1)) % distance >= kept for _ in range(2)
        )
        grid = rows[:, None] & columns
        angle = integer(rng, 0, self.degrees - 1)
        if angle:
            grid = np.asarray(Image.fromarray(grid.view(np.uint8)).rotate(angle)).view(bool)
        top, left = (side - height) // 2, (side - width) // 2
        return grid[top : top + height, left : left + width]

"""Random changes of training images.

An operation is called as ``op(image, rng)``: ``image`` is an array ``(H, W, C)``, uint8, that it
must not write into; ``rng`` is the generator of this sample in this epoch. Any callable of that
form may stand beside the operations of this module.
"""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kcv.data.images import INTERPOLATIONS, scale
from kcv.data.policies import AutoAugment, RandAugment, TrivialAugmentWide
from kcv.data.timm_policy import from_timm

Operation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _integer(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw from low..high, both included; three times faster than ``rng.integers``."""
    return low + int(rng.random() * (high - low + 1))


def _check_rate(name: str, rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"{name} needs 0 <= rate <= 1. Received: {rate=}")


def _check_range(name: str, field: str, values: tuple[float, float]) -> None:
    if not 0 < values[0] <= values[1]:
        raise ValueError(f"{name} needs 0 < {field}[0] <= {field}[1]. Received: {field}={values}")


def _rectangle(
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[int, int, int, int] | None:
    """Draw (top, left, height, width) inside an image; None if ten tries do not fit into it."""
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        area = height * width * (scale[0] + rng.random() * (scale[1] - scale[0]))
        aspect = math.exp(low + rng.random() * (high - low))
        h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < h <= height and 0 < w <= width:
            return _integer(rng, 0, height - h), _integer(rng, 0, width - w), h, w
    return None


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror left and right with probability ``rate``."""

    rate: float = 0.5

    def __post_init__(self):
        _check_rate("HorizontalFlip", self.rate)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return image[:, ::-1] if rng.random() < self.rate else image


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
        top, left = _integer(rng, 0, 2 * edge), _integer(rng, 0, 2 * edge)
        return padded[top : top + height, left : left + width]


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut out a random rectangle and resize it to ``size`` (height, width), antialiased.

    Ten rectangles are tried; if none fits, the largest one with an allowed ratio in the centre is
    taken. Szegedy et al. 2014, "Going deeper with convolutions", https://arxiv.org/abs/1409.4842

    Args:
        size: ``(height, width)`` of the result.
        scale: smallest and largest share of the area.
        ratio: smallest and largest width / height, drawn evenly in its logarithm.
        interpolation: a key of ``kcv.data.images.INTERPOLATIONS``.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"
    # As the first operation, it is given the image at its own size.
    resizes: ClassVar[bool] = True

    def __post_init__(self):
        _check_range("RandomResizedCrop", "scale", self.scale)
        _check_range("RandomResizedCrop", "ratio", self.ratio)
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"RandomResizedCrop needs interpolation in {', '.join(INTERPOLATIONS)}. "
                f"Received: interpolation={self.interpolation!r}"
            )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width, _ = image.shape
        top, left, height, width = _rectangle(
            height, width, self.scale, self.ratio, rng
        ) or self._largest(height, width)
        crop = image[top : top + height, left : left + width]
        return scale(np.ascontiguousarray(crop), self.size, self.interpolation)

    def _largest(self, height: int, width: int) -> tuple[int, int, int, int]:
        w = min(width, max(1, round(height * self.ratio[1])))
        h = min(height, max(1, round(width / self.ratio[0])))
        return (height - h) // 2, (width - w) // 2, h, w


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
        top = _integer(rng, 0, image.shape[0] - 1) - self.size // 2
        left = _integer(rng, 0, image.shape[1] - 1) - self.size // 2
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
        _check_rate("RandomErasing", self.rate)
        _check_range("RandomErasing", "scale", self.scale)
        _check_range("RandomErasing", "ratio", self.ratio)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        found = _rectangle(image.shape[0], image.shape[1], self.scale, self.ratio, rng)
        if found is None:
            return image
        top, left, height, width = found
        image = image.copy()
        hole = image[top : top + height, left : left + width]
        hole[:] = rng.integers(0, 256, hole.shape, np.uint8)
        return image


SETS: dict[str, Callable[[tuple[int, int]], tuple[Operation, ...]]] = {
    "none": lambda size: (),
    "shift": lambda size: (RandomShift(),),
    "flip_shift": lambda size: (HorizontalFlip(), RandomShift()),
    "crop_flip": lambda size: (RandomResizedCrop(size), HorizontalFlip()),
}
"""Named sets: ``shift`` for digits and letters, ``flip_shift`` for other small images,
``crop_flip`` for photographs. Each is a function of the image size (height, width)."""


PARTS: dict[str, Callable[..., Operation]] = {
    "crop": lambda size, low=0.08, high=1.0: RandomResizedCrop(size, (low, high)),
    "flip": lambda size, rate=0.5: HorizontalFlip(rate),
    "shift": lambda size, pixels=2: RandomShift(pixels),
    "randaugment": lambda size, count=2, magnitude=9: RandAugment(count, magnitude),
    "trivialaugment": lambda size: TrivialAugmentWide(),
    "autoaugment": lambda size, policy="imagenet": AutoAugment(policy),
    "cutout": lambda size, edge=8: Cutout(edge),
    "erase": lambda size, rate=0.25: RandomErasing(rate),
}
"""What may be joined with ``+``, as in ``crop+flip+randaugment(2,9)+erase(0.25)``, besides timm's
own texts (``rand-m9-mstd0.5-inc1``). Each is a function of the image size and of what stands in
its brackets."""


def build(augment: str | Sequence[Operation], image_size: tuple[int, int]) -> tuple[Operation, ...]:
    """Return the operations of a named set; a sequence of operations is returned as a tuple.

    Args:
        augment: a key of ``SETS``, keys of ``PARTS`` joined with ``+``, or operations.
        image_size: ``(height, width)`` of the images that the network is given.

    Raises:
        ValueError: there is no set or part of that name, what stands in the brackets of a part
            does not fit it, or an operation cannot be called.
    """
    if isinstance(augment, str):
        if augment in SETS:
            return SETS[augment](image_size)
        return tuple(_part(part, augment, image_size) for part in augment.split("+"))
    for operation in augment:
        if not callable(operation):
            raise ValueError(
                f"augment needs the name of a set or operations that can be called as "
                f"op(image, rng). Received: {operation!r}"
            )
    return tuple(augment)


def _part(part: str, augment: str, image_size: tuple[int, int]) -> Operation:
    """Build one part: ``name``, ``name(argument, ...)``, or a text of timm."""
    if part.startswith("rand-"):
        return from_timm(part)
    found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", part)
    if found is None or found[1] not in PARTS:
        names = [*SETS, *PARTS] if part == augment else list(PARTS)
        near = difflib.get_close_matches(found[1] if found else part, names)
        advice = f". Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"augment needs one of {', '.join(SETS)}, or parts joined with '+': "
            f"{', '.join(PARTS)}. Received: {augment=}{advice}"
        )
    name, inside = found.groups()
    arguments = [_argument(one.strip()) for one in inside.split(",")] if inside else []
    try:
        return PARTS[name](image_size, *arguments)
    # Too many arguments, or a word where a number belongs.
    except TypeError:
        raise ValueError(
            f"augment needs brackets as in crop(0.35,1), erase(0.25) or autoaugment(cifar10). "
            f"Received: {part!r} in {augment=}"
        ) from None


def _argument(text: str) -> int | float | str:
    """Return a whole number, a number or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

"""Augmentation policies: which image operations are applied, how strongly, and how often.

A policy is called as ``policy(image, rng)``, like every operation of ``kcv.data.augment``: images
``(H, W, 1 or 3)``, uint8, in and out.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kcv.data.operations import AFFINE_INTERPOLATIONS, Border, Step, border_of, run
from kcv.data.subpolicies import SUBPOLICIES

Colour = int | tuple[int, int, int]


class Range(NamedTuple):
    """Values of an operation from the weakest bin to the strongest.

    Attributes:
        low: value of the first bin.
        high: value of the last bin.
        signed: that half of the draws are negated.
        unit: ``value``; ``whole``, rounded; ``pixels``, cut to whole pixels; ``share`` of the
            width or height, then cut to whole pixels.
    """

    low: float = 0.0
    high: float = 0.0
    signed: bool = False
    unit: str = "value"


def _ranges(shear: float, shift: Range, angle: float, change: float, bits: int) -> dict[str, Range]:
    return {
        "identity": Range(),
        "shear_x": Range(0, shear, True),
        "shear_y": Range(0, shear, True),
        "translate_x": shift,
        "translate_y": shift,
        "rotate": Range(0, angle, True),
        "brightness": Range(0, change, True),
        "color": Range(0, change, True),
        "contrast": Range(0, change, True),
        "sharpness": Range(0, change, True),
        "posterize": Range(8, bits, False, "whole"),
        "solarize": Range(255, 0),
        "autocontrast": Range(),
        "equalize": Range(),
    }


# A shift of 150 pixels was meant for the 331 pixels of the network of the AutoAugment paper.
NARROW = _ranges(0.3, Range(0, 150 / 331, True, "share"), 30, 0.9, 4)
"""Operation -> its range, for RandAugment."""
AUTO = {**NARROW, "invert": Range()}
"""Operation -> its range, for AutoAugment."""
WIDE = _ranges(0.99, Range(0, 32, True, "pixels"), 135, 0.99, 2)
"""Operation -> its range, for TrivialAugmentWide."""


def magnitude_of(name: str, reach: Range, step: int, bins: int, size: tuple[int, int]) -> float:
    """Return the value of bin ``step`` of ``bins`` for an image of ``size`` (width, height)."""
    value = reach.low + (reach.high - reach.low) * step / (bins - 1)
    if reach.unit == "share":
        value *= size[name == "translate_y"]
    if reach.unit == "whole":
        return round(value)
    # 150 / 331 * 331 is a hair below 150, which would be cut to 149.
    return value if reach.unit == "value" else int(value + 1e-6)


def pick(rng: np.random.Generator, count: int) -> int:
    """Draw a number below ``count``."""
    return int(rng.random() * count)


def _negated_half_the_time(rng: np.random.Generator, value: float) -> float:
    return -value if rng.random() < 0.5 else value


def _check(owner: str, bins: int, magnitude: int = 0, count: int = 1) -> None:
    if count < 1:
        raise ValueError(f"{owner} needs count >= 1. Received: {count=}")
    if bins < 2:
        raise ValueError(f"{owner} needs bins >= 2. Received: {bins=}")
    if not 0 <= magnitude < bins:
        raise ValueError(f"{owner} needs 0 <= magnitude < bins. Received: {magnitude=}, {bins=}")


def _one(
    ranges: dict[str, Range],
    step: int,
    bins: int,
    image: np.ndarray,
    border: Border,
    rng: np.random.Generator,
) -> Step:
    """Draw one operation of the table, at a bin of its range."""
    name = tuple(ranges)[pick(rng, len(ranges))]
    return draw_step(name, ranges[name], step, bins, image, border, rng)


def draw_step(
    name: str,
    reach: Range,
    step: int,
    bins: int,
    image: np.ndarray,
    border: Border,
    rng: np.random.Generator,
) -> Step:
    """Return an operation at bin ``step`` of ``bins``, half of the signed ones negated."""
    value = magnitude_of(name, reach, step, bins, (image.shape[1], image.shape[0]))
    return Step(name, _negated_half_the_time(rng, value) if reach.signed else value, border)


@dataclass(frozen=True)
class RandAugment:
    """Apply ``count`` operations drawn from 14, all of one strength.

    Cubuk et al. 2019, "RandAugment: practical automated data augmentation with a reduced search
    space", https://arxiv.org/abs/1909.13719, with the operations and ranges of torchvision.

    Args:
        count: number of operations, drawn with replacement.
        magnitude: strength, ``0 <= magnitude < bins``.
        bins: number of strengths; the last one is the strongest.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        fill: grey level or RGB colour of what comes in from outside.
    """

    count: int = 2
    magnitude: int = 9
    bins: int = 31
    interpolation: str = "nearest"
    fill: Colour = 0

    def __post_init__(self):
        _check("RandAugment", self.bins, self.magnitude, self.count)
        border_of("RandAugment", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        border = Border(AFFINE_INTERPOLATIONS[self.interpolation], self.fill)
        draw = (NARROW, self.magnitude, self.bins, image, border, rng)
        return run(image, [_one(*draw) for _ in range(self.count)])


@dataclass(frozen=True)
class TrivialAugmentWide:
    """Apply one operation drawn from 14, of a strength drawn from the whole of a wide range.

    Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation",
    https://arxiv.org/abs/2103.10158

    Args:
        bins: number of strengths.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        fill: grey level or RGB colour of what comes in from outside.
    """

    bins: int = 31
    interpolation: str = "nearest"
    fill: Colour = 0

    def __post_init__(self):
        _check("TrivialAugmentWide", self.bins)
        border_of("TrivialAugmentWide", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        border = Border(AFFINE_INTERPOLATIONS[self.interpolation], self.fill)
        step = pick(rng, self.bins)
        return run(image, [_one(WIDE, step, self.bins, image, border, rng)])


@dataclass(frozen=True)
class AutoAugment:
    """Apply one of the 25 pairs of operations that were found for a data set.

    Cubuk et al. 2018, "AutoAugment: learning augmentation policies from data",
    https://arxiv.org/abs/1805.09501, with the ranges of torchvision.

    Args:
        policy: ``imagenet``, ``cifar10`` or ``svhn``.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        fill: grey level or RGB colour of what comes in from outside.
    """

    policy: str = "imagenet"
    interpolation: str = "nearest"
    fill: Colour = 0

    def __post_init__(self):
        if self.policy not in SUBPOLICIES:
            raise ValueError(
                f"AutoAugment needs policy in {', '.join(SUBPOLICIES)}. "
                f"Received: policy={self.policy!r}"
            )
        border_of("AutoAugment", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        border = Border(AFFINE_INTERPOLATIONS[self.interpolation], self.fill)
        pairs = SUBPOLICIES[self.policy]
        return run(
            image,
            [
                draw_step(name, AUTO[name], step, 10, image, border, rng)
                for name, rate, step in pairs[pick(rng, len(pairs))]
                if rng.random() < rate
            ],
        )

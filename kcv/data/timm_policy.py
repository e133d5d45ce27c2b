"""RandAugment as timm does it: ``rand-m9-mstd0.5-inc1`` and its kin.

Every operation is left out half of the time, and its strength is drawn anew around the given one;
the table of operations and the ranges are those of Google's EfficientNet code.
"""

import re
from dataclasses import dataclass

import numpy as np

from kcv.data.operations import (
    AFFINE_INTERPOLATIONS,
    OPERATIONS,
    Border,
    Step,
    border_of,
    run,
)
from kcv.data.policies import Colour, pick

NAMES = tuple(name for name in OPERATIONS if name not in ("identity", "blur"))
# What timm's own recipes fill with: the mean colour of ImageNet.
IMAGENET_MEAN = (124, 116, 104)
_ENHANCING = ("color", "contrast", "brightness", "sharpness")
_SIGNED_SPANS = {
    "rotate": 30.0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 0.45,
    "translate_y": 0.45,
}


def level_value(name: str, level: float, sign: int, size: tuple[int, int], inc: bool) -> float:
    """Return the value of an operation at a strength.

    Args:
        name: a key of ``kcv.data.operations.OPERATIONS``.
        level: strength; 10 is timm's full one.
        sign: 1, or -1 for the other direction; operations without direction ignore it.
        size: ``(width, height)`` of the image.
        inc: that every operation grows with ``level`` (timm's ``inc1``).
    """
    share = level / 10
    if name in _SIGNED_SPANS:
        pixels = {"translate_x": size[0], "translate_y": size[1]}.get(name, 1)
        return sign * share * _SIGNED_SPANS[name] * pixels
    if name in _ENHANCING:
        return max(0.1, 1 + sign * share * 0.9) - 1 if inc else share * 1.8 + 0.1 - 1
    if name == "posterize":
        return 4 - int(share * 4) if inc else int(share * 4)
    if name == "solarize":
        threshold = min(256, int(share * 256))
        return 256 - threshold if inc else threshold
    return min(128, int(share * 110)) if name == "solarize_add" else 0.0


@dataclass(frozen=True)
class RandAugmentTimm:
    """Apply up to ``count`` operations drawn from 15, each of a strength drawn around one.

    After Cubuk et al. 2019, "RandAugment: practical automated data augmentation with a reduced
    search space", https://arxiv.org/abs/1909.13719

    Args:
        count: number of operations, drawn with replacement (timm's ``n``).
        magnitude: mean of the strength (``m``).
        std: standard deviation of the strength (``mstd``); over 100, it is drawn evenly from 0 to
            ``magnitude``.
        rate: probability that an operation drawn is applied (``p``).
        maximum: strength at which draws are cut (``mmax``).
        increasing: that every operation grows with its strength (``inc1``).
        interpolation: ``nearest``, ``bilinear``, ``bicubic``, or ``random`` for one of the last
            two, drawn anew each time.
        fill: grey level or RGB colour of what comes in from outside; grey images take its mean.
    """

    count: int = 2
    magnitude: float = 9
    std: float = 0.5
    rate: float = 0.5
    maximum: float = 10
    increasing: bool = True
    interpolation: str = "random"
    fill: Colour = IMAGENET_MEAN

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"RandAugmentTimm needs count >= 1. Received: count={self.count}")
        if not 0 <= self.magnitude <= self.maximum:
            raise ValueError(
                "RandAugmentTimm needs 0 <= magnitude <= maximum. "
                f"Received: magnitude={self.magnitude}, maximum={self.maximum}"
            )
        if not self.std >= 0:
            raise ValueError(f"RandAugmentTimm needs std >= 0. Received: std={self.std}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"RandAugmentTimm needs 0 <= rate <= 1. Received: rate={self.rate}")
        check_border("RandAugmentTimm", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size, steps = (image.shape[1], image.shape[0]), []
        for _ in range(self.count):
            name = NAMES[pick(rng, len(NAMES))]
            if rng.random() >= self.rate:
                continue
            sign = 1 - 2 * pick(rng, 2)
            value = level_value(name, self._level(rng), sign, size, self.increasing)
            steps.append(Step(name, value, draw_border(self.interpolation, self.fill, rng)))
        return run(image, steps)

    def _level(self, rng: np.random.Generator) -> float:
        if self.std > 100:
            return self.magnitude * rng.random()
        return draw_level(self.magnitude, self.std, self.maximum, rng)


def draw_level(mean: float, std: float, maximum: float, rng: np.random.Generator) -> float:
    """Draw a strength around a mean, cut at 0 and at a maximum."""
    level = mean + std * rng.standard_normal() if std else mean
    return min(max(level, 0.0), maximum)


def check_border(owner: str, interpolation: str, fill: Colour) -> None:
    """Refuse settings that ``draw_border`` could not take."""
    border_of(owner, "bilinear" if interpolation == "random" else interpolation, fill)


def draw_border(interpolation: str, fill: Colour, rng: np.random.Generator) -> Border:
    """Return the border of a step; the interpolation ``random`` is drawn anew."""
    if interpolation == "random":
        interpolation = ("bilinear", "bicubic")[pick(rng, 2)]
    return Border(AFFINE_INTERPOLATIONS[interpolation], fill)


_SECTIONS = {"n": "count", "m": "magnitude", "mstd": "std", "mmax": "maximum", "p": "rate"}


def from_timm(text: str) -> RandAugmentTimm:
    """Return the policy that timm's text stands for, e.g. ``rand-m9-mstd0.5-inc1``.

    Sections: ``n`` count, ``m`` magnitude, ``mstd`` its deviation, ``mmax`` its maximum, ``p`` rate
    and ``inc``; what is left out has timm's default (``n2``, ``m10``, ``mstd0``, ``p0.5``,
    ``inc0``).

    Raises:
        ValueError: a section that is none of these.
    """
    first, *sections = text.split("-")
    fields: dict = {"magnitude": 10.0, "std": 0.0, "increasing": False}
    for section in sections:
        found = re.fullmatch(r"(n|mmax|mstd|m|p|inc)(\d+(?:\.\d+)?)", section)
        if first != "rand" or found is None:
            raise ValueError(
                "timm's text needs to be like rand-m9-n2-mstd0.5-mmax10-p0.5-inc1. "
                f"Received: {text!r}, where {section!r} is none of its sections"
            )
        key, number = found.groups()
        if key == "inc":
            fields["increasing"] = float(number) != 0
        else:
            fields[_SECTIONS[key]] = int(float(number)) if key == "n" else float(number)
    return RandAugmentTimm(**fields)

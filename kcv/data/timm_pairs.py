"""AutoAugment and 3-Augment as timm does them: ``original-mstd0.5``, ``v0r``, ``3a``, ..."""

import re
from dataclasses import dataclass

import numpy as np

from kcv.data.operations import Step, run
from kcv.data.policies import Colour, pick
from kcv.data.subpolicies import SUBPOLICIES, V0
from kcv.data.timm_policy import (
    IMAGENET_MEAN,
    check_border,
    draw_border,
    draw_level,
    level_value,
)

MAXIMUM = 10.0
_THREE = ((("solarize", 1.0, 5),), (("desaturate", 1.0, 10),), (("blur", 1.0, 10),))
POLICIES = {
    "original": SUBPOLICIES["imagenet"],
    "originalr": SUBPOLICIES["imagenet"],
    "v0": V0,
    "v0r": V0,
    "3a": _THREE,
}
"""Name -> lists of steps (operation, probability, magnitude), one of which is drawn an image."""


def value_of(
    policy: str, name: str, level: float, size: tuple[int, int], rng: np.random.Generator
) -> tuple[str, float]:
    """Return an operation of ``kcv.data.operations`` and its value.

    Args:
        policy: a key of ``POLICIES``: those that end in r drop more bits the stronger they are,
            ``original`` keeps 4 to 8 bits.
        name: an operation, ``desaturate``, or ``blur`` with a deviation drawn up to the strength.
        level: strength, 0..10.
        size: ``(width, height)`` of the image.
        rng: draws a direction, or the deviation of a blur.
    """
    if name == "desaturate":
        return "color", -0.5 - 0.5 * level / MAXIMUM
    if name == "blur":
        return "blur", 0.1 + rng.random() * (2 * level / MAXIMUM - 0.1)
    sign = 1 - 2 * pick(rng, 2)
    value = level_value(name, level, sign, size, name == "posterize" and policy.endswith("r"))
    return name, value + 4 if (policy, name) == ("original", "posterize") else value


@dataclass(frozen=True)
class AutoAugmentTimm:
    """Apply one of the lists of operations of a policy, with timm's ranges.

    The ranges are those of Google's EfficientNet code: unlike in ``kcv.data.policies.AutoAugment``,
    a strong solarize changes less than a weak one, and colour, contrast, brightness and sharpness
    go from a tenth of the image's own to 1.9 times it.

    Cubuk et al. 2018, "AutoAugment: learning augmentation policies from data",
    https://arxiv.org/abs/1805.09501; ``3a``: Touvron et al. 2022, "DeiT III: revenge of the ViT",
    https://arxiv.org/abs/2204.07118

    Args:
        policy: a key of ``POLICIES``.
        std: standard deviation of the strengths (timm's ``mstd``), which are cut to 0..10.
        interpolation: ``nearest``, ``bilinear``, ``bicubic``, or ``random`` for one of the last
            two, drawn anew each time.
        fill: grey level or RGB colour of what comes in from outside; grey images take its mean.
    """

    policy: str = "original"
    std: float = 0.0
    interpolation: str = "random"
    fill: Colour = IMAGENET_MEAN

    def __post_init__(self):
        if self.policy not in POLICIES:
            raise ValueError(
                f"AutoAugmentTimm needs policy in {', '.join(POLICIES)}. "
                f"Received: policy={self.policy!r}"
            )
        if not self.std >= 0:
            raise ValueError(f"AutoAugmentTimm needs std >= 0. Received: std={self.std}")
        check_border("AutoAugmentTimm", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size, steps, lists = (image.shape[1], image.shape[0]), [], POLICIES[self.policy]
        for name, rate, magnitude in lists[pick(rng, len(lists))]:
            if rng.random() >= rate:
                continue
            level = draw_level(magnitude, self.std, MAXIMUM, rng)
            made = value_of(self.policy, name, level, size, rng)
            steps.append(Step(*made, draw_border(self.interpolation, self.fill, rng)))
        return run(image, steps)


def is_policy(text: str) -> bool:
    """Tell whether a text begins with the name of a policy."""
    return text.split("-")[0] in POLICIES


def from_timm(text: str) -> AutoAugmentTimm:
    """Return the policy that timm's text stands for: a name, and perhaps ``-mstd`` and a number.

    Raises:
        ValueError: anything else follows the name.
    """
    found = re.fullmatch(r"(\w+)(?:-mstd(\d+(?:\.\d+)?))?", text)
    if found is None:
        raise ValueError(
            f"timm's text needs to be one of {', '.join(POLICIES)}, alone or with a deviation as "
            f"in original-mstd0.5. Received: {text!r}"
        )
    return AutoAugmentTimm(found[1], float(found[2] or 0))

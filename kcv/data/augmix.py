"""AugMix: a mean of the image and of several chains of operations on it."""

from dataclasses import dataclass

import numpy as np

from kcv.data.operations import AFFINE_INTERPOLATIONS, Border, Step, border_of, run
from kcv.data.policies import NARROW, Colour, Range, draw_step, pick

BINS = 10
# Posterize begins at the four bits where the other policies end; shifts go to a third.
MIXED = {
    **{name: reach for name, reach in NARROW.items() if name != "identity"},
    "translate_x": Range(0, 1 / 3, True, "share"),
    "translate_y": Range(0, 1 / 3, True, "share"),
    "posterize": Range(4, 0, False, "whole"),
}
"""Operation -> its range, as in torchvision."""


@dataclass(frozen=True)
class AugMix:
    """Mix the image with ``width`` copies of it, each changed by a chain of operations.

    Hendrycks et al. 2019, "AugMix: a simple data processing method to improve robustness and
    uncertainty", https://arxiv.org/abs/1912.02781, with the operations and ranges of torchvision;
    the consistency loss of the paper is not part of it.

    Args:
        severity: strongest of the 10 bins that is drawn, 1..10.
        width: number of chains.
        depth: operations in a chain; 0 draws 1 to 3 for each.
        alpha: of the Dirichlet and Beta distributions of the weights.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        fill: grey level or RGB colour of what comes in from outside.
    """

    severity: int = 3
    width: int = 3
    depth: int = 0
    alpha: float = 1.0
    interpolation: str = "bilinear"
    fill: Colour = 0

    def __post_init__(self):
        if not 1 <= self.severity <= BINS:
            raise ValueError(
                f"AugMix needs 1 <= severity <= 10. Received: severity={self.severity}"
            )
        if self.width < 1 or self.depth < 0:
            raise ValueError(
                "AugMix needs width >= 1 and depth >= 0. "
                f"Received: width={self.width}, depth={self.depth}"
            )
        if not self.alpha > 0:
            raise ValueError(f"AugMix needs alpha > 0. Received: alpha={self.alpha}")
        border_of("AugMix", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        border = Border(AFFINE_INTERPOLATIONS[self.interpolation], self.fill)
        kept = rng.beta(self.alpha, self.alpha)
        weights = (1 - kept) * rng.dirichlet([self.alpha] * self.width)
        mixed = np.float32(kept) * image
        for weight in weights.astype(np.float32):
            steps = [self._step(image, border, rng) for _ in range(self.depth or 1 + pick(rng, 3))]
            mixed += weight * run(image, steps)
        # Cut off, not rounded, as torchvision does; the weights may add up to a hair over 1.
        return np.minimum(mixed, 255).astype(np.uint8)

    def _step(self, image: np.ndarray, border: Border, rng: np.random.Generator) -> Step:
        name = tuple(MIXED)[pick(rng, len(MIXED))]
        strength = pick(rng, self.severity)
        return draw_step(name, MIXED[name], strength, BINS, image, border, rng)

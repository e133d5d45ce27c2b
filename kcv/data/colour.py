"""Random changes of the colours of a training image, and of its sharpness.

The functions change an image by a given amount, pixel for pixel as torchvision does on Pillow
images; the classes draw the amount. Keras's own layers do the same on batches at a tenth of the
speed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from kcv.data.checks import check_range, check_rate
from kcv.data.operations import Step, run
from kcv.data.pixels import opencv

_ENHANCED = ("brightness", "contrast", "color")


def hue(image: np.ndarray, shift: float) -> np.ndarray:
    """Turn the colours of ``(H, W, 3)`` by ``shift`` of the colour circle, -0.5..0.5."""
    circle = np.array(Image.fromarray(np.ascontiguousarray(image)).convert("HSV"))
    # Rounded towards zero, and around the circle, as uint8 does by itself.
    circle[..., 0] += np.uint8(int(shift * 255) % 256)
    return np.array(Image.fromarray(circle, "HSV").convert("RGB"))


def grey(image: np.ndarray) -> np.ndarray:
    """Take the colours out of ``(H, W, 3)``, which keeps its three channels."""
    luma = np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))
    return np.repeat(luma[:, :, None], 3, axis=2)


def blur(image: np.ndarray, sigma: float, kernel: int) -> np.ndarray:
    """Blur ``(H, W, C)`` by a Gaussian.

    Args:
        image: the pixels, uint8; beyond the edges, they are mirrored.
        sigma: standard deviation in pixels.
        kernel: pixels at which the Gaussian is cut, an odd number.
    """
    distances = np.arange(kernel, dtype=np.float32) - kernel // 2
    weights = np.exp(-0.5 * (distances / np.float32(sigma)) ** 2)
    weights /= weights.sum()
    cv2: Any = opencv()
    if cv2 is None:
        return _blur_by_torch(image, torch.from_numpy(weights))
    blurred = cv2.sepFilter2D(image, -1, weights, weights, borderType=cv2.BORDER_REFLECT_101)
    return blurred if blurred.ndim == 3 else blurred[:, :, None]


def _blur_by_torch(image: np.ndarray, weights: torch.Tensor) -> np.ndarray:
    half = len(weights) // 2
    # Each channel is an image of its own.
    planes = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[:, None]
    planes = torch.nn.functional.pad(planes, (half,) * 4, mode="reflect")
    planes = torch.nn.functional.conv2d(planes, weights.view(1, 1, 1, -1))
    planes = torch.nn.functional.conv2d(planes, weights.view(1, 1, -1, 1))
    return planes[:, 0].permute(1, 2, 0).round().to(torch.uint8).contiguous().numpy()


@dataclass(frozen=True)
class ColourJitter:
    """Change brightness, contrast, saturation and hue by random amounts, in random order.

    Each of the first three is multiplied by a factor drawn evenly from ``1 - x`` (at least 0) to
    ``1 + x``; the hue is turned by a share of the circle drawn from ``-hue`` to ``hue``. Grey
    images have no saturation and no hue. As torchvision's ``ColorJitter``.

    Args:
        brightness: strength, at least 0.
        contrast: strength, at least 0.
        saturation: strength, at least 0.
        hue: 0..0.5.
        rate: probability that anything is changed.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0
    rate: float = 1.0

    def __post_init__(self):
        check_rate("ColourJitter", self.rate)
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"ColourJitter needs {name} >= 0. Received: {name}={getattr(self, name)}"
                )
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"ColourJitter needs 0 <= hue <= 0.5. Received: hue={self.hue}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        draws = rng.random(8)
        strengths = (self.brightness, self.contrast, self.saturation)
        values = [_even(draws[i], max(0, 1 - x), 1 + x) - 1 for i, x in enumerate(strengths)]
        for which in np.argsort(draws[4:]):
            if which < 3 and strengths[which]:
                image = run(image, [Step(_ENHANCED[which], values[which])])
            elif which == 3 and self.hue and image.shape[2] == 3:
                image = hue(image, _even(draws[3], -self.hue, self.hue))
        return image


@dataclass(frozen=True)
class Greyscale:
    """Take the colours out with probability ``rate``; grey images stay as they are."""

    rate: float = 0.1

    def __post_init__(self):
        check_rate("Greyscale", self.rate)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return grey(image) if rng.random() < self.rate and image.shape[2] == 3 else image


@dataclass(frozen=True)
class Blur:
    """Blur by a Gaussian of random width, with probability ``rate``.

    As torchvision's ``GaussianBlur``.

    Args:
        rate: probability that the image is blurred.
        sigma: smallest and largest standard deviation in pixels, drawn evenly.
        kernel: pixels at which the Gaussian is cut, an odd number.
    """

    rate: float = 0.5
    sigma: tuple[float, float] = (0.1, 2.0)
    kernel: int = 13

    def __post_init__(self):
        check_rate("Blur", self.rate)
        check_range("Blur", "sigma", self.sigma)
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"Blur needs an odd kernel. Received: kernel={self.kernel}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        # A mirror image is no longer than the image.
        kernel = min(self.kernel, 2 * min(image.shape[:2]) - 1)
        sigma = _even(rng.random(), *self.sigma)
        return blur(np.ascontiguousarray(image), sigma, kernel)


def _even(draw: float, low: float, high: float) -> float:
    return low + draw * (high - low)

"""Random turns, shears and tilts of training images.

The functions move the pixels by a given amount, as torchvision does on Pillow images; the classes
draw the amount. Pillow draws: OpenCV is faster with interpolation, but rounds coordinates to a
thirty-second of a pixel and mixes the fill into the edge.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kcv.data.checks import check_range, check_rate
from kcv.data.geometry import integer
from kcv.data.operations import AFFINE_INTERPOLATIONS, Border, border_of, to_array, to_picture

Colour = int | tuple[int, int, int]
PLAIN = Border()


def affine(
    image: np.ndarray,
    angle: float,
    shift: tuple[int, int],
    scale: float,
    shear: tuple[float, float],
    border: Border = PLAIN,
) -> np.ndarray:
    """Turn, move, enlarge and shear ``(H, W, 1 or 3)`` around its centre.

    Args:
        image: the pixels, uint8.
        angle: degrees, clockwise.
        shift: pixels to the right and down.
        scale: by which lengths are multiplied.
        shear: degrees, along x and along y.
        border: interpolation and fill.
    """
    turn, (along_x, along_y) = math.radians(angle), (math.radians(one) for one in shear)
    # The matrix of turn, shear and scale, inverted: where does a pixel come from.
    lean = turn - along_y
    a, c = math.cos(lean) / math.cos(along_y), math.sin(lean) / math.cos(along_y)
    b, d = -a * math.tan(along_x) - math.sin(turn), -c * math.tan(along_x) + math.cos(turn)
    matrix = [d / scale, -b / scale, -c / scale, a / scale]
    x, y = image.shape[1] * 0.5, image.shape[0] * 0.5
    to_x, to_y = -x - shift[0], -y - shift[1]
    rows = (
        *(matrix[0], matrix[1], matrix[0] * to_x + matrix[1] * to_y + x),
        *(matrix[2], matrix[3], matrix[2] * to_x + matrix[3] * to_y + y),
    )
    return _transformed(image, Image.Transform.AFFINE, rows, border)


def perspective(
    image: np.ndarray, corners: list[tuple[int, int]], border: Border = PLAIN
) -> np.ndarray:
    """Move the corners of ``(H, W, 1 or 3)``: top left, top right, bottom right, bottom left.

    Args:
        image: the pixels, uint8.
        corners: ``(x, y)`` to which each is moved.
        border: interpolation and fill.
    """
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    rows, values = [], []
    for (x, y), (u, v) in zip(
        corners, [(0, 0), (right, 0), (right, bottom), (0, bottom)], strict=True
    ):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    # Two corners that meet leave more than one answer: the shortest one is taken.
    solved = np.linalg.lstsq(np.array(rows, float), np.array(values, float), rcond=None)[0]
    # torchvision passes the numbers through float32.
    coefficients = tuple(solved.astype(np.float32).tolist())
    return _transformed(image, Image.Transform.PERSPECTIVE, coefficients, border)


def _transformed(
    image: np.ndarray, kind: Image.Transform, data: tuple[float, ...], border: Border
) -> np.ndarray:
    picture = to_picture(image)
    colour = border.colour(picture.mode)
    moved = picture.transform(picture.size, kind, data, border.interpolation, fillcolor=colour)
    return to_array(moved)


@dataclass(frozen=True)
class RandomAffine:
    """Turn, move, enlarge and shear by random amounts. As torchvision's ``RandomAffine``.

    Args:
        degrees: largest angle, either way.
        translate: largest shift, either way, as a share of the width and of the height.
        scale: smallest and largest factor of lengths, drawn evenly.
        shear: largest shear along x in degrees, either way.
        rate: probability that anything is changed.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        fill: grey level or RGB colour of what comes in from outside.
    """

    degrees: float = 10.0
    translate: tuple[float, float] = (0.1, 0.1)
    scale: tuple[float, float] = (0.9, 1.1)
    shear: float = 0.0
    rate: float = 1.0
    interpolation: str = "nearest"
    fill: Colour = 0

    def __post_init__(self):
        check_rate("RandomAffine", self.rate)
        check_range("RandomAffine", "scale", self.scale)
        if any(not 0 <= share <= 1 for share in self.translate):
            raise ValueError(
                f"RandomAffine needs 0 <= translate <= 1. Received: translate={self.translate}"
            )
        if not 0 <= self.shear < 90:
            raise ValueError(f"RandomAffine needs 0 <= shear < 90. Received: shear={self.shear}")
        border_of("RandomAffine", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        angle, right, down, shear = (2 * rng.random(4) - 1).tolist()
        shift = (
            round(right * self.translate[0] * image.shape[1]),
            round(down * self.translate[1] * image.shape[0]),
        )
        scale = self.scale[0] + rng.random() * (self.scale[1] - self.scale[0])
        border = Border(AFFINE_INTERPOLATIONS[self.interpolation], self.fill)
        lean = (shear * self.shear, 0.0)
        return affine(image, angle * self.degrees, shift, scale, lean, border)


@dataclass(frozen=True)
class RandomPerspective:
    """Tilt by moving each corner inwards at random. As torchvision's ``RandomPerspective``.

    Args:
        distortion: largest move of a corner, as a share of half of the width and height.
        rate: probability that anything is changed.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        fill: grey level or RGB colour of what comes in from outside.
    """

    distortion: float = 0.5
    rate: float = 0.5
    interpolation: str = "bilinear"
    fill: Colour = 0

    def __post_init__(self):
        check_rate("RandomPerspective", self.rate)
        if not 0 <= self.distortion <= 1:
            raise ValueError(
                f"RandomPerspective needs 0 <= distortion <= 1. "
                f"Received: distortion={self.distortion}"
            )
        border_of("RandomPerspective", self.interpolation, self.fill)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() >= self.rate:
            return image
        (height, width), distortion = image.shape[:2], self.distortion
        across, along = int(distortion * (width // 2)), int(distortion * (height // 2))
        corners = []
        for on_right, on_bottom in ((0, 0), (1, 0), (1, 1), (0, 1)):
            x, y = integer(rng, 0, across), integer(rng, 0, along)
            corners.append((width - 1 - x if on_right else x, height - 1 - y if on_bottom else y))
        border = Border(AFFINE_INTERPOLATIONS[self.interpolation], self.fill)
        return perspective(image, corners, border)

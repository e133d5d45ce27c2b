"""Image operations that the augmentation policies choose from.

An operation is called as ``operation(picture, value, border)``. It takes and gives a Pillow picture
of mode ``L`` or ``RGB``, and its ``value`` is in the unit that the operation names; an operation
without strength ignores it. Pillow's own functions are used, because the policies were found, and
the published networks trained, with their rounding: a faster one with other pixels is another
augmentation. Where OpenCV gives the same pixels (``kcv.data.pixels``), ``run`` takes it.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from kcv.data import pixels

AFFINE_INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
"""The ones that Pillow has for rotating and shearing."""


class Border(NamedTuple):
    """What a moved picture is drawn with.

    Attributes:
        interpolation: how pixels between pixels are found.
        fill: grey level, or RGB colour, of what comes in from outside.
    """

    interpolation: Image.Resampling = Image.Resampling.NEAREST
    fill: int | tuple[int, int, int] = 0

    def colour(self, mode: str) -> int | tuple[int, ...]:
        """Return the fill for a picture mode: a level for each channel, their mean for grey."""
        if mode in ("RGB", "RGBX"):
            # Pillow would take a single number for red alone.
            colour = self.fill if isinstance(self.fill, tuple) else (self.fill,) * 3
            return (*colour, 255) if mode == "RGBX" else colour
        return round(sum(self.fill) / 3) if isinstance(self.fill, tuple) else self.fill


class Step(NamedTuple):
    """One operation with its strength.

    Attributes:
        name: a key of ``OPERATIONS``.
        value: strength, in the unit of the operation.
        border: what a moved picture is drawn with.
    """

    name: str
    value: float
    border: Border = Border()


Picture = Image.Image
PictureOperation = Callable[[Picture, float, Border], Picture]


def to_picture(image: np.ndarray) -> Picture:
    """Return an array ``(H, W, 1 or 3)``, uint8, as a picture: ``L``, ``RGB`` or ``RGBX``."""
    # Copied here where it is a mirrored view: Pillow would do that three times more slowly.
    image = np.ascontiguousarray(image)
    if image.shape[2] == 3 and pixels.opencv() is not None:
        return pixels.padded_picture(image)
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def to_array(picture: Picture) -> np.ndarray:
    """Return a picture as an array ``(H, W, 1 or 3)``, uint8."""
    if picture.mode == "RGBX":
        return pixels.unpadded_array(picture)
    array = np.array(picture)
    return array[:, :, None] if array.ndim == 2 else array


def _identity(picture: Picture, value: float, border: Border) -> Picture:
    return picture


def _autocontrast(picture: Picture, value: float, border: Border) -> Picture:
    return ImageOps.autocontrast(picture)


def _equalize(picture: Picture, value: float, border: Border) -> Picture:
    return ImageOps.equalize(picture)


def _invert(picture: Picture, value: float, border: Border) -> Picture:
    return ImageOps.invert(picture)


def _posterize(picture: Picture, value: float, border: Border) -> Picture:
    # Not ImageOps.posterize: Pillow 13 refuses 0 bits, the strongest draw of timm's policy.
    drop = 8 - int(value)
    return _look_up(picture, [level >> drop << drop for level in range(256)])


def _solarize(picture: Picture, value: float, border: Border) -> Picture:
    return _look_up(picture, [level if level < value else 255 - level for level in range(256)])


def _solarize_add(picture: Picture, value: float, border: Border) -> Picture:
    brighter = [min(255, level + int(value)) for level in range(128)]
    return _look_up(picture, [*brighter, *range(128, 256)])


def _look_up(picture: Picture, table: list[int]) -> Picture:
    return picture.point(table * len(picture.getbands()))


def _color(picture: Picture, value: float, border: Border) -> Picture:
    return ImageEnhance.Color(picture).enhance(1 + value)


def _contrast(picture: Picture, value: float, border: Border) -> Picture:
    return ImageEnhance.Contrast(picture).enhance(1 + value)


def _brightness(picture: Picture, value: float, border: Border) -> Picture:
    return ImageEnhance.Brightness(picture).enhance(1 + value)


def _sharpness(picture: Picture, value: float, border: Border) -> Picture:
    return ImageEnhance.Sharpness(picture).enhance(1 + value)


def _blur(picture: Picture, value: float, border: Border) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(value))


def _rotate(picture: Picture, value: float, border: Border) -> Picture:
    colour = border.colour(picture.mode)
    return picture.rotate(value, border.interpolation, fillcolor=colour)


def _shear_x(picture: Picture, value: float, border: Border) -> Picture:
    return _affine(picture, (1, value, 0, 0, 1, 0), border)


def _shear_y(picture: Picture, value: float, border: Border) -> Picture:
    return _affine(picture, (1, 0, 0, value, 1, 0), border)


def _translate_x(picture: Picture, value: float, border: Border) -> Picture:
    return _affine(picture, (1, 0, -value, 0, 1, 0), border)


def _translate_y(picture: Picture, value: float, border: Border) -> Picture:
    return _affine(picture, (1, 0, 0, 0, 1, -value), border)


def _affine(picture: Picture, matrix: tuple[float, ...], border: Border) -> Picture:
    """Give each pixel (x, y) the value that lay at (ax + by + c, dx + ey + f)."""
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        matrix,
        border.interpolation,
        fillcolor=border.colour(picture.mode),
    )


OPERATIONS: dict[str, PictureOperation] = {
    "identity": _identity,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "invert": _invert,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "color": _color,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "blur": _blur,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
"""Name -> operation. Values: ``rotate``: degrees, anticlockwise; ``posterize``: bits that are kept;
``solarize``: grey level from which pixels are inverted; ``solarize_add``: what is added to levels
below 128; ``color``, ``contrast``, ``brightness``, ``sharpness``: 0 leaves the image as it is, -1
takes all of it; ``blur``: deviation of the Gaussian in pixels; ``shear_x``, ``shear_y``: pixels per
pixel; ``translate_x``, ``translate_y``: pixels to the right and down."""


def run(image: np.ndarray, steps: Iterable[Step]) -> np.ndarray:
    """Apply operations one after the other to an array ``(H, W, 1 or 3)``, uint8.

    The array is not written into; without a step that changes anything, it is returned itself.
    """
    current: np.ndarray | Picture = image
    for name, value, border in steps:
        quick = pixels.operation(name, value)
        if quick is None:
            current = current if isinstance(current, Picture) else to_picture(current)
            current = OPERATIONS[name](current, value, border)
            continue
        if isinstance(current, Picture):
            current = to_array(current)
        current = quick(np.ascontiguousarray(current), value, border)
    return to_array(current) if isinstance(current, Picture) else current


def apply(
    image: np.ndarray,
    name: str,
    value: float = 0.0,
    *,
    interpolation: str = "nearest",
    fill: int | tuple[int, int, int] = 0,
) -> np.ndarray:
    """Apply one operation to an array ``(H, W, 1 or 3)``, uint8, and return a new one.

    Args:
        image: the pixels; they are not written into.
        name: a key of ``OPERATIONS``.
        value: strength, in the unit of the operation.
        interpolation: a key of ``AFFINE_INTERPOLATIONS``.
        fill: grey level or RGB colour of what comes in from outside.

    Raises:
        ValueError: an unknown name or interpolation, or a value that is no finite number.
    """
    if name not in OPERATIONS:
        raise ValueError(f"apply needs one of {', '.join(OPERATIONS)}. Received: {name=}")
    if not math.isfinite(value):
        raise ValueError(f"apply needs a finite value. Received: {value=}")
    border = border_of("apply", interpolation, fill)
    changed = run(image, [Step(name, value, border)])
    return changed.copy() if np.shares_memory(changed, image) else changed


def border_of(owner: str, interpolation: str, fill: int | tuple[int, int, int]) -> Border:
    """Return the border of checked settings; ``owner`` is who the message of an error names.

    Raises:
        ValueError: Pillow cannot rotate with that interpolation, or the fill is no colour.
    """
    if interpolation not in AFFINE_INTERPOLATIONS:
        raise ValueError(
            f"{owner} needs interpolation in {', '.join(AFFINE_INTERPOLATIONS)}. "
            f"Received: {interpolation=}"
        )
    levels = fill if isinstance(fill, tuple) else (fill,) * 3
    if len(levels) != 3 or any(not 0 <= level <= 255 for level in levels):
        raise ValueError(f"{owner} needs fill in 0..255, or three such levels. Received: {fill=}")
    return Border(AFFINE_INTERPOLATIONS[interpolation], fill)

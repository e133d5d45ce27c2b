"""The operations of the policies on arrays, by OpenCV: the pixels of Pillow in a third of its time.

Each function is called as ``operation(image, value, border)`` with an array ``(H, W, 1 or 3)``,
uint8, that it does not write into. Its result is that of the operation of the same name in
``kcv.data.operations`` to the last bit, except that ``color`` and ``sharpness`` may differ by one
level in one pixel of ten thousand (OpenCV adds in another order). Turning and shearing are not
here: Pillow is as fast, and OpenCV rounds coordinates to a thirty-second of a pixel.
"""

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

PixelOperation = Callable[[np.ndarray, float, Any], np.ndarray]
_LEVELS = np.arange(256)
_RAMP = Image.frombytes("L", (256, 1), bytes(range(256)))
# OpenCV rounds where Pillow cuts off; without the hair, whole numbers would be cut to the one below
_CUT_OFF = 1e-3 - 0.5


@functools.cache
def opencv() -> ModuleType | None:
    """Return OpenCV, or None where it is not installed (the extra ``fast``)."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def identity(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Return the image."""
    return image


def invert(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Turn dark to light."""
    return 255 - image


def posterize(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Keep the first ``value`` bits of each level."""
    return image & np.uint8(0xFF >> int(value) ^ 0xFF)


def solarize(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Invert the levels from ``value`` on."""
    cv2: Any = opencv()
    bright = cv2.threshold(image, math.ceil(value) - 1, 255, cv2.THRESH_BINARY)[1]
    return _with_channels(cv2.bitwise_xor(_with_channels(bright), image))


def solarize_add(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Add ``value`` to the levels below 128."""
    brighter = np.where(_LEVELS < 128, np.minimum(_LEVELS + int(value), 255), _LEVELS)
    return _look_up(image, brighter[None])


def brightness(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Blend with black."""
    return _blended_with(0, image, value)


def contrast(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Blend with the mean grey of the image."""
    mean = opencv().mean(_luma(image))[0]  # type: ignore[union-attr]
    return _blended_with(int(mean + 0.5), image, value)


def color(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Blend with the grey image."""
    if image.shape[2] == 1:
        return image
    cv2: Any = opencv()
    return _blend(cv2.cvtColor(_luma(image), cv2.COLOR_GRAY2RGB), image, value)


def sharpness(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Blend with the smoothed image; the pixels at the edges stay."""
    if min(image.shape[:2]) < 3:
        return image
    cv2: Any = opencv()
    # Pillow's SMOOTH: the sum of nine pixels, the middle one five times, over thirteen
    total = _with_channels(cv2.boxFilter(image, cv2.CV_16U, (3, 3), normalize=False))
    total += image.astype(np.uint16) * np.uint16(4)
    smooth = _with_channels(cv2.convertScaleAbs(total, alpha=1 / 13))
    smooth[[0, -1]], smooth[:, [0, -1]] = image[[0, -1]], image[:, [0, -1]]
    return _blend(smooth, image, value)


def autocontrast(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Spread the levels of each channel over 0..255."""
    cv2: Any = opencv()
    ends = np.array([cv2.minMaxLoc(channel)[:2] for channel in cv2.split(image)])
    low, high = ends[:, :1], ends[:, 1:]
    many = high > low
    scale = np.divide(255, high - low, out=np.ones_like(low), where=many)
    tables = _LEVELS * scale + np.where(many, -low * scale, 0)
    return _look_up(image, np.clip(tables.astype(int), 0, 255))


def equalize(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Spread the levels of each channel so that all become about equally frequent."""
    cv2: Any = opencv()
    channels = range(image.shape[2])
    counts = np.stack([cv2.calcHist([image], [c], None, [256], [0, 256]).ravel() for c in channels])
    below = np.cumsum(counts.astype(np.int64), axis=1)
    pixels = image.shape[0] * image.shape[1]
    # all pixels but those of the brightest level that there is
    step = np.where(below < pixels, below, 0).max(axis=1, keepdims=True) // 255
    below = np.concatenate([np.zeros_like(step), below[:, :-1]], axis=1)
    tables = np.minimum((step // 2 + below) // np.maximum(step, 1), 255)
    return _look_up(image, np.where(step > 0, tables, _LEVELS))


def translate_x(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Move by ``value`` whole pixels to the right."""
    return _moved(image, value, border, 1)


def translate_y(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Move by ``value`` whole pixels down."""
    return _moved(image, value, border, 0)


def operation(name: str, value: float) -> PixelOperation | None:
    """Return the operation of that name, or None where Pillow has to do it."""
    # Between whole pixels, the border's interpolation decides.
    if opencv() is None or (name.startswith("translate") and value != int(value)):
        return None
    return PIXEL_OPERATIONS.get(name)


PIXEL_OPERATIONS: dict[str, PixelOperation] = {
    "identity": identity,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "invert": invert,
    "posterize": posterize,
    "solarize": solarize,
    "solarize_add": solarize_add,
    "color": color,
    "contrast": contrast,
    "brightness": brightness,
    "sharpness": sharpness,
    "translate_x": translate_x,
    "translate_y": translate_y,
}
"""Name -> operation, as in ``kcv.data.operations.OPERATIONS``."""


def _look_up(image: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Replace each level by its place in a table, ``(1 or channels, 256)``."""
    cv2: Any = opencv()
    if len(tables) == 1:
        return _with_channels(cv2.LUT(image, tables[0].astype(np.uint8)))
    return cv2.LUT(image, tables.T.astype(np.uint8)[None])


def _blended_with(level: int, image: np.ndarray, value: float) -> np.ndarray:
    """Blend with a grey level."""
    levels, linear = _blended_levels(level, value)
    if linear:
        return _with_channels(_scaled(image, level, value))
    return _look_up(image, levels)


@functools.lru_cache(4096)
def _blended_levels(level: int, value: float) -> tuple[np.ndarray, bool]:
    """Return what becomes of each level, ``(1, 256)``, and whether ``_scaled`` gives that too."""
    # By Pillow itself: one row of pixels takes it no time, and the rounding is its own.
    other = Image.new("L", (256, 1), level)
    levels = np.frombuffer(Image.blend(other, _RAMP, 1 + value).tobytes(), np.uint8)[None]
    # OpenCV has two ways to do it, for many pixels at once and for the last ones of a row
    twice = np.stack([_LEVELS, _LEVELS], axis=1).astype(np.uint8)
    ways = (_scaled(row, level, value).ravel() for row in (twice[:, :1].copy(), twice[:, :1]))
    return levels, all(np.array_equal(way, levels[0]) for way in ways)


def _scaled(image: np.ndarray, level: int, value: float) -> np.ndarray:
    """Blend with a grey level by one product and one sum, in about half of a table's time."""
    cv2: Any = opencv()
    rest = _CUT_OFF - value * level
    if rest < -0.5:  # below zero it is to be cut off, which `convertScaleAbs` would turn round
        return cv2.addWeighted(image, 1 + value, image, 0, rest)
    return cv2.convertScaleAbs(image, alpha=1 + value, beta=rest)


def _blend(other: np.ndarray, image: np.ndarray, value: float) -> np.ndarray:
    cv2: Any = opencv()
    return _with_channels(cv2.addWeighted(image, 1 + value, other, -value, _CUT_OFF))


def _luma(image: np.ndarray) -> np.ndarray:
    """Return the grey of Pillow ``(H, W)``; OpenCV's own differs in one pixel of a thousand."""
    if image.shape[2] == 1:
        return image[:, :, 0]
    return np.asarray(padded_picture(image).convert("L"))


def padded_picture(image: np.ndarray) -> Image.Image:
    """Return ``(H, W, 3)``, uint8, as a picture of mode ``RGBX``, on memory that Pillow can use.

    Pillow keeps four bytes for a pixel: what has three, it copies slowly, there and back.
    """
    cv2: Any = opencv()
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    return Image.frombuffer("RGBX", image.shape[1::-1], pixels, "raw", "RGBX", 0, 1)


def unpadded_array(picture: Image.Image) -> np.ndarray:
    """Return a picture of mode ``RGBX`` as an array ``(H, W, 3)``, uint8."""
    cv2: Any = opencv()
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGBA2RGB)


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else image[:, :, None]


def _moved(image: np.ndarray, value: float, border: Any, axis: int) -> np.ndarray:
    length = image.shape[axis]
    shift = min(max(int(value), -length), length)
    to, start = max(shift, 0), max(-shift, 0)
    moved = np.empty_like(image, order="C")
    place: tuple[slice, ...] = (slice(None),) * axis
    moved[(*place, slice(to, to + length - abs(shift)))] = image[
        (*place, slice(start, start + length - abs(shift)))
    ]
    colour = border.colour("RGB" if image.shape[2] == 3 else "L")
    moved[(*place, slice(shift) if shift > 0 else slice(length + shift, length))] = colour
    return moved

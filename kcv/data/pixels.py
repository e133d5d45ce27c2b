"""The operations of the policies on arrays, by OpenCV: the pixels of Pillow in a third of its time.

Each function is called as ``operation(image, value, border)`` with an array ``(H, W, 1 or 3)``,
uint8, that it does not write into. Its result is that of the operation of the same name in
``kcv.data.operations`` to the last bit, except that ``color`` and ``sharpness`` may differ by one
level in one pixel of ten thousand (OpenCV adds in another order). Turning and shearing are not
here: Pillow is as fast, and OpenCV rounds coordinates to a thirty-second of a pixel.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

PixelOperation = Callable[[np.ndarray, float, Any], np.ndarray]
_LEVELS = np.arange(256)
_RAMP = Image.frombytes("L", (256, 1), bytes(range(256)))
# Pillow's SMOOTH filter.
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
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
    return _look_up(image, np.where(value > _LEVELS, _LEVELS, 255 - _LEVELS))


def solarize_add(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Add ``value`` to the levels below 128."""
    return _look_up(image, np.where(_LEVELS < 128, np.minimum(_LEVELS + int(value), 255), _LEVELS))


def brightness(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Blend with black."""
    return _look_up(image, _blended_levels(0, value))


def contrast(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Blend with the mean grey of the image."""
    return _look_up(image, _blended_levels(int(_luma(image).mean() + 0.5), value))


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
    smooth = _with_channels(cv2.filter2D(image, -1, _SMOOTH))
    smooth[[0, -1]], smooth[:, [0, -1]] = image[[0, -1]], image[:, [0, -1]]
    return _blend(smooth, image, value)


def autocontrast(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Spread the levels of each channel over 0..255."""
    tables = []
    for channel in _channels(image):
        low, high, *_ = opencv().minMaxLoc(channel)  # type: ignore[union-attr]
        scale = 255 / (high - low) if high > low else 1.0
        shift = -low * scale if high > low else 0.0
        tables.append(np.clip((_LEVELS * scale + shift).astype(int), 0, 255))
    return _look_up(image, *tables)


def equalize(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Spread the levels of each channel so that all become about equally frequent."""
    tables = []
    for channel in _channels(image):
        counts = opencv().calcHist([channel], [0], None, [256], [0, 256])  # type: ignore[union-attr]
        counts = counts.ravel().astype(np.int64)
        used = np.flatnonzero(counts)
        step = int(counts.sum() - counts[used[-1]]) // 255
        if step == 0:
            tables.append(_LEVELS)
            continue
        below = np.concatenate([[0], np.cumsum(counts)[:-1]])
        tables.append(np.minimum((step // 2 + below) // step, 255))
    return _look_up(image, *tables)


def translate_x(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Move by ``value`` whole pixels to the right."""
    return _moved(image.swapaxes(0, 1), value, border).swapaxes(0, 1)


def translate_y(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    """Move by ``value`` whole pixels down."""
    return _moved(image, value, border)


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


def _look_up(image: np.ndarray, *tables: np.ndarray) -> np.ndarray:
    """Replace each level by its place in a table: one for all channels, or one for each."""
    cv2: Any = opencv()
    table = np.stack(tables, axis=-1).astype(np.uint8)
    if len(tables) == 1 or image.shape[2] == 1:
        return _with_channels(cv2.LUT(image, table[:, :1].reshape(256)))
    return cv2.LUT(image, table[None])


def _blended_levels(level: int, value: float) -> np.ndarray:
    # By Pillow itself: one row of pixels takes it no time, and the rounding is its own.
    other = Image.new("L", (256, 1), level)
    return np.frombuffer(Image.blend(other, _RAMP, 1 + value).tobytes(), np.uint8)


def _blend(other: np.ndarray, image: np.ndarray, value: float) -> np.ndarray:
    cv2: Any = opencv()
    return _with_channels(cv2.addWeighted(image, 1 + value, other, -value, _CUT_OFF))


def _luma(image: np.ndarray) -> np.ndarray:
    """Return the grey of Pillow ``(H, W)``; OpenCV's own differs in one pixel of a thousand."""
    if image.shape[2] == 1:
        return image[:, :, 0]
    return np.asarray(Image.fromarray(image).convert("L"))


def _channels(image: np.ndarray) -> tuple[np.ndarray, ...]:
    return opencv().split(image)  # type: ignore[union-attr]


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else image[:, :, None]


def _moved(image: np.ndarray, value: float, border: Any) -> np.ndarray:
    length = len(image)
    shift = min(max(int(value), -length), length)
    # In the order of the image's memory, also where its first two axes are exchanged.
    moved = np.empty_like(image)
    moved[max(shift, 0) : length + min(shift, 0)] = image[max(-shift, 0) : length - max(shift, 0)]
    colour = border.colour("RGB" if image.shape[2] == 3 else "L")
    moved[slice(shift) if shift > 0 else slice(length + shift, length)] = colour
    return moved

"""Resizing of single images with Pillow, as torchvision, timm and the others do it."""

import math

import numpy as np
from PIL import Image

from kcv.data.images import MAX_PIXELS, to_array

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MODES = ("crop", "crop_floor", "crop_first", "squash", "squash_crop", "squash_crop_floor")


def resize_image(
    image: np.ndarray,
    size: int | tuple[int, int],
    mode: str = "crop",
    crop_pct: float = 0.875,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Resize an image for evaluation, with antialiasing.

    ``"crop"`` shrinks the shorter edge to ``floor(size / crop_pct)`` and cuts out the centre, pixel
    for pixel what torchvision, timm and mmpretrain do on Pillow images; ``"squash"`` ignores the
    aspect ratio and ``crop_pct``; ``"squash_crop"`` squashes to ``floor(size / crop_pct)`` and cuts
    out the centre. Where the centre lies half a pixel off, it is taken at the even pixel; with
    ``_floor`` behind the mode, at the lower one, as transformers does. ``"crop_first"`` cuts the
    centre out of the original, ``crop_pct`` of it, and resizes that: EfficientNet's own way, and
    mmpretrain's for it.

    Args:
        image: array ``(H, W, 1 or 3)``, uint8.
        size: edge of the square wanted, or ``(height, width)``.
        mode: one of ``MODES``.
        crop_pct: share of the resized edge that the centre crop keeps, ``0 < crop_pct <= 1``.
        interpolation: a key of ``INTERPOLATIONS``.

    Returns:
        Array ``(height, width, C)``, uint8.

    Raises:
        ValueError: a mode, interpolation or ``crop_pct`` that does not exist.
    """
    if mode not in MODES:
        raise ValueError(f"resize_image needs mode in {', '.join(MODES)}. Received: {mode=}")
    if interpolation not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise ValueError(f"resize_image needs interpolation in {known}. Received: {interpolation=}")
    if not 0 < crop_pct <= 1:
        raise ValueError(f"resize_image needs 0 < crop_pct <= 1. Received: {crop_pct=}")
    height, width = (size, size) if isinstance(size, int) else size
    if mode == "squash":
        return scale(image, (height, width), interpolation)
    if mode == "crop_first":
        return scale(_middle_part(image, height, width, crop_pct), (height, width), interpolation)
    inner = math.floor(height / crop_pct), math.floor(width / crop_pct)
    resized = (scale if mode.startswith("squash") else covering)(image, inner, interpolation)
    return _centre(resized, height, width, mode)


def covering(image: np.ndarray, box: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resize an array to the smallest size of its aspect ratio that covers ``(height, width)``."""
    if math.prod(_cover(image.shape[:2], box)) > MAX_PIXELS:
        # A strip 5 pixels wide would be blown up by tens of times, to be thrown away all but a bit.
        longest = 9 * min(image.shape[:2]) * max(box) // min(box)
        image = _centre(image, min(longest, image.shape[0]), min(longest, image.shape[1]))
    return scale(image, _cover(image.shape[:2], box), interpolation)


def scale(image: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """Resize an array ``(H, W, 1 or 3)`` to ``size = (height, width)``, antialiased."""
    if image.shape[:2] == tuple(size):
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    return to_array(picture.resize((size[1], size[0]), INTERPOLATIONS[interpolation]))


def middle(gap: int, mode: str = "crop") -> int:
    """Return where the centre begins, ``gap`` being the pixels that are cut off an axis."""
    return gap // 2 if mode.endswith("_floor") else round(gap / 2)


def _centre(image: np.ndarray, height: int, width: int, mode: str = "crop") -> np.ndarray:
    top, left = middle(image.shape[0] - height, mode), middle(image.shape[1] - width, mode)
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def _middle_part(image: np.ndarray, height: int, width: int, share: float) -> np.ndarray:
    """Return the centre of that aspect ratio that has a share of the largest one's edges."""
    (rows, columns), starts = image.shape[:2], []
    inner = (
        share * min(rows, columns * height / width),
        share * min(columns, rows * width / height),
    )
    for length, edge in zip((rows, columns), inner, strict=True):
        start = max(0, round((length - edge) / 2))
        # As mmpretrain cuts: the last pixel is rounded, not the edge. At least one is left.
        starts.append(slice(start, max(start, int(start + edge - 1)) + 1))
    return np.ascontiguousarray(image[starts[0], starts[1]])


def _cover(shape: tuple[int, ...], box: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest size of the same aspect ratio that covers the box."""
    (height, width), (box_height, box_width) = shape, box
    if width * box_height <= height * box_width:
        return int(box_width * height / width), box_width
    return box_height, int(box_height * width / height)

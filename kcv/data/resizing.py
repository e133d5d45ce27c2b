"""Resizing of single images as torchvision and timm do it, with Pillow."""

import math
from typing import Literal

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


def resize_image(
    image: np.ndarray,
    size: int | tuple[int, int],
    mode: Literal["crop", "squash"] = "crop",
    crop_pct: float = 0.875,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Resize an image for evaluation, with antialiasing.

    ``"crop"`` shrinks the shorter edge to ``floor(size / crop_pct)`` and cuts out the centre, pixel
    for pixel what torchvision and timm do on Pillow images; ``"squash"`` ignores the aspect ratio.

    Args:
        image: array ``(H, W, 1 or 3)``, uint8.
        size: edge of the square wanted, or ``(height, width)``.
        mode: ``"crop"`` or ``"squash"``.
        crop_pct: share of the resized edge that the centre crop keeps, ``0 < crop_pct <= 1``.
        interpolation: a key of ``INTERPOLATIONS``.

    Returns:
        Array ``(height, width, C)``, uint8.

    Raises:
        ValueError: a mode, interpolation or ``crop_pct`` that does not exist.
    """
    if mode not in ("crop", "squash"):
        raise ValueError(f"resize_image needs mode='crop' or mode='squash'. Received: {mode=}")
    if interpolation not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise ValueError(f"resize_image needs interpolation in {known}. Received: {interpolation=}")
    if not 0 < crop_pct <= 1:
        raise ValueError(f"resize_image needs 0 < crop_pct <= 1. Received: {crop_pct=}")
    height, width = (size, size) if isinstance(size, int) else size
    if mode == "squash":
        return scale(image, (height, width), interpolation)
    inner = math.floor(height / crop_pct), math.floor(width / crop_pct)
    if math.prod(_cover(image.shape[:2], inner)) > MAX_PIXELS:
        # A strip 5 pixels wide would be blown up by tens of times, to be thrown away all but a bit.
        longest = 9 * min(image.shape[:2]) * max(inner) // min(inner)
        image = _centre(image, min(longest, image.shape[0]), min(longest, image.shape[1]))
    return _centre(scale(image, _cover(image.shape[:2], inner), interpolation), height, width)


def scale(image: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """Resize an array ``(H, W, 1 or 3)`` to ``size = (height, width)``, antialiased."""
    if image.shape[:2] == tuple(size):
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    return to_array(picture.resize((size[1], size[0]), INTERPOLATIONS[interpolation]))


def _centre(image: np.ndarray, height: int, width: int) -> np.ndarray:
    # Halves are rounded to even, as torchvision's CenterCrop does.
    top, left = round((image.shape[0] - height) / 2), round((image.shape[1] - width) / 2)
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def _cover(shape: tuple[int, ...], box: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest size of the same aspect ratio that covers the box."""
    (height, width), (box_height, box_width) = shape, box
    if width * box_height <= height * box_width:
        return int(box_width * height / width), box_width
    return box_height, int(box_height * width / height)

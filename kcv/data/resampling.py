"""Resizing of training images: the part inside a rectangle, at a size, in a quality with a name."""

import math
from typing import Any

import numpy as np
import torch
from PIL import Image

from kcv.data.images import INTERPOLATIONS, scale
from kcv.data.pixels import opencv

QUALITIES = (*INTERPOLATIONS, "fast")
"""``fast``: OpenCV's bilinear without antialiasing where edges shrink to no less than half, after a
mean of whole pixels where they shrink further; ``bilinear`` where OpenCV is not installed. All
others: antialiased, as Pillow does it, so that all pixels count."""

# Pillow documents 2 as the gap from which reducing before resizing can hardly be seen.
SAFE = 2
Rectangle = tuple[int, int, int, int]


def reduction(rectangle: Rectangle, size: tuple[int, int]) -> int:
    """Return by how much a JPEG file may be reduced while it is decoded: 1, 2, 4 or 8.

    Safe is what leaves ``SAFE`` pixels in the rectangle, on both axes, for each pixel wanted.

    Args:
        rectangle: ``(top, left, height, width)`` in the full image.
        size: ``(height, width)`` that it will be resized to.
    """
    room = min(rectangle[2] / size[0], rectangle[3] / size[1]) / SAFE
    return next((power for power in (8, 4, 2) if power <= room), 1)


def resample(
    image: np.ndarray,
    rectangle: Rectangle,
    size: tuple[int, int],
    quality: str = "bilinear",
    reduced: int = 1,
) -> np.ndarray:
    """Cut a rectangle out of an image and resize it.

    ``bilinear`` and ``bicubic`` in colour are done by torch, which has Pillow's arithmetic in
    vector instructions: five times faster, and the same to one level (``bicubic``: to one level in
    999 of 1000 pixels, to eight in all).

    Args:
        image: array ``(H, W, 1 or 3)``, uint8; it is not written into.
        rectangle: ``(top, left, height, width)`` in pixels of the full image.
        size: ``(height, width)`` of the result.
        quality: one of ``QUALITIES``.
        reduced: by how much the edges of ``image`` are already smaller than the full image's.
    """
    top, left, height, width = rectangle
    if reduced > 1:
        return _fraction(image, rectangle, size, quality, reduced)
    crop = image[top : top + height, left : left + width]
    if (height, width) == size:
        return crop
    cv2: Any = opencv() if quality == "fast" else None
    if cv2 is not None:
        return _fast(cv2, crop, size)
    quality = "bilinear" if quality == "fast" else quality
    if quality in _TORCH and image.shape[2] == 3:
        return _by_torch(crop, size, quality)
    return scale(np.ascontiguousarray(crop), size, quality)


_TORCH = {
    "bilinear": torch.ops.aten._upsample_bilinear2d_aa,
    "bicubic": torch.ops.aten._upsample_bicubic2d_aa,
}


def _by_torch(crop: np.ndarray, size: tuple[int, int], quality: str) -> np.ndarray:
    # The functions behind torch.nn.functional.interpolate(antialias=True), without its checks. They
    # are quick only if the channels come last in memory, for which the batch axis has to be first.
    batch = torch.from_numpy(_writeable(crop))[None].permute(0, 3, 1, 2)
    return _TORCH[quality](batch, size, False, None, None)[0].permute(1, 2, 0).numpy()


def _writeable(crop: np.ndarray) -> np.ndarray:
    """Return contiguous pixels that torch does not warn of."""
    crop = np.ascontiguousarray(crop)
    return crop if crop.flags.writeable else crop.copy()


def _fast(cv2: Any, crop: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (height, width), (to_height, to_width) = crop.shape[:2], size
    down, across = max(height // to_height, 1), max(width // to_width, 1)
    if max(down, across) > 1:
        # The mean of whole blocks is quick, of parts of pixels it is six times slower: what is left
        # over at the lower and right edge (one pixel of 500) is left out.
        halfway = (width // across, height // down)
        crop = crop[: halfway[1] * down, : halfway[0] * across]
        crop = cv2.resize(crop, halfway, interpolation=cv2.INTER_AREA)
    resized = cv2.resize(crop, (to_width, to_height), interpolation=cv2.INTER_LINEAR)
    return resized if resized.ndim == 3 else resized[:, :, None]


def _fraction(
    image: np.ndarray, rectangle: Rectangle, size: tuple[int, int], quality: str, reduced: int
) -> np.ndarray:
    """Resize a rectangle whose edges lie between the pixels of a reduced image."""
    top, left, height, width = (edge / reduced for edge in rectangle)
    # The last column of a reduced image stands for fewer columns than the others.
    box = (left, top, min(left + width, image.shape[1]), min(top + height, image.shape[0]))
    # Only the surroundings: Pillow copies the whole picture before it looks at the box.
    first_row, first_column = int(box[1]), int(box[0])
    part = image[first_row : math.ceil(box[3]), first_column : math.ceil(box[2])]
    part = np.ascontiguousarray(part[:, :, 0] if part.shape[2] == 1 else part)
    inside = (box[0] - first_column, box[1] - first_row, box[2] - first_column, box[3] - first_row)
    filter_ = INTERPOLATIONS["bilinear" if quality == "fast" else quality]
    pixels = np.asarray(Image.fromarray(part).resize((size[1], size[0]), filter_, box=inside))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]

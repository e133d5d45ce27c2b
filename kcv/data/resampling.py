"""Resizing of training images: the part inside a rectangle, at a size, in a quality with a name."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from kcv.data.decode import REDUCTIONS
from kcv.data.pixels import opencv
from kcv.data.resizing import INTERPOLATIONS, scale

QUALITIES = (*INTERPOLATIONS, "fast")
"""``fast``: OpenCV's bilinear without antialiasing where edges shrink to no less than half, after a
mean of whole pixels where they shrink further, and JPEG files decoded with ``coarse`` colours
(``kcv.data.decode``); ``bilinear`` where OpenCV is not installed. All others: antialiased, as
Pillow does it, so that all pixels count."""

# Pillow documents 2 as the gap from which reducing before resizing can hardly be seen.
SAFE = 2
Rectangle = tuple[int, int, int, int]


def reduction(rectangle: Rectangle, size: tuple[int, int], quality: str = "bilinear") -> int:
    """Return by how much a JPEG file may be reduced while it is decoded: 1, 2, 4 or 8.

    Safe is what leaves ``SAFE`` pixels in the rectangle, on both axes, for each pixel wanted;
    ``fast`` is content with one, because it takes means of whole pixels anyway.

    Args:
        rectangle: ``(top, left, height, width)`` in the full image.
        size: ``(height, width)`` that it will be resized to.
        quality: one of ``QUALITIES``.
    """
    room = min(rectangle[2] / size[0], rectangle[3] / size[1])
    room /= 1 if quality == "fast" else SAFE
    return next((power for power in REDUCTIONS if power <= room), 1)


def resample(
    image: np.ndarray,
    rectangle: Rectangle,
    size: tuple[int, int],
    quality: str = "bilinear",
    reduced: int = 1,
    out: np.ndarray | None = None,
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
        out: contiguous array ``(*size, 1 or 3)`` for the result, where that saves a copy; the
            result may be another array all the same.
    """
    cv2: Any = opencv()
    if quality == "fast" and cv2 is None:
        quality = "bilinear"
    if reduced > 1 and quality != "fast":
        return _fraction(image, rectangle, size, quality, reduced)
    top, left, height, width = _whole(rectangle, image, reduced)
    crop = image[top : top + height, left : left + width]
    if (height, width) == size:
        return crop
    if quality == "fast":
        return _fast(cv2, crop, size, out)
    if quality in _TORCH and image.shape[2] == 3:
        return _by_torch(crop, size, quality, out)
    return scale(np.ascontiguousarray(crop), size, quality)


_TORCH = {
    "bilinear": torch.ops.aten._upsample_bilinear2d_aa.out,
    "bicubic": torch.ops.aten._upsample_bicubic2d_aa.out,
}


def _by_torch(
    crop: np.ndarray, size: tuple[int, int], quality: str, out: np.ndarray | None
) -> np.ndarray:
    # The functions behind torch.nn.functional.interpolate(antialias=True), without its checks. They
    # are quick only if the channels come last in memory, for which the batch axis has to be first.
    out = np.empty((*size, 3), np.uint8) if out is None else out
    batch = _batch_of_one(_writeable(crop))
    _TORCH[quality](batch, size, False, None, None, out=_batch_of_one(out))
    return out


def _batch_of_one(image: np.ndarray) -> torch.Tensor:
    """Return ``(H, W, C)`` as ``(1, C, H, W)`` over the same memory."""
    height, width, channels = image.shape
    strides = (image.size, 1, width * channels, channels)
    return torch.from_numpy(image).as_strided((1, channels, height, width), strides)


def _writeable(crop: np.ndarray) -> np.ndarray:
    """Return contiguous pixels that torch does not warn of."""
    crop = np.ascontiguousarray(crop)
    return crop if crop.flags.writeable else crop.copy()


def _fast(cv2: Any, crop: np.ndarray, size: tuple[int, int], out: np.ndarray | None) -> np.ndarray:
    (height, width), (to_height, to_width) = crop.shape[:2], size
    down, across = max(height // to_height, 1), max(width // to_width, 1)
    if max(down, across) > 1:
        # The mean of whole blocks is quick, of parts of pixels it is six times slower: what is left
        # over at the lower and right edge (one pixel of 500) is left out.
        halfway = (width // across, height // down)
        crop = crop[: halfway[1] * down, : halfway[0] * across]
        crop = cv2.resize(crop, halfway, interpolation=cv2.INTER_AREA)
    with own_code(cv2):
        resized = cv2.resize(crop, (to_width, to_height), dst=out, interpolation=cv2.INTER_LINEAR)
    # OpenCV gives another view of the memory of dst, and of one channel no axis.
    if out is not None:
        return out
    return resized if resized.ndim == 3 else resized[:, :, None]


@contextmanager
def own_code(cv2: Any) -> Iterator[None]:
    """Keep OpenCV from Intel's library inside the block.

    That one chooses its code by the maker of the processor, so that the same crop is not the same
    everywhere, and on those of AMD it takes 1.5 times as long.
    """
    ipp: Any = getattr(cv2, "ipp", None)
    used = ipp is not None and ipp.useIPP()
    if used:
        ipp.setUseIPP(False)
    try:
        yield
    finally:
        if used:
            ipp.setUseIPP(True)


def _whole(rectangle: Rectangle, image: np.ndarray, reduced: int) -> Rectangle:
    """Return the rectangle in whole pixels of a reduced image."""
    if reduced == 1:
        return rectangle
    top, left, height, width = (round(edge / reduced) for edge in rectangle)
    # The last column of a reduced image stands for fewer columns than the others.
    height, width = min(max(height, 1), image.shape[0]), min(max(width, 1), image.shape[1])
    return min(top, image.shape[0] - height), min(left, image.shape[1] - width), height, width


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
    filter_ = INTERPOLATIONS[quality]
    pixels = np.asarray(Image.fromarray(part).resize((size[1], size[0]), filter_, box=inside))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]

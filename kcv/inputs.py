"""Images as people give them: files, folders, arrays, Pillow images, and lists of these."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from PIL import Image

from kcv.data.folder import EXTENSIONS, below
from kcv.data.reading import read_image
from kcv.data.resizing import resize_image
from kcv.data.views import views, with_mirror


class Item(NamedTuple):
    """One image that was asked for, and its file where it has one."""

    path: str | None
    image: str | np.ndarray | Image.Image


def prepare(
    image: str | np.ndarray | Image.Image,
    size: tuple[int, int],
    channels: int,
    resize: dict[str, Any],
) -> np.ndarray:
    """Return pixels for a model: uint8 ``(*size, channels)``.

    Args:
        image: What `items` gave.
        size: Height and width. An array that has it already is not resized.
        channels: 1 or 3.
        resize: Arguments of `kcv.data.resize_image`.

    Raises:
        ImageError: If the image cannot be read.
    """
    is_array = isinstance(image, np.ndarray)
    pixels = read_image(_whole(image), channels=channels)
    if is_array and pixels.shape[:2] == size:
        return pixels
    return resize_image(pixels, size, **resize)


def prepare_views(
    image: str | np.ndarray | Image.Image,
    size: tuple[int, int],
    channels: int,
    resize: dict[str, Any],
    kind: str,
) -> np.ndarray:
    """Return views of an image for a model: uint8 ``(V, *size, channels)``.

    Args:
        image, size, channels, resize: As in `prepare`.
        kind: A key of `kcv.data.views.VIEWS`. An array that has the model's size is taken as an
            image that evaluation squashes: there is nothing to cut.

    Raises:
        ImageError: If the image cannot be read.
    """
    if kind == "one" or (isinstance(image, np.ndarray) and image.shape[:2] == size):
        return with_mirror(prepare(image, size, channels, resize), kind)
    return views(read_image(_whole(image), channels=channels), size, kind, **resize)


def _whole(image: str | np.ndarray | Image.Image) -> str | np.ndarray | Image.Image:
    """Return an array of numbers as one of grey levels, anything else as it is."""
    if isinstance(image, np.ndarray) and image.dtype not in (np.uint8, np.uint16, np.bool_):
        return np.rint(image).astype("uint8")
    return image


def items(images: Any) -> Iterator[Item]:
    """Take lists, folders and batches apart, in order; files are not opened yet.

    Args:
        images: A file, a folder (all images below it, sorted), an array ``(H, W)``, ``(H, W, C)``
            or ``(B, H, W, C)`` of grey levels 0..255, a Pillow image, or a list of these.

    Raises:
        ValueError: If something is none of these, a folder holds no image, or an array no pixels.
    """
    if isinstance(images, str | os.PathLike):
        yield from _files(os.fspath(images))
    elif isinstance(images, Image.Image):
        yield Item(getattr(images, "filename", None) or None, images)
    elif isinstance(images, list | tuple):
        for one in images:
            yield from items(one)
    elif isinstance(images, np.ndarray) or keras.ops.is_tensor(images):
        array = keras.ops.convert_to_numpy(images)
        _check_pixels(array)
        yield from (Item(None, one) for one in (array if array.ndim == 4 else [array]))
    else:
        raise ValueError(
            "predict needs files, folders, arrays, Pillow images, or a list of these. "
            f"Received: an object of type {type(images).__name__}."
        )


def _files(path: str) -> Iterator[Item]:
    if "://" in path:
        raise ValueError(
            f"predict reads files and folders, not addresses. Received: {path!r}. "
            "Download the image first."
        )
    if not os.path.isdir(path):
        yield Item(path, path)
        return
    found = below(path)
    if not found:
        known = ", ".join(sorted(EXTENSIONS))
        raise ValueError(f"predict found no image in the folder {path!r} (looked for {known}).")
    yield from (Item(file, file) for file in found)


def _check_pixels(array: np.ndarray) -> None:
    """Refuse arrays that are no images, or whose numbers may not be grey levels."""
    what = f"Received: shape {array.shape}, dtype {array.dtype}"
    if array.ndim not in (2, 3, 4) or (array.ndim > 2 and array.shape[-1] not in (1, 2, 3, 4)):
        raise ValueError(
            f"predict needs arrays (H, W), (H, W, C) or (B, H, W, C) with 1 to 4 channels. {what}. "
            "A batch of grey images is images[..., None]."
        )
    if array.dtype in (np.uint8, np.uint16, np.bool_) or not array.size:
        return
    if array.dtype.kind not in "iuf":
        raise ValueError(f"predict needs arrays of numbers. {what}.")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):
        raise ValueError(
            f"predict needs grey levels 0..255. {what}, values {low:g}..{high:g}. "
            "Models of kcv normalise by themselves: give the pixels as they are in the file."
        )
    if array.dtype.kind == "f" and 0 < high <= 1:
        raise ValueError(
            f"predict needs grey levels 0..255. {what}, values {low:g}..{high:g}, which look like "
            "0..1. Multiply them by 255."
        )

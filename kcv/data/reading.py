"""Reading of single images: whole, or as much of a JPEG file as is needed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
from PIL import Image

from kcv.data import decode, images
from kcv.data.images import ImageError, ImageLike

# A larger file is no usual photograph, and may be larger than the memory.
LARGEST_FILE = 256 * 2**20
_TRANSPOSED = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
)


class Wanted(NamedTuple):
    """What is needed of a JPEG file; other files are read whole.

    Attributes:
        reduction: 1, 2, 4 or 8, by which both edges are divided (rounded up).
        rows: the upper rows of the full image that are looked at, of which those below may be
            missing; None for all.
        coarse: see ``kcv.data.decode.decode``.
    """

    reduction: int = 1
    rows: int | None = None
    coarse: bool = False


Chooser = Callable[[int, int], Wanted]
_CHOOSER: ContextVar[Chooser | None] = ContextVar("chooser", default=None)


def read_image(image: ImageLike, channels: int = 3) -> np.ndarray:
    """Return an image as a person sees it.

    Of an animation, the first frame. Colour profiles are not applied.

    Args:
        image: a path, the bytes of a file, a Pillow image, or an array ``(H, W)`` or
            ``(H, W, C)`` with 1 to 4 channels (grey, grey and alpha, RGB, RGBA) of dtype uint8,
            uint16 or bool.
        channels: 3 (RGB) or 1 (grey).

    Returns:
        Array ``(H, W, channels)``, uint8.

    Raises:
        ImageError: the image is missing, empty, damaged, too large or not an image.
        ValueError: ``channels`` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"read_image needs channels=1 or channels=3. Received: {channels=}")
    return _read(image, channels)


def problem(path: str | os.PathLike) -> str | None:
    """Return why a file cannot be read, or None.

    Decodes the whole file, JPEG at an eighth of its size: faster than reading it.
    """
    try:
        with reduced(lambda height, width: Wanted(8)):
            _read(path, channels=3)
    except ImageError as error:
        return error.reason
    return None


@contextmanager
def reduced(choose: Chooser) -> Iterator[None]:
    """Let JPEG files that are read inside the block be decoded at a fraction of their size.

    A source does not know what its images are for, and whoever cuts a small picture out of a large
    photograph does not know where the source has its files: hence a setting and not an argument.

    Args:
        choose: is given ``(height, width)`` of the upright image before it is decoded.
    """
    token = _CHOOSER.set(choose)
    try:
        yield
    finally:
        _CHOOSER.reset(token)


def _read(image: ImageLike, channels: int) -> np.ndarray:
    name = images.describe(image)
    if isinstance(image, str | os.PathLike):
        # Read at once, and once, whoever decodes it.
        image = _content(image) or image
    if isinstance(image, bytes):
        pixels = _fast(image, channels)
        if pixels is not None:
            return pixels
    try:
        with images.quiet:
            if isinstance(image, np.ndarray):
                image = images.from_array(image, name)
            if isinstance(image, Image.Image):
                return images.to_array(images.as_seen(image, channels, name))
            with images.open_image(image, name) as picture:
                _reduce(picture)
                return images.to_array(images.as_seen(picture, channels, name))
    except ImageError:
        raise
    # Hostile files make the decoders raise nearly anything: struct.error, KeyError, MemoryError.
    except Exception as error:
        raise ImageError(name, f"is truncated or damaged ({_one_line(error)})") from error


def _content(path: str | os.PathLike) -> bytes | None:
    """Return the content of a file; None where it cannot be had, or is too much."""
    try:
        with open(path, "rb", buffering=0) as file:
            few = os.fstat(file.fileno()).st_size <= LARGEST_FILE
            return file.read() if few else None
    # Missing, forbidden or a folder: said in words by open_image.
    except (OSError, MemoryError):
        return None


def _fast(content: bytes, channels: int) -> np.ndarray | None:
    """Decode a usual JPEG; None where Pillow has to look at it."""
    header = decode.header_of(content)
    if header is None or header.height * header.width > images.MAX_PIXELS:
        return None
    choose = _CHOOSER.get()
    wanted = Wanted() if choose is None else choose(header.height, header.width)
    pixels = decode.decode(content, header, *wanted)
    if pixels is None or channels == 3:
        return pixels
    return images.to_array(Image.fromarray(pixels).convert("L"))


def _reduce(picture: Image.Image) -> None:
    """Set a JPEG file that is not decoded yet to the fraction that was chosen."""
    choose = _CHOOSER.get()
    if choose is None or picture.format not in ("JPEG", "MPO"):
        return
    width, height = picture.size
    lying = images.upright(picture) in _TRANSPOSED
    fraction = choose(*((width, height) if lying else (height, width))).reduction
    picture.draft(None, (max(1, width // fraction), max(1, height // fraction)))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__

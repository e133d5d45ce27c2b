"""One look at every image: each file is read and decoded once, JPEG at a reduced size."""

import hashlib
import os
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from kcv import bars
from kcv.data.asking import ask_each
from kcv.data.images import ImageError, open_image
from kcv.data.pool import LETHAL
from kcv.data.reading import read_image
from kcv.data.sources import Source

SMALL = 32  # edge of the pictures that are compared
DRAFT = (
    64  # a JPEG file is decoded to no less than this, which takes an eighth of the pixels or more
)
START, END = b"\xff\xda", b"\xff\xd9"
FEW = 200  # images for which one process is enough


class Look(NamedTuple):
    """What is known of an image; of one that cannot be read, the reason only.

    Attributes:
        reason: end of a sentence that begins with the name, or empty.
        content: hash of the file.
        pixels: hash of the decoded picture and of its size.
        height, width: as a person sees it, in pixels.
        mode, form: of Pillow, such as ``RGB`` and ``JPEG``.
        small: ``(32, 32, 3)``, uint8.
    """

    reason: str
    content: bytes = b""
    pixels: bytes = b""
    height: int = 0
    width: int = 0
    mode: str = ""
    form: str = ""
    small: np.ndarray | None = None


def scan(source: Source, workers: int | None = None) -> list[Look]:
    """Look at all images, with a bar of progress where a person watches.

    Args:
        source: the images.
        workers: number of processes; None for one a core, of few images one, in memory none. With
            0, an image that ends the process that decodes it ends this one.
    """
    if workers is None:
        # Even of few files, one may end the process that decodes it.
        workers = 0 if source.in_memory else 1 if len(source) < FEW else _cores()
    looks = ask_each(partial(_look_at, source), len(source), workers, Look(LETHAL))
    return list(bars.bar("Checking", looks, total=len(source), delay=0, leave=True))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _look_at(source: Source, index: int) -> Look:
    try:
        return look(source.encoded(index))
    except FileNotFoundError:
        return Look("does not exist")
    except OSError as error:
        return Look(f"may not be read ({error.strerror})")
    except ImageError as error:
        return Look(error.reason)


def look(encoded: bytes | np.ndarray) -> Look:
    """Look at the content of a file, or at an array ``(H, W, 1 or 3)``.

    Raises:
        ImageError: it cannot be read, or the end of a JPEG file is missing.
    """
    if isinstance(encoded, np.ndarray):
        return _of_array(encoded)
    try:
        picture = open_image(encoded, "")
        width, height, mode, form = *picture.size, picture.mode, picture.format or ""
        picture.draft(None, (DRAFT, DRAFT))
    # read_image says better what is wrong with it.
    except Exception:
        read_image(encoded)
        raise
    image = read_image(picture)
    # Zeros up to the right size, as a full disk and a broken download leave them, decode as grey.
    if form == "JPEG" and encoded.rfind(END) < encoded.rfind(START):
        raise ImageError("", "has no end: its lower part is missing")
    if (width > height) != (image.shape[1] > image.shape[0]) and width != height:
        width, height = height, width
    return Look(
        "", _hash(encoded), _hash(image.tobytes(), width), height, width, mode, form, _small(image)
    )


def _of_array(image: np.ndarray) -> Look:
    pixels = np.ascontiguousarray(image)
    digest = _hash(pixels.tobytes(), pixels.shape[1])
    mode = "L" if pixels.shape[2] == 1 or (pixels == pixels[..., :1]).all() else "RGB"
    height, width = pixels.shape[:2]
    return Look("", digest, digest, height, width, mode, "array", _small(read_image(pixels)))


def _hash(content: bytes, size: int = 0) -> bytes:
    return hashlib.blake2b(content, digest_size=16, salt=size.to_bytes(8, "big")).digest()


def _small(image: np.ndarray) -> np.ndarray:
    # A box has no overshoot, and enlarging with it would make squares.
    shrinks = min(image.shape[:2]) >= SMALL
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize((SMALL, SMALL), method))

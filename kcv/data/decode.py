"""JPEG files by simplejpeg: the pixels of Pillow in half of its time.

simplejpeg and Pillow ask the same library (libjpeg-turbo) for the same arithmetic; Pillow then
moves the pixels through a format of its own. Whatever is unusual about a file (CMYK, a turned
photo, damage of any kind) is left to Pillow, whose answer is the one that counts.
"""

import functools
from types import ModuleType
from typing import NamedTuple

import numpy as np

SIGNATURE, END = b"\xff\xd8\xff", b"\xff\xd9"
REDUCTIONS = (8, 4, 2)
# Rows below the last one that is wanted: colours are interpolated between neighbouring rows.
MARGIN = 2
_SCAN, _EXIF_OR_XMP = 0xDA, 0xE1
# Frames whose only scan runs from top to bottom: baseline, and extended with 8 bits.
_SEQUENTIAL = (0xC0, 0xC1)
_COLOURS = ("YCbCr", "Gray", "RGB")


class Header(NamedTuple):
    """What the header of a JPEG file says.

    Attributes:
        height, width: of the image, in pixels.
        height_at: place of the two bytes with the height, where the file is written in one scan
            from top to bottom and has its end; 0 elsewhere.
    """

    height: int
    width: int
    height_at: int = 0


@functools.cache
def decoder() -> ModuleType | None:
    """Return simplejpeg, or None where it is not installed (the extra ``fast``)."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def header_of(data: bytes) -> Header | None:
    """Return the header of a JPEG file that ``decode`` can be given, or None.

    A file with EXIF or XMP data is refused: it may say that the image has to be turned.
    """
    simplejpeg = decoder()
    if simplejpeg is None or not data.startswith(SIGNATURE):
        return None
    height_at = _find_height(data)
    if height_at is None:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    # What it calls an error may be a matter of taste: Pillow decides.
    except Exception:
        return None
    return Header(height, width, height_at) if colours in _COLOURS and height and width else None


def decode(
    data: bytes,
    header: Header,
    reduction: int = 1,
    rows: int | None = None,
    coarse: bool = False,
) -> np.ndarray | None:
    """Return the pixels of a JPEG file, or None where anything is wrong with it.

    Args:
        data: the file.
        header: what ``header_of`` gave for it.
        reduction: 1, or one of ``REDUCTIONS``, by which both edges are divided (rounded up) before
            the cosine transform: a mean of pixels at a fraction of the work.
        rows: the upper rows of the full image that are wanted; those below may be missing.
        coarse: that speed counts more than the last levels: colours are repeated instead of
            interpolated, and the cosine transform is rounded more often.

    Returns:
        Array ``(H, W, 3)``, uint8, RGB.
    """
    simplejpeg = decoder()
    if simplejpeg is None:
        return None
    height, width, height_at = header
    kept = height if rows is None else min(height, rows + MARGIN * reduction)
    shorter = height_at > 0 and kept < height
    options: dict[str, bool | int] = {"fastdct": coarse, "fastupsample": coarse}
    if shorter:
        # The decoder stops where the header tells it that the image ends, and complains of what
        # follows. That the file is not cut off was seen by its last bytes.
        data = b"".join((data[:height_at], kept.to_bytes(2, "big"), data[height_at + 2 :]))
        height, options["strict"] = kept, False
    if reduction > 1:
        options["min_height"], options["min_width"] = (
            -(-height // reduction),
            -(-width // reduction),
        )
    try:
        return simplejpeg.decode_jpeg(data, "RGB", **options)
    # Truncated, damaged, or odd: not even a warning of the decoder is ignored.
    except Exception:
        return None


def _find_height(data: bytes) -> int | None:
    """Return ``Header.height_at``; None where the image may be turned or segments are odd."""
    at, found, parts = 2, 0, 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == _SCAN:
            # A scan with a part of the colours is followed by others.
            whole = data[at + 4] == parts and data.endswith(END)
            return found if whole else 0
        if kind == _EXIF_OR_XMP:
            return None
        if kind in _SEQUENTIAL and at + 9 < len(data):
            found, parts = at + 5, data[at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None

"""JPEG files by simplejpeg: the pixels of Pillow in half of its time.

simplejpeg and Pillow ask the same library (libjpeg-turbo) for the same arithmetic; Pillow then
moves the pixels through a format of its own. Whatever is unusual about a file (CMYK, a turned
photo, damage of any kind) is left to Pillow, whose answer is the one that counts.
"""

import functools
from types import ModuleType

import numpy as np

SIGNATURE = b"\xff\xd8\xff"
REDUCTIONS = (8, 4, 2)
_SCAN, _EXIF_OR_XMP = 0xDA, 0xE1
_COLOURS = ("YCbCr", "Gray", "RGB")


@functools.cache
def decoder() -> ModuleType | None:
    """Return simplejpeg, or None where it is not installed (the extra ``fast``)."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return ``(height, width)`` of a JPEG file that ``decode`` can be given, or None.

    Only the header is read. A file with EXIF or XMP data is refused: it may say that the image
    has to be turned.
    """
    simplejpeg = decoder()
    if simplejpeg is None or not data.startswith(SIGNATURE) or _may_be_turned(data):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    # What it calls an error may be a matter of taste: Pillow decides.
    except Exception:
        return None
    return (height, width) if colours in _COLOURS and height and width else None


def decode(data: bytes, reduction: int = 1) -> np.ndarray | None:
    """Return the pixels of a JPEG file, or None where anything is wrong with it.

    Args:
        data: a file for which ``size_of`` gave a size.
        reduction: 1, or one of ``REDUCTIONS``, by which both edges are divided (rounded up) before
            the cosine transform: a mean of pixels at a fraction of the work.

    Returns:
        Array ``(H, W, 3)``, uint8, RGB.
    """
    simplejpeg = decoder()
    if simplejpeg is None:
        return None
    least = {}
    if reduction > 1:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        least = {"min_height": -(-height // reduction), "min_width": -(-width // reduction)}
    try:
        return simplejpeg.decode_jpeg(data, "RGB", **least)
    # Truncated, damaged, or odd: not even a warning of the decoder is ignored.
    except Exception:
        return None


def _may_be_turned(data: bytes) -> bool:
    """Return whether a segment before the pixels is EXIF or XMP; True where segments are odd."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == _SCAN:
            return False
        if kind == _EXIF_OR_XMP:
            return True
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True

"""Reading and resizing of single images.

A network must be given what a person sees: upright, transparent parts on white paper, CMYK as
colours, 16 bits as shades of grey. Pillow decodes; this module decides what the pixels mean.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from kcv.data import decode

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# Pillow's own limit (256 MiB of RGB), at which it only warns.
MAX_PIXELS = 89_478_485
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MODES = ("crop", "crop_floor", "crop_first", "squash", "squash_crop", "squash_crop_floor")
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = tuple(_UPRIGHT[orientation] for orientation in (5, 6, 7, 8))

# A larger file is no usual photograph, and may be larger than the memory.
_LARGEST_FILE = 256 * 2**20

ImageLike = str | os.PathLike | bytes | np.ndarray | Image.Image


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


class ImageError(ValueError):
    """An image that cannot be read.

    Args:
        name: the file, or a description of what was given.
        reason: the end of a sentence that begins with the name: ``"is empty"``.
    """

    def __init__(self, name: str, reason: str):
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name} {self.reason}."


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
    return _to_array(picture.resize((size[1], size[0]), INTERPOLATIONS[interpolation]))


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


def _to_array(picture: Image.Image) -> np.ndarray:
    array = np.array(picture)
    return array[:, :, None] if array.ndim == 2 else array


def _read(image: ImageLike, channels: int) -> np.ndarray:
    name = _describe(image)
    if isinstance(image, str | os.PathLike):
        # Read at once, and once, whoever decodes it.
        image = _content(image) or image
    if isinstance(image, bytes):
        pixels = _fast(image, channels)
        if pixels is not None:
            return pixels
    try:
        # Pillow warns of damage that does not matter (in EXIF data), once for each of many files.
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if isinstance(image, np.ndarray):
                image = _from_array(image, name)
            if isinstance(image, Image.Image):
                return _to_array(_as_seen(image, channels, name))
            with _open(image, name) as picture:
                _reduce(picture)
                return _to_array(_as_seen(picture, channels, name))
    except ImageError:
        raise
    # Hostile files make the decoders raise nearly anything: struct.error, KeyError, MemoryError.
    except Exception as error:
        raise ImageError(name, f"is truncated or damaged ({_one_line(error)})") from error


def _content(path: str | os.PathLike) -> bytes | None:
    """Return the content of a file; None where it cannot be had, or is too much."""
    try:
        with open(path, "rb", buffering=0) as file:
            few = os.fstat(file.fileno()).st_size <= _LARGEST_FILE
            return file.read() if few else None
    # Missing, forbidden or a folder: said in words by _open.
    except (OSError, MemoryError):
        return None


def _fast(content: bytes, channels: int) -> np.ndarray | None:
    """Decode a usual JPEG; None where Pillow has to look at it."""
    header = decode.header_of(content)
    if header is None or header.height * header.width > MAX_PIXELS:
        return None
    choose = _CHOOSER.get()
    wanted = Wanted() if choose is None else choose(header.height, header.width)
    pixels = decode.decode(content, header, *wanted)
    if pixels is None or channels == 3:
        return pixels
    return _to_array(Image.fromarray(pixels).convert("L"))


def _reduce(picture: Image.Image) -> None:
    """Set a JPEG file that is not decoded yet to the fraction that was chosen."""
    choose = _CHOOSER.get()
    if choose is None or picture.format not in ("JPEG", "MPO"):
        return
    width, height = picture.size
    lying = _turn(picture) in _LYING
    fraction = choose(*((width, height) if lying else (height, width))).reduction
    picture.draft(None, (max(1, width // fraction), max(1, height // fraction)))


def _describe(image: ImageLike) -> str:
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    if isinstance(image, bytes):
        return f"The image of {len(image)} bytes"
    if isinstance(image, np.ndarray):
        return f"The array of shape {image.shape} and dtype {image.dtype}"
    if isinstance(image, Image.Image):
        return f"The Pillow image of mode {image.mode}"
    raise ImageError(f"An object of type {type(image).__name__}", "is not a path, bytes or image")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _open(image: str | os.PathLike | bytes, name: str) -> Image.Image:
    """Open an image; only its header is read here."""
    try:
        length = len(image) if isinstance(image, bytes) else os.stat(image).st_size
        if length == 0:
            raise ImageError(name, "is empty")
        file = BytesIO(image) if isinstance(image, bytes) else image
        picture = Image.open(file, formats=FORMATS)
    except FileNotFoundError as error:
        raise ImageError(name, "does not exist") from error
    except IsADirectoryError as error:
        raise ImageError(name, "is a folder, not an image file") from error
    except PermissionError as error:
        raise ImageError(name, "may not be read (permission denied)") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        reason = f"is not an image that kcv can read ({known}), or its header is damaged"
        raise ImageError(name, reason) from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels")
    return picture


def _as_seen(picture: Image.Image, channels: int, name: str) -> Image.Image:
    picture.load()
    # Only after load(): Pillow turns TIFF files itself then, and takes the tag away.
    turn = _turn(picture)
    if picture.mode.startswith("I"):
        picture = _from_deep_grey(picture, name)
    elif picture.mode == "F":
        raise ImageError(name, "has floating-point pixels, whose range is not known")
    elif picture.has_transparency_data:
        picture = _on_white(picture)
    if picture.mode not in ("1", "L"):
        picture = picture.convert("RGB")
    picture = picture.convert("RGB" if channels == 3 else "L")
    return picture if turn is None else picture.transpose(turn)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """Return what makes the image upright."""
    try:
        return _UPRIGHT.get(picture.getexif().get(_EXIF_ORIENTATION, 1))
    # Damaged EXIF data does not make the pixels unreadable.
    except Exception:
        return None


def _from_deep_grey(picture: Image.Image, name: str) -> Image.Image:
    """Return 16-bit grey as 8-bit grey; Pillow's own conversion clips at 255."""
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(name, "has 32-bit pixels, whose range is not known")
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _on_white(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture)


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 4):
        raise ImageError(name, "is not (H, W) or (H, W, C) with 1 to 4 channels")
    if array.dtype == np.uint16:
        array = ((array.astype(np.int64) + 128) // 257).astype(np.uint8)
    elif array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif array.dtype != np.uint8:
        raise ImageError(name, "is not uint8 with grey levels 0..255 (nor uint16, nor bool)")
    return Image.fromarray(np.ascontiguousarray(array))

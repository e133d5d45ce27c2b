"""What may be an image, and what its pixels mean.

A network must be given what a person sees: upright, transparent parts on white paper, CMYK as
colours, 16 bits as shades of grey. Pillow decodes; this module decides what the pixels mean.
"""

import os
import threading
import warnings
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError, features

# Pillow may have been built without the last two.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"),
    *(("AVIF",) if features.check("avif") else ()),
    *(("JPEG2000",) if features.check("jpg_2000") else ()),
)
# Pillow's own limit (256 MiB of RGB), at which it only warns.
MAX_PIXELS = 89_478_485
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

ImageLike = str | os.PathLike | bytes | np.ndarray | Image.Image


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


def describe(image: ImageLike) -> str:
    """Return what an error calls an image: its path, or what kind of object it is."""
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    if isinstance(image, bytes):
        return f"The image of {len(image)} bytes"
    if isinstance(image, np.ndarray):
        return f"The array of shape {image.shape} and dtype {image.dtype}"
    if isinstance(image, Image.Image):
        return f"The Pillow image of mode {image.mode}"
    raise ImageError(f"An object of type {type(image).__name__}", "is not a path, bytes or image")


class _Quiet:
    """While somebody is in it, Pillow's warnings are not shown; for many threads at once.

    `warnings.catch_warnings` puts back what it found: of two threads that overlap, the second would
    leave what the first had set.
    """

    def __init__(self):
        self.begin()

    def begin(self) -> None:
        """Start with nobody in it."""
        self.inside, self.lock, self.caught = 0, threading.Lock(), warnings.catch_warnings()

    def __enter__(self):
        with self.lock:
            if not self.inside:
                self.caught = warnings.catch_warnings()
                self.caught.__enter__()
                # of damage that does not matter, once for each of many files, and of large sizes
                warnings.filterwarnings("ignore", module=r"PIL\b")
            self.inside += 1

    def __exit__(self, *error):
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.caught.__exit__(*error)


quiet = _Quiet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=quiet.begin)  # somebody may be in it just then


def open_image(image: str | os.PathLike | bytes, name: str) -> Image.Image:
    """Open an image; only its header is read here."""
    try:
        length = len(image) if isinstance(image, bytes) else os.stat(image).st_size
        if length == 0:
            raise ImageError(name, "is empty")
        file = BytesIO(image) if isinstance(image, bytes) else image
        with quiet:
            picture = Image.open(file, formats=FORMATS)
    except FileNotFoundError as error:
        raise ImageError(name, "does not exist") from error
    except IsADirectoryError as error:
        raise ImageError(name, "is a folder, not an image file") from error
    except PermissionError as error:
        raise ImageError(name, "may not be read (permission denied)") from error
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        reason = f"is not an image that kcv can read ({known}), or its header is damaged"
        raise ImageError(name, reason) from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels")
    return picture


def as_seen(picture: Image.Image, channels: int, name: str) -> Image.Image:
    """Return a decoded image upright, on white, as RGB (3 channels) or grey (1)."""
    picture.load()
    # Only after load(): Pillow turns TIFF files itself then, and takes the tag away.
    turn = upright(picture)
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


def upright(picture: Image.Image) -> Image.Transpose | None:
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


def from_array(array: np.ndarray, name: str) -> Image.Image:
    """Return an array ``(H, W)`` or ``(H, W, 1 to 4)`` as an image of 8 bits a channel."""
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


def to_array(picture: Image.Image) -> np.ndarray:
    """Return an image as an array ``(H, W, C)``."""
    array = np.array(picture)
    return array[:, :, None] if array.ndim == 2 else array

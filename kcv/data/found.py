"""What the reader of a kind of data gives to ``load`` and to ``check``."""

from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from kcv.data.images import FORMATS
from kcv.data.sources import Source

# Photographs are shrunk to 224 pixels by default; images of at most 64 keep their size.
PHOTO_SIZE, SMALL_SIZE = 224, 64


class Found(NamedTuple):
    """A data set before it is split.

    Attributes:
        class_names: names of the classes, in the order of the class numbers.
        parts: the parts train, val and test as far as there are any, or one part ``all``.
        image_size: ``(height, width)`` of the images in batches, unless another one is asked for.
        channels: 1 or 3, unless asked otherwise.
        photos: that images are photographs of all sizes, whose margins evaluation cuts off.
        faults: sentences that say why nothing should be trained on this.
        passed_over: extension -> number of files that may be images and are not read.
        spec: what it was found by, or ``arrays``.
    """

    class_names: list[str]
    parts: dict[str, Source]
    image_size: tuple[int, int] = (PHOTO_SIZE, PHOTO_SIZE)
    channels: int = 3
    photos: bool = True
    faults: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = {}
    spec: str = "arrays"


def native_size(encoded: bytes) -> tuple[tuple[int, int], int, bool]:
    """Return image size, channels and ``photos`` of a data set by the header of its first image.

    Data sets such as MNIST and CIFAR-10 hold images of one small size, which is the best size for
    them; of everything else the size says nothing.
    """
    try:
        with Image.open(BytesIO(encoded), formats=FORMATS) as picture:
            size, mode = picture.size, picture.mode
    # A broken first image is met again, by name, where images are read.
    except Exception:
        return (PHOTO_SIZE, PHOTO_SIZE), 3, True
    if max(size) > SMALL_SIZE:
        return (PHOTO_SIZE, PHOTO_SIZE), 3, True
    return (size[1], size[0]), 1 if mode in ("1", "L") else 3, False

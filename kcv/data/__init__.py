"""Data: from a name to batches that ``model.fit`` takes."""

from kcv.data import augment
from kcv.data.batches import Batches
from kcv.data.dataset import Data
from kcv.data.images import ImageError
from kcv.data.inspection import Findings, check
from kcv.data.reading import read_image
from kcv.data.resizing import resize_image
from kcv.data.showing import show
from kcv.data.specs import load

__all__ = [
    "Batches",
    "Data",
    "Findings",
    "ImageError",
    "augment",
    "check",
    "load",
    "read_image",
    "resize_image",
    "show",
]

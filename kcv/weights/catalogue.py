"""Published checkpoints of kcv's networks: names, places, hashes, preprocessing, figures.

`catalogue.csv` holds facts of timm 1.0.31, torchvision 0.28.0, mmpretrain 1.2.0 and
keras.applications (Keras 3.15.1), read from their own metadata. Columns: `source` (what `weights=`
takes), `model` (kcv's name), `place` (address; empty for the Hugging Face hub), `hash` (where the
file name does not hold it), `size` (pixels), `mean` and `std` (of channels in 0..1), `crop_pct`,
`crop_mode`, `classes`, `license` and `top1` (ImageNet, percent; empty where the source does not
say; timm's from its own table of results, at `size`), `mib` (of the file; torchvision's own figure,
else 4 bytes a number).
"""

import csv
import difflib
import fnmatch
import functools
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

from kcv.weights.preprocessing import Preprocessing


class Row(NamedTuple):
    """A published checkpoint; see the module for the fields."""

    source: str
    model: str
    place: str
    hash: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_pct: float
    crop_mode: str
    classes: int
    license: str
    top1: float | None
    mib: int | None

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are prepared for it; ImageNet's class names where it has those classes."""
        names = imagenet() if self.classes == 1000 else ()
        return Preprocessing(
            self.mean,
            self.std,
            self.size,
            self.interpolation,
            self.crop_pct,
            self.crop_mode,
            names,
        )


@functools.cache
def rows() -> dict[str, Row]:
    """Return {source: row} of all checkpoints."""
    text = resources.files("kcv.weights").joinpath("catalogue.csv").read_text(encoding="utf-8")
    return {cells["source"]: _row(cells) for cells in csv.DictReader(text.splitlines())}


def _row(cells: dict[str, str]) -> Row:
    kinds: dict[str, Callable[[str], Any]] = {
        "size": int,
        "classes": int,
        "crop_pct": float,
        "mean": _numbers,
        "std": _numbers,
        "top1": lambda text: float(text) if text else None,
        "mib": lambda text: int(text) if text else None,
    }
    return Row(**{name: kinds.get(name, str)(text) for name, text in cells.items()})


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split())


@functools.cache
def imagenet() -> tuple[str, ...]:
    """Return the names of the 1000 classes of ImageNet, in the order of all checkpoints here."""
    text = resources.files("kcv.weights").joinpath("imagenet.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def matching(pattern: str = "*") -> list[Row]:
    """Return the rows whose source or model name matches a shell pattern."""
    return [
        row
        for row in rows().values()
        if fnmatch.fnmatchcase(row.source, pattern) or fnmatch.fnmatchcase(row.model, pattern)
    ]


def near(source: str, count: int = 3) -> list[str]:
    """Return known sources that a misspelt one may mean."""
    return difflib.get_close_matches(source, rows(), n=count, cutoff=0.6)


def model_of(architecture: str) -> str | None:
    """Return kcv's name of an architecture of timm, None if no checkpoint here has it."""
    prefix = f"timm/{architecture}."
    return next((row.model for row in rows().values() if row.source.startswith(prefix)), None)

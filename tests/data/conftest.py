"""Folders of real image files."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kcv.data.sources import FileSource

COLOURS = {"rose": (200, 0, 0), "iris": (0, 0, 200), "grass 草": (0, 200, 0)}


def write_classes(folder: Path, count: int, size: tuple[int, int] = (20, 30)) -> Path:
    """Write a PNG folder per colour; the image ``i`` has the blue-green level of its number."""
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((*size, 3), colour, np.uint8)
            pixels[: size[0] // 2] = number
            Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
    return folder


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A folder of 3 classes of 10 images, 30 wide and 20 high, without parts."""
    return write_classes(tmp_path / "my flowers", 10)


@pytest.fixture
def classes() -> Callable[..., Path]:
    """The function that writes such folders."""
    return write_classes


class Deadly(FileSource):
    """Files that end the process that decodes them, always or the first time only."""

    def __init__(self, root, files, lethal=(), once=(), labels=None):
        labels = np.zeros(len(files)) if labels is None else labels
        super().__init__(str(root), files, labels, 3)
        self.lethal, self.once = lethal, once

    def _decode(self, index):
        mark = os.path.join(self.root, f"{index}.met")
        first = index in self.once and not os.path.exists(mark)
        if first:
            open(mark, "w").close()
        if first or index in self.lethal:
            os.kill(os.getpid(), signal.SIGKILL)

    def problem(self, index):
        self._decode(index)
        return super().problem(index)

    def encoded(self, index):
        self._decode(index)
        return super().encoded(index)


@pytest.fixture
def deadly(flowers: Path) -> Callable[..., Deadly]:
    """Makes a source of 100 files, of which the last one is missing."""

    def make(**deaths):
        paths = [f"rose/{at % 10:03}.png" for at in range(99)] + ["gone.png"]
        return Deadly(flowers, paths, **deaths)

    return make

"""Folders of real image files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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

"""Bars of progress on a terminal; in a file, a pipe or a notebook there are none."""

import os
import sys
from collections.abc import Iterable
from typing import Any

import keras
from tqdm import tqdm

DELAY = 1.0  # seconds for which nobody needs to be told anything
EVERY = 0.1  # seconds from one state to the next


def bar(title: str, items: Iterable | None = None, **options: Any) -> tqdm:
    """Return a bar on standard error, which goes away when it is full.

    Args:
        title: what is being done.
        items: gives them one after the other; without them `update(n)` counts.
        options: of tqdm, such as `total` and `unit`; images are counted by default.
    """
    defaults = {"unit": " images", "leave": False, "disable": None}
    defaults |= {"delay": DELAY, "mininterval": EVERY}
    return fitted(sys.stderr, iterable=items, desc=title, **{**defaults, **options})


def fitted(file, **options: Any) -> tqdm:
    """Return a bar of tqdm that is as wide as its terminal whenever it is drawn.

    Some terminals report 0 (`docker exec -t`, some CI), which for tqdm leaves no room for a bar.
    """
    columns, rows = _size(file)
    made = tqdm(file=file, ncols=columns, nrows=rows, **options)
    made.dynamic_ncols = _size  # `True` would be tqdm's own
    return made


def _size(file) -> tuple[int | None, int | None]:
    """Return columns and rows to draw in, one less than there are; None where nobody knows."""
    try:
        columns, rows = os.get_terminal_size(file.fileno())
    except (OSError, ValueError, AttributeError):
        return None, None
    return (columns or 80) - 1, (rows or 24) - 1


class Watched(keras.callbacks.Callback):
    """Shows how far `predict` has come.

    Args:
        title: what is being done.
        images: how many there are.
        batch_size: images in a batch.
    """

    def __init__(self, title: str, images: int, batch_size: int):
        super().__init__()
        self.title, self.images, self.batch_size = title, images, batch_size

    def on_predict_begin(self, logs=None):
        self.bar = bar(self.title, total=self.images)

    def on_predict_batch_end(self, batch, logs=None):
        self.bar.update(min(self.batch_size, self.images - self.bar.n))

    def on_predict_end(self, logs=None):
        self.bar.close()

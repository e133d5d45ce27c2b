"""Bars of progress on a terminal; in a file, a pipe or a notebook there are none."""

import os
import sys
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm

DELAY = 1.0  # seconds for which nobody needs to be told anything


class _Bar(tqdm):
    """tqdm's, quiet until its delay is over, and without what tqdm shares with other processes.

    tqdm draws a bar at once where something is logged, and then does not wipe it; its monitor is a
    thread in processes that kcv forks, its lock decides how `multiprocessing` starts them.
    """

    monitor_interval = 0

    def refresh(self, *args, **kwargs):
        if self.disable:
            return
        if self.delay <= 0 or self._time() >= self.start_t + self.delay:
            super().refresh(*args, **kwargs)


_Bar.set_lock(threading.RLock())


def bar(title: str, items: Iterable | None = None, **options: Any) -> tqdm:
    """Return a bar on standard error, which goes away when it is full.

    Args:
        title: what is being done.
        items: gives them one after the other; without them `update(n)` counts.
        options: of tqdm, such as `total` and `unit`; images are counted by default.
    """
    options = {"unit": " images", "leave": False, "delay": DELAY, **options}
    hidden = not is_terminal(sys.stderr)
    return fitted(sys.stderr, iterable=items, desc=title, disable=hidden, **options)


def fitted(file, **options: Any) -> tqdm:
    """Return a bar of tqdm that is as wide as its terminal whenever it is drawn.

    Some terminals report 0 (`docker exec -t`, some CI), which for tqdm leaves no room for a bar.
    """
    columns, rows = _size(file)
    made = _Bar(file=file, ncols=columns, nrows=rows, **options)
    made.dynamic_ncols = _size  # `True` would be tqdm's own
    return made


def above(file) -> AbstractContextManager:
    """Return a context in which lines can be written to a file, above the bars on it."""
    return _Bar.external_write_mode(file)


def is_terminal(file) -> bool:
    """Return whether a person may watch: not in a closed file, and not where there is none."""
    try:
        return file.isatty()
    except (AttributeError, ValueError):
        return False


def _size(file) -> tuple[int | None, int | None]:
    """Return columns and rows to draw in, one less than there are; None where nobody knows."""
    try:
        columns, rows = os.get_terminal_size(file.fileno())
    except (OSError, ValueError, AttributeError):
        return None, None
    return (columns or 80) - 1, (rows or 24) - 1

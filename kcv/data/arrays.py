"""NumPy arrays given as data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kcv.data.sources import count_classes


class Arrays(NamedTuple):
    """Images ``(N, H, W)`` or ``(N, H, W, 1 or 3)``, uint8, and their labels.

    Class numbers ``(N,)``, or several classes ``(N, K)`` of 0 and 1.
    """

    images: np.ndarray
    labels: np.ndarray


def read(arrays: Sequence[np.ndarray]) -> tuple[list[str], dict[str, Arrays]]:
    """Check arrays ``(x, y)`` or ``(x_train, y_train, x_test, y_test)``.

    Returns:
        Class names ``"0"``, ``"1"`` ..., and the parts train and test, or the one part ``all``.

    Raises:
        ValueError: another number of arrays, a wrong shape or dtype, labels that do not fit.
    """
    if len(arrays) not in (2, 4):
        raise ValueError(
            "The data needs arrays (x, y) or (x_train, y_train, x_test, y_test). "
            f"Received: {len(arrays)} arrays"
        )
    pairs = [_checked(*arrays[at : at + 2]) for at in range(0, len(arrays), 2)]
    shapes = {pair.images.shape[1:] for pair in pairs}
    if len(shapes) > 1:
        raise ValueError(f"x_train and x_test need images of one shape. Received: {shapes}")
    if len({pair.labels.shape[1:] for pair in pairs}) > 1:
        raise ValueError(
            "y_train and y_test need the same classes. Received: "
            f"shapes {', '.join(str(pair.labels.shape) for pair in pairs)}"
        )
    classes = max(_classes(pair.labels) for pair in pairs)
    counts = count_classes(pairs[0].labels, classes)
    absent = np.flatnonzero(counts == 0).tolist()
    if classes < 2 or absent:
        raise ValueError(
            "y needs at least two classes 0, 1, 2 ..., and training images of each. "
            f"Received: {classes} classes, none of class {absent[:5] or '-'}"
        )
    names = ("all",) if len(pairs) == 1 else ("train", "test")
    return [str(label) for label in range(classes)], dict(zip(names, pairs, strict=True))


def _classes(labels: np.ndarray) -> int:
    return labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1


def _checked(x: np.ndarray, y: np.ndarray) -> Arrays:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise ValueError(
            "x needs to be (N, H, W) or (N, H, W, 1 or 3), uint8, with grey levels 0..255. "
            f"Received: shape {x.shape}, dtype {x.dtype}"
        )
    # Keras gives some labels as (N, 1).
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim == 2 and len(y) == len(x) > 0 and np.isin(y, (0, 1)).all():
        # One class in every row is what to_categorical makes, and most likely not meant.
        if (y.sum(1) != 1).any():
            return Arrays(x, y.astype(np.float32))
        advice = " Of one-hot labels, give y.argmax(1)."
    else:
        advice = ""
    whole = y.shape == x.shape[:1] and y.size > 0 and np.issubdtype(y.dtype, np.integer)
    if not whole or y.min() < 0:
        raise ValueError(
            "y needs a class number 0, 1, 2 ... (or, where images have several classes, a row of 0 "
            f"and 1) for each of the {len(x)} images. "
            f"Received: shape {y.shape}, dtype {y.dtype}{f', min {y.min()}' if whole else ''}."
            f"{advice}"
        )
    return Arrays(x, y)

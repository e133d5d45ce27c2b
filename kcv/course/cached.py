"""MNIST as Keras keeps it on this machine; the notebooks never download it unasked."""

import os
import zipfile
from pathlib import Path

import keras
import numpy as np

PARTS = ("x_train", "y_train", "x_test", "y_test")


def mnist(*, download: bool = False) -> tuple[np.ndarray, ...] | None:
    """Return images `(N, 28, 28)` and labels `(N,)` for training, then for the test.

    The file is the one that `keras.datasets.mnist.load_data()` leaves in the folder `KERAS_HOME`,
    by default `~/.keras`: LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf,
    60,000 and 10,000 handwritten digits.

    Args:
        download: whether Keras may fetch it (11 MB, once) where it is not.

    Returns:
        The four arrays that `kcv.data.load` takes, or None where the file is not here.

    Raises:
        ValueError: if the file is not what Keras wrote.
    """
    if download:
        (images, labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
        return images, labels, test_images, test_labels
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "datasets" / "mnist.npz"
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return tuple(arrays[name] for name in PARTS)
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"MNIST needs the file that Keras writes, with {', '.join(PARTS)}. Received: {path}. "
            "Remove it, then run keras.datasets.mnist.load_data() once."
        ) from error

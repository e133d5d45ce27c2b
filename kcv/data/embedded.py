"""Data sets that need no download: fashion_mini (inside kcv) and digits (inside scikit-learn)."""

from functools import cache
from importlib import resources

import numpy as np

from kcv.data.arrays import Arrays

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FASHION_TRAIN, FASHION_TEST, FASHION_SIZE = 10_000, 2_000, 28
DIGITS_TEST = 500 / 1797


@cache
def fashion_mini() -> dict[str, Arrays]:
    """Return the parts train (10,000) and test (2,000) of the embedded share of Fashion-MNIST.

    Xiao et al. 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", https://arxiv.org/abs/1708.07747; licence in ``fashion_mini.LICENSE.txt``.
    Ten classes in equal numbers, images 28x28 grey.
    """
    packed = resources.files("kcv.data").joinpath("fashion_mini.bin").read_bytes()
    images, labels = unpack(np.frombuffer(packed, np.uint8))
    return {
        "train": Arrays(images[:FASHION_TRAIN], labels[:FASHION_TRAIN]),
        "test": Arrays(images[FASHION_TRAIN:], labels[FASHION_TRAIN:]),
    }


def unpack(packed: np.ndarray) -> Arrays:
    """Read the format of ``fashion_mini.bin``; ``scripts/make_fashion_mini.py`` writes it.

    Training images first, then test images: a byte of class number for each image; a bit for each
    pixel, most significant first, 1 where the pixel is not 0; the pixels that are not 0. Half of
    the pixels are 0, so this halves the size without any compressor, whose output would depend on
    its version, and opens in 30 ms.
    """
    count, pixels = FASHION_TRAIN + FASHION_TEST, FASHION_SIZE * FASHION_SIZE
    labels, mask, values = np.split(packed, [count, count + count * pixels // 8])
    images = np.zeros(count * pixels, np.uint8)
    images[np.unpackbits(mask).view(bool)] = values
    return Arrays(images.reshape(count, FASHION_SIZE, FASHION_SIZE), labels)


@cache
def digits() -> Arrays:
    """Return the 1,797 handwritten digits of scikit-learn, 8x8 grey, 0..16 stretched to 0..255.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "The data 'digits' needs scikit-learn, which is not installed. "
            'Run: pip install "kcv[course]"'
        ) from error
    bunch = load_digits()
    # +8: round half up. 255/16 is not whole, and 16 must become 255.
    images = (bunch.images.astype(np.int64) * 255 + 8) // 16
    return Arrays(images.astype(np.uint8), bunch.target.astype(np.uint8))

"""Write ``kcv/data/fashion_mini.bin``, bit for bit, from Debian's package dataset-fashion-mnist.

    sudo apt-get install dataset-fashion-mnist
    python scripts/make_fashion_mini.py

Of each class, 1,000 training and 200 test images are taken: those with the smallest numbers in a
Philox stream whose key is (2017, 0) for the training part and (2017, 1) for the test part. They
keep the order of the original. The format is described at ``kcv.data.embedded.unpack``.
"""

import argparse
import gzip
import hashlib
import logging
from pathlib import Path

import numpy as np

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
TARGET = Path(__file__).parents[1] / "kcv" / "data" / "fashion_mini.bin"
SEED = 2017
PARTS = (("train", 1000), ("t10k", 200))


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images ``(N, 784)`` and labels ``(N,)`` of one part of Fashion-MNIST."""
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16)
    return pixels.reshape(-1, 784), np.frombuffer(labels, np.uint8, offset=8)


def select(labels: np.ndarray, per_class: int, stream: int) -> np.ndarray:
    """Return the sorted numbers of the images taken."""
    scores = np.random.Philox(key=np.array([SEED, stream], np.uint64)).random_raw(len(labels))
    ranked = np.argsort(scores, kind="stable")
    taken = [ranked[labels[ranked] == label][:per_class] for label in range(10)]
    return np.sort(np.concatenate(taken))


def pack(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Return the bytes of the file."""
    pixels = images.reshape(-1)
    return labels.tobytes() + np.packbits(pixels > 0).tobytes() + pixels[pixels > 0].tobytes()


def make(folder: Path) -> bytes:
    """Return the bytes of ``fashion_mini.bin``."""
    chosen = []
    for stream, (part, per_class) in enumerate(PARTS):
        images, labels = read(folder, part)
        taken = select(labels, per_class, stream)
        chosen.append((images[taken], labels[taken]))
    images, labels = (np.concatenate(arrays) for arrays in zip(*chosen, strict=True))
    return pack(images, labels)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source", type=Path, default=DEBIAN, help="folder with the four .gz files"
    )
    parser.add_argument("--target", type=Path, default=TARGET, help="file to write")
    args = parser.parse_args()
    packed = make(args.source)
    args.target.write_bytes(packed)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    digest = hashlib.sha256(packed).hexdigest()
    logging.info("%s: %d bytes, sha256 %s", args.target, len(packed), digest)


if __name__ == "__main__":
    main()

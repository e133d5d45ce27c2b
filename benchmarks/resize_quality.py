"""Does the quality of the training resize change the accuracy? Antialiased against ``fast``.

    python -m benchmarks.resize_quality --out benchmarks/results/resize_quality.json

Two data sets, the same small network, the same seeds: Fashion-MNIST (the 12,000 images inside kcv)
cropped and shrunk from 28 to 16 pixels, where only antialiasing differs; and squares of 96 pixels
of thirteen photographs, which photo are they from, written as JPEG files and shrunk to 48, where
the decoding of ``fast`` differs as well. Training crops take one of the qualities, the test images
are always antialiased. Order of the images, crops and first weights of a seed are the same for
all qualities, so that the differences of a seed are the effect and the noise of training.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import torch
from PIL import Image

import kcv
from kcv.data.photos import PHOTOS, SAMPLES, TEXTURES

QUALITIES = ("bilinear", "fast")
SQUARE, IN_A_HALF = 96, 150
CASES = {"fashion_mini": (16, "crop(0.5,1,{})+flip", 6), "photos": (48, "crop(0.35,1,{})+flip", 12)}
Photos = dict[str, np.ndarray]


def photographs() -> Photos:
    """Return the photographs that scikit-learn and scikit-image bring along."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = dict(zip(SAMPLES, load_sample_images().images, strict=True))
    for name in (*PHOTOS, *TEXTURES):
        picture = getattr(data, name)()
        picture = picture[0] if isinstance(picture, tuple) else picture
        found[name] = np.stack([picture] * 3, -1) if picture.ndim == 2 else picture
    return found


def write_squares(folder: Path) -> None:
    """Write squares of the left half of each photo for training, of the right one for the test."""
    rng = np.random.default_rng(0)
    for name, photo in photographs().items():
        middle = photo.shape[1] // 2
        halves = {"train": photo[:, : middle - 16], "test": photo[:, middle + 16 :]}
        for part, half in halves.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(IN_A_HALF):
                top, left = (int(rng.integers(0, edge - SQUARE + 1)) for edge in half.shape[:2])
                square = np.ascontiguousarray(half[top : top + SQUARE, left : left + SQUARE])
                Image.fromarray(square).save(folder / part / name / f"{number}.jpg", quality=90)


def network(size: int, channels: int, num_classes: int) -> keras.Model:
    """Return a small network: six convolutions, 73,000 parameters."""
    x = image = keras.Input((size, size, channels), dtype="uint8")
    x = keras.layers.Rescaling(1 / 64, -2)(x)
    for width in (16, 32, 64):
        for stride in (1, 2):
            x = keras.layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return kcv.models.Model(image, keras.layers.Dense(num_classes)(x))


def accuracy(spec: str, quality: str, seed: int, size: int, text: str, epochs: int) -> float:
    """Return the test accuracy of one training."""
    keras.utils.set_random_seed(seed)
    data = kcv.data.load(
        spec,
        image_size=size,
        batch_size=64,
        seed=seed,
        augment=text.format(quality),
    )
    steps = epochs * len(data.train)
    model = network(size, data.channels, data.num_classes)
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, steps), 0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(data.train, epochs=epochs, verbose=0)
    return float(model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"])


def main() -> None:
    """Train, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--epochs", type=int, help="instead of 6 and 12")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures = {}
    with tempfile.TemporaryDirectory() as temporary:
        for case in args.cases:
            size, text, epochs = CASES[case]
            spec = case
            if case == "photos":
                write_squares(Path(temporary))
                spec = f"folder:{temporary}"
            plan = (size, text, args.epochs or epochs)
            figures[case] = _compare(case, spec, args.seeds, plan)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


def _compare(case: str, spec: str, seeds: int, plan: tuple) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {quality: [] for quality in QUALITIES}
    for seed in range(seeds):
        for quality in QUALITIES:
            found[quality].append(accuracy(spec, quality, seed, *plan))
            sys.stdout.write(f"{case} seed {seed} {quality}: {found[quality][-1]:.4f}\n")
            sys.stdout.flush()
    for quality, values in found.items():
        away = [one - base for one, base in zip(values, found["bilinear"], strict=True)]
        spread = statistics.stdev(away) if len(away) > 1 else float("nan")
        sys.stdout.write(
            f"{case:14} {quality:10} mean {statistics.mean(values):.4f}  away from bilinear "
            f"{statistics.mean(away):+.4f}, spread of the differences {spread:.4f}\n"
        )
    return found


if __name__ == "__main__":
    main()

"""Images a second and core of the input pipelines: kcv, timm, torchvision and albumentations.

    python -m benchmarks.pipeline --out benchmarks/pipeline.json

One process, one thread; the pipelines take turns, and each round gives a ratio to kcv. What is
counted is CPU time, from the JPEG file to a uint8 batch through the loader of each library (in the
process itself). Libraries that are not installed are left out. The last column is what 16 cores
would feed, one loader process on each: the median, 16 times. With ``--memory``, the memory of a
loader process of kcv over ten epochs is measured too.
"""

import argparse
import contextlib
import json
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from benchmarks import pipeline_rivals
from kcv.data import Batches, augment, decode, geometry, pixels, resampling
from kcv.data.sources import FileSource
from kcv.kernels import keep_memory

SIZE, BATCH, CORES = 224, 40, 16
AUGMENTS = {
    "crop and flip": "",
    "+ RandAugment": "+randaugment",
    "+ AutoAugment": "+autoaugment",
}
Epoch = Callable[[], None]


def write_photos(folder: Path, quality: int, copies: int) -> list[str]:
    """Write five photographs, 500 x 375 pixels, several times; return the file names."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    photos = {
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "cat": data.chelsea(),
        "coffee": data.coffee(),
        "astronaut": data.astronaut(),
    }
    names = []
    for name, pixels_ in photos.items():
        height, width = pixels_.shape[:2]
        h, w = min(height, width * 3 // 4), min(width, height * 4 // 3)
        top, left = (height - h) // 2, (width - w) // 2
        cut = Image.fromarray(np.ascontiguousarray(pixels_[top : top + h, left : left + w]))
        for copy in range(copies):
            names.append(f"{name}{copy}.jpg")
            resized = cut.resize((500, 375), Image.Resampling.LANCZOS)
            resized.save(folder / names[-1], quality=quality)
    return names


def kcv_epoch(folder: Path, names: list[str], text: str, extra: bool = True) -> Epoch:
    """Return an epoch of kcv, with or without the extra ``fast``."""
    source = FileSource(str(folder), names, np.zeros(len(names), np.int64), 3)
    operations = augment.build(text, (SIZE, SIZE))
    batches = Batches(
        source, "train", image_size=(SIZE, SIZE), batch_size=BATCH, operations=operations
    )

    def epoch() -> None:
        with contextlib.nullcontext() if extra else _without():
            for _ in batches:
                pass

    return epoch


@contextlib.contextmanager
def _without() -> Iterator[None]:
    """Give a block in which simplejpeg and OpenCV are as if they were not installed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(decode, "decoder", return_value=None))
        for module in (pixels, resampling, geometry):
            stack.enter_context(mock.patch.object(module, "opencv", return_value=None))
        yield


def contenders(folder: Path, names: list[str], part: str) -> dict[str, Epoch]:
    """Return what is compared for one kind of augmentation: name -> one epoch of it."""
    made = {
        "kcv": kcv_epoch(folder, names, f"crop+flip{part}"),
        "kcv, crop quality fast": kcv_epoch(folder, names, f"crop(0.08,1,fast)+flip{part}"),
        "kcv without the extra": kcv_epoch(folder, names, f"crop+flip{part}", extra=False),
    }
    paths = [str(folder / name) for name in names]
    made |= pipeline_rivals.epochs(paths, part.strip("+"), SIZE, BATCH)
    if not part:
        made["decoding by simplejpeg alone"] = lambda: _decode(paths)
    return made


def _decode(paths: list[str]) -> None:
    for path in paths:
        content = Path(path).read_bytes()
        decode.decode(content, decode.header_of(content))


def measure(made: dict[str, Epoch], images: int, rounds: int) -> dict[str, dict[str, float]]:
    """Run the contenders in turns; return images per second of CPU, and the ratio to kcv."""
    rates: dict[str, list[float]] = {name: [] for name in made}
    for epoch in made.values():
        epoch()
    for _ in range(rounds):
        for name, epoch in made.items():
            start = time.process_time()
            epoch()
            rates[name].append(images / (time.process_time() - start))
    return {
        name: {
            "best": max(values),
            "median": statistics.median(values),
            "worst": min(values),
            "ratio": statistics.median(
                ours / theirs for ours, theirs in zip(rates["kcv"], values, strict=True)
            ),
        }
        for name, values in rates.items()
    }


def memory(folder: Path, names: list[str], epochs: int = 10) -> list[dict[str, float]]:
    """Return the memory of two loader processes after each epoch, in MB."""
    import psutil

    source = FileSource(str(folder), names * 4, np.zeros(4 * len(names), np.int64), 3)
    operations = augment.build("crop+flip+randaugment", (SIZE, SIZE))
    batches = Batches(
        source,
        "train",
        image_size=(SIZE, SIZE),
        batch_size=BATCH,
        operations=operations,
        workers=2,
    )
    rows = []
    for _ in range(epochs):
        for _ in batches:
            pass
        used = [psutil.Process(number).memory_full_info() for number in batches.processes]
        rows.append(
            {
                "rss": max(one.rss for one in used) / 1e6,
                "own": max(one.uss for one in used) / 1e6,
            }
        )
    batches.close()
    return rows


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--copies", type=int, default=16, help="of each of five photographs")
    parser.add_argument("--quality", type=int, nargs="+", default=[85], help="of the JPEG files")
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # As in training and in its loader processes; the other libraries gain by it too.
    keep_memory()
    figures: dict = {
        "versions": {"python": platform.python_version(), **pipeline_rivals.versions()},
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        for quality in args.quality:
            folder = Path(temporary) / str(quality)
            folder.mkdir()
            names = write_photos(folder, quality, args.copies)
            size = sum(file.stat().st_size for file in folder.iterdir()) / len(names) / 1000
            for title, part in AUGMENTS.items():
                rates = measure(contenders(folder, names, part), len(names), args.rounds)
                figures["runs"].append(
                    {"quality": quality, "kB": size, "augment": title, "rates": rates}
                )
                _show(figures["runs"][-1])
        if args.memory:
            figures["memory"] = memory(folder, names)
            sys.stdout.write(f"{figures['memory']}\n")
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


def _show(run: dict) -> None:
    title = f"{run['augment']} (JPEG quality {run['quality']}, {run['kB']:.0f} kB)"
    sys.stdout.write(f"\n{title:44} best median  worst  kcv is faster by  {CORES} cores\n")
    for name, row in run["rates"].items():
        sys.stdout.write(
            f"{name:44} {row['best']:5.0f} {row['median']:6.0f} {row['worst']:6.0f}"
            f"  {row['ratio']:6.2f}            {CORES * row['median']:9,.0f}\n"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    main()

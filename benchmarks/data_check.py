"""Time and finds of ``kcv data check`` on a folder with planted faults.

    python -m benchmarks.data_check --count 10000

Writes ``count`` JPEG files of about 200 kB (1000 x 750 pixels, cuts of thirteen photographs, with
noise) under a temporary folder, with 2 % corrupt files, 1 % duplicates, 0.5 % leaks from train to
test and 3 % flipped labels, checks it in a process of its own, and prints seconds, CPU seconds and
what was found. The files of 10,000 take 2 GB and five minutes of two cores.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.resize_quality import Photos, photographs

SIZE = (1000, 750)
CORRUPT, COPIES, LEAKS, FLIPPED = 0.02, 0.01, 0.005, 0.03
_PHOTOS: Photos = {}
_NOISE: list[np.ndarray] = []


def _prepare() -> None:
    _PHOTOS.update(photographs())
    noise = np.random.default_rng(0).normal(0, 8, (SIZE[1] + 64, SIZE[0] + 64, 3))
    _NOISE.append(noise.astype(np.int16))


def _write(job: tuple[str, str, int]) -> None:
    """Write a cut of a photo, lit at random; its noise makes the file large."""
    path, name, seed = job
    photo, rng = _PHOTOS[name], np.random.default_rng(seed)
    height, width = photo.shape[:2]
    edge = int(rng.integers(min(height, width) // 4, min(height, width) * 3 // 4))
    top, left = (int(rng.integers(0, side - edge + 1)) for side in (height, width))
    cut = np.ascontiguousarray(photo[top : top + edge, left : left + edge])
    large = np.asarray(Image.fromarray(cut).resize(SIZE, Image.Resampling.BICUBIC), np.int16)
    down, right = rng.integers(0, 64, 2)
    noise = _NOISE[0][down : down + SIZE[1], right : right + SIZE[0]]
    light = np.float32(rng.uniform(0.7, 1.1))
    pixels = np.clip(large * light + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=90)


def write(root: Path, count: int) -> dict[str, list[list[str]]]:
    """Write the folder; return the planted faults, as lists of the files that belong together."""
    rng, names = np.random.default_rng(0), list(photographs())
    true = rng.integers(0, len(names), count)
    given, order = true.copy(), rng.permutation(count)
    parts = np.split(order, np.cumsum([int(count * s) for s in (CORRUPT, COPIES, LEAKS, FLIPPED)]))
    corrupt, copied, leaked, flipped = (part.tolist() for part in parts[:4])
    given[flipped] = (given[flipped] + rng.integers(1, len(names), len(flipped))) % len(names)
    paths, jobs = [], []
    leaks = set(leaked)
    for at in range(count):
        part = "train" if rng.random() < 0.8 or at in leaks else "test"
        folder = root / part / names[given[at]]
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(folder / f"{at}.jpg")
        jobs.append((str(paths[at]), names[true[at]], at))
    with multiprocessing.Pool(initializer=_prepare) as pool:
        for _ in pool.imap_unordered(_write, jobs, 50):
            pass
    for number, at in enumerate(corrupt):
        content = paths[at].read_bytes()
        faults = (b"", content[: len(content) // 2], b"a text", content[:600] + bytes(100_000))
        paths[at].write_bytes(faults[number % 4])
    return {
        "corrupt": [[str(paths[at])] for at in corrupt],
        "copies": list(_copy(paths, copied, "train")),
        "leaks": list(_copy(paths, leaked, "test")),
        "flipped": [[str(paths[at])] for at in flipped],
    }


def _copy(paths: list[Path], chosen: list[int], part: str) -> Iterator[list[str]]:
    """Copy files, every second one encoded anew at another size."""
    for number, at in enumerate(chosen):
        folder = paths[at].parents[2] / part / paths[at].parent.name
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"copy of {at}.jpg"
        if number % 2:
            Image.open(paths[at]).resize((800, 600)).save(target, quality=75)
        else:
            shutil.copy(paths[at], target)
        yield [str(paths[at]), str(target)]


CHECK = """
import json, sys, kcv
if __name__ == "__main__":
    found = kcv.data.check("folder:" + sys.argv[1], sys.argv[2])
    name = found.source.name
    json.dump({"seconds": found.seconds,
               "corrupt": [name(at) for at in found.unreadable],
               "groups": [[name(at) for at in one.members] for one in found.groups],
               "leaks": [[name(at) for at in one.members] for one in found.leaks],
               "flipped": [name(one.image) for one in found.suspects]},
              open(sys.argv[2] + "/found.json", "w"))
"""


def check(root: Path, out: Path) -> dict:
    """Check the folder in a process of its own; return what it found, with its CPU seconds."""
    out.mkdir()
    script = out / "check.py"
    script.write_text(CHECK)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, str(script), str(root), str(out)], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    found = json.loads((out / "found.json").read_text())
    return {**found, "wall": time.perf_counter() - started, "cpu": cpu}


def main() -> None:
    """Write the folder, check it, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "data"
        planted = write(root, args.count)
        sizes = [file.stat().st_size for file in root.rglob("*.jpg")]
        found = check(root, Path(temporary) / "out")
    sys.stdout.write(
        f"{len(sizes):,} files of {np.mean(sizes) / 1000:.0f} kB: {found['wall']:.1f} s in all, "
        f"{found['seconds']:.1f} s of checking, {found['cpu']:.1f} CPU s\n"
    )
    for kind, groups in (("copies", found["groups"]), ("leaks", found["leaks"])):
        sets = [set(group) for group in groups]
        caught = sum(any(set(pair) <= one for one in sets) for pair in planted[kind])
        sys.stdout.write(f"{kind}: {caught} of {len(planted[kind])}\n")
    for kind in ("corrupt", "flipped"):
        wrong = {one for [one] in planted[kind]}
        caught = len(wrong & set(found[kind]))
        sys.stdout.write(f"{kind}: {caught} of {len(wrong)}, {len(found[kind])} named\n")


if __name__ == "__main__":
    main()

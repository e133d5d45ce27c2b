"""A run folder: what is written while a recipe trains, enough to resume, test and predict."""

import json
import logging
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from kcv import backend, kernels
from kcv.recipes.recipe import Recipe
from kcv.version import __version__

log = logging.getLogger("kcv")


@dataclass
class Run:
    """A finished (or interrupted) training run.

    Attributes:
        path: the run folder.
        recipe: what was trained, every field resolved.
        model: the trained network; takes pixels 0..255, gives logits.
        history: one dict an epoch: losses, metrics, learning rate, seconds, images a second.
        metrics: what `metrics.json` holds: `test`, `val`, `parameters`, `seconds`, ...
    """

    path: Path
    recipe: Recipe
    model: keras.Model = field(repr=False)
    history: list[dict] = field(default_factory=list, repr=False)
    metrics: dict = field(default_factory=dict)


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it, so that the name never points to half a file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    except OSError as error:
        error.filename = str(path)  # the name that a person knows
        raise
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, content) -> None:
    """Write JSON as `write_text` does."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def free_name(root: Path, name: str) -> Path:
    """Return `root/name`, or `root/name-2`, `-3` ... if there is such a folder already."""
    path, count = root / name, 1
    while path.exists():
        count += 1
        path = root / f"{name}-{count}"
    return path


def is_run(path: Path) -> bool:
    """Return whether a folder holds a run that can be resumed."""
    return (path / "recipe.toml").is_file()


def read_log(path: Path) -> list[dict]:
    """Return the epochs of `log.jsonl`; a line cut by a kill is left out."""
    rows: list[dict] = []
    try:
        lines = (path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return rows
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            log.warning("Left out an unreadable line of %s", path / "log.jsonl")
    return rows


def environment(command: list[str] | None = None) -> dict:
    """Describe what a run computes with: versions, device, commit, command."""
    device = kernels.device()
    return {
        "kcv": __version__,
        "keras": keras.__version__,
        "backend": device["backend"],
        device["backend"]: device["version"],
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device["device"],
        "cpu": _processor(),
        "cores": cores(),
        "threads": device["threads"],
        "commit": _commit(),
        "command": " ".join(command or sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def default_threads() -> int:
    """Return how many threads to compute with where the recipe leaves it open.

    `OMP_NUM_THREADS` if it is set; else all cores where waiting threads sleep (`kcv.backend`), half
    of them where they spin because torch was imported before kcv: on a busy machine spinning
    threads cost several times what they bring.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return cores() if backend.sleeps() else max(1, cores() // 2)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def _commit() -> str:
    """Return the commit of the kcv sources, empty for an installed package or without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class EpochLog(keras.callbacks.Callback):
    """Add a line an epoch to `log.jsonl`, with learning rate, seconds and images a second.

    It also tells the training batches which epoch they are to give.

    Attributes:
        rows: the epochs so far, those before a resume included.
    """

    def __init__(self, path: Path, train, rows: list[dict]):
        super().__init__()
        self.path, self.train, self.rows = path, train, list(rows)
        self.images = len(train) * train.batch_size
        self.seconds = self.started = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.train.epoch = epoch
        self.started = time.perf_counter()
        self.seconds = 0.0

    def on_test_begin(self, logs=None):
        # validation begins where the training steps of the epoch end
        self.seconds = self.seconds or time.perf_counter() - self.started

    def on_epoch_end(self, epoch, logs=None):
        total = time.perf_counter() - self.started
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        numbers.setdefault("learning_rate", float(self.model.optimizer.learning_rate))
        speed = self.images / max(self.seconds or total, 1e-9)
        row = {"epoch": epoch + 1, **numbers, "seconds": total, "images_per_second": speed}
        if self.train.sizes is not None:
            row["image_size"] = self.train.sizes(epoch)[0]
        self.rows.append(row)
        try:
            write_text(self.path, "".join(json.dumps(r) + "\n" for r in self.rows))
        except OSError as error:
            log.warning("Epoch %d is not in %s: %s", epoch + 1, self.path, error.strerror)

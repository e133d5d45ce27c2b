"""Reading of a run folder, complete or not."""

import json
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FILES = ("recipe.toml", "environment.json", "model.json", "log.jsonl", "metrics.json")
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Predictions(NamedTuple):
    """What the model said about N images of one part of the data."""

    probabilities: np.ndarray  # (N, K)
    labels: np.ndarray  # (N,), or (N, K) of 0 and 1 where images have several classes
    names: np.ndarray  # (N,) file names
    split: str
    thumbnails: dict[int, np.ndarray]  # position -> (h, w, c) uint8

    @property
    def several(self) -> bool:
        """Whether images have several classes."""
        return self.labels.ndim == 2


@dataclass
class Contents:
    """A run folder in memory; ``problems`` says in sentences what could not be read, and why."""

    path: Path
    recipe: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    predictions: Predictions | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, or their numbers where the folder does not name them."""
        names = [str(name) for name in self.model.get("class_names", [])]
        count = self.predictions.probabilities.shape[1] if self.predictions else len(names)
        return names if len(names) == count else [str(i) for i in range(count)]


def read(run: Any) -> Contents:
    """Read a run folder; parts that are missing or damaged are named in ``problems``.

    Args:
        run: Path of a run folder, or an object with a ``path``.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the folder holds nothing of a run.
    """
    if isinstance(run, Contents):
        return run
    path = Path(getattr(run, "path", run))
    if not path.is_dir():
        raise FileNotFoundError(f"A report needs a run folder. Received: {path} is not a folder.")
    if not any((path / name).exists() for name in FILES):
        raise ValueError(
            f"A report needs a run folder with at least one of {', '.join(FILES)}. "
            f"Received: {path}, which has none of them."
        )
    contents = Contents(path)
    _read_file(contents, "recipe", "recipe.toml", lambda p: tomllib.loads(p.read_text("utf-8")))
    for attribute in ("environment", "model", "metrics"):
        _read_file(contents, attribute, f"{attribute}.json", _json_object)
    _read_file(contents, "log", "log.jsonl", lambda p: _epochs(p, contents.problems))
    _read_file(contents, "predictions", "predictions.npz", _predictions)
    return contents


def _read_file(contents: Contents, attribute: str, name: str, parse: Callable) -> None:
    try:
        setattr(contents, attribute, parse(contents.path / name))
    except FileNotFoundError:
        contents.problems.append(f"{name} is missing: {_reason(contents, name)}")
    except UNREADABLE as error:
        contents.problems.append(f"{name} cannot be read: {error}")


def _reason(contents: Contents, name: str) -> str:
    """Say why a file is not there and what to do, as far as the rest of the folder shows it."""
    planned = contents.recipe.get("epochs")
    if name == "log.jsonl":
        return "no epoch was finished, so there are no curves."
    if name not in ("metrics.json", "predictions.npz"):
        return "the run was stopped before it was written, or it was removed."
    if contents.metrics:
        why = "" if contents.metrics.get("test") else "the data has no test part; "
        return f"{why}without it there are no confusion matrix, class table and example images."
    done = _last_epoch(contents.path)
    if planned and done < planned:
        return (
            f"the run stopped after epoch {done} of {planned}, before the test part was measured. "
            f"Continue it: kcv train {contents.recipe.get('model', '...')} --resume {contents.path}"
        )
    return "the test part was not measured."


def _last_epoch(path: Path) -> int:
    try:
        return max((line["epoch"] for line in _epochs(path / "log.jsonl", [])), default=0)
    except OSError:
        return 0


def _json_object(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text("utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} must hold a JSON object. Received: {type(value).__name__}.")
    return value


def _epochs(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    """Return a dict per epoch; the last line wins, since a resumed run may repeat an epoch."""
    epochs = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            epochs[int(row["epoch"])] = row
        except (ValueError, KeyError, TypeError):
            # A kill in the middle of a write leaves half a line; the others are still true.
            problems.append(f"{path.name}, line {number} is damaged and was left out.")
    return [epochs[key] for key in sorted(epochs)]


def _predictions(path: Path) -> Predictions:
    with np.load(path, allow_pickle=False) as file:
        probabilities, labels, names = file["probabilities"], file["labels"], file["names"]
        split = str(file["split"]) if "split" in file else "test"
        positions = file["thumbnail_index"].tolist() if "thumbnails" in file else []
        thumbnails = dict(zip(positions, file["thumbnails"], strict=True)) if positions else {}
    if probabilities.ndim != 2 or not len(probabilities) == len(labels) == len(names):
        raise ValueError(
            "predictions.npz needs probabilities (N, K), labels (N,) or (N, K), and names (N,). "
            f"Received: shapes {probabilities.shape}, {labels.shape} and {names.shape}."
        )
    count = probabilities.shape[1]
    if labels.ndim == 2 and len(labels) and labels.shape[1] == count:
        return Predictions(probabilities, labels, names, split, thumbnails)
    if not len(labels) or labels.min() < 0 or labels.max() >= count:
        raise ValueError(
            f"predictions.npz needs at least one image, and labels from 0 to {count - 1}. "
            f"Received: {len(labels)} images, labels {sorted(set(labels.tolist()))[:12]}."
        )
    return Predictions(probabilities, labels, names, split, thumbnails)

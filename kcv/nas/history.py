"""What a search has seen: one file, written anew and whole after each candidate."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kcv.nas.architecture import Architecture
from kcv.recipes.run import environment, free_name, write_json

FILE = "search.json"


@dataclass(frozen=True)
class Trial:
    """One candidate that was judged.

    Attributes:
        number: from 0, in the order of the search.
        architecture: what was judged.
        epochs: for how long it was trained.
        score: what the judge said, higher is better; None where it failed.
        parameters, macs: what it costs for one image; None if the judge does not know.
        seconds: of the clock.
        parents: numbers of the trials that it was made of.
        error: why it failed, else empty.
    """

    number: int
    architecture: Architecture
    epochs: int
    score: float | None
    parameters: int | None = None
    macs: int | None = None
    seconds: float = 0.0
    parents: tuple[int, ...] = ()
    error: str = ""

    @property
    def rank(self) -> float:
        """Return the score for comparisons: one that failed is below all others."""
        return float("-inf") if self.score is None else self.score


def write(folder: Path, settings: dict[str, Any], trials: list[Trial]) -> None:
    """Write settings and trials; a kill leaves the file of before or of now, never half of one."""
    rows = [{**asdict(t), "architecture": t.architecture.to_dict()} for t in trials]
    write_json(folder / FILE, {**settings, "trials": rows})


def read(folder: Path) -> tuple[dict[str, Any], list[Trial]]:
    """Return (settings, trials) of a search.

    Raises:
        FileNotFoundError: if there is none in the folder.
        ValueError: if its file cannot be read.
    """
    path = folder / FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return settings, [_trial(row) for row in settings.pop("trials")]
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no search in {folder}: it has no {FILE}. Give the folder of a search."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The history {path} cannot be read: {error}.") from None


def _trial(row: dict[str, Any]) -> Trial:
    made = Trial(**row)
    architecture = Architecture.from_dict(row["architecture"])
    return replace(made, architecture=architecture, parents=tuple(made.parents))


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as JSON gives them back: lists for tuples."""
    return json.loads(json.dumps(settings))


def _counts(path: Path) -> bool:
    """Return whether a file is more than what a kill left of the first history."""
    return not path.name.startswith(f".{FILE}.")


def opened(
    out: str | Path | None, resume: str | None, settings: dict[str, Any]
) -> tuple[Path, list[Trial]]:
    """Return the folder of a search, made if need be, and the trials that are in it.

    The environment is added to `settings`; the rest must be that of a search to resume.

    Raises:
        ValueError: if the search there has other settings, or cannot be read.
        FileExistsError: if the folder holds something else, or is not to be resumed.
    """
    folder = Path(out) if out is not None else free_name(Path("runs"), "nas")
    if resume and (folder / FILE).is_file():
        stored, found = read(folder)
        stored.pop("environment", None)
        for name, value in settings.items():
            if stored.get(name) != value:
                raise ValueError(
                    f"A resumed search keeps its settings: {folder} has {name}="
                    f"{stored.get(name)!r}. Received: {name}={value!r}. Start a new one."
                )
        settings["environment"] = environment()
        return folder, found
    if folder.exists() and (not folder.is_dir() or any(map(_counts, folder.iterdir()))):
        raise FileExistsError(
            f"The output folder exists and is not empty: {folder}. "
            'Choose another one, or go on in it with resume="auto".'
        )
    folder.mkdir(parents=True, exist_ok=True)
    settings["environment"] = environment()
    return folder, []

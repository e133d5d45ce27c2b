"""Tables of image files as data, and lists of image files beside ``classes.txt``."""

import difflib
import os
from collections.abc import Iterator, Sequence

import numpy as np

from kcv.data import rows
from kcv.data.folder import PARTS
from kcv.data.found import Found
from kcv.data.rows import Row, Table, few
from kcv.data.sources import FileSource, Source, count_classes

CLASSES = "classes.txt"


def find_csv(path: str, channels: int | None) -> Found:
    """Read a CSV file whose header names the columns; see ``find``."""
    path = os.path.expanduser(path)
    return find(path, rows.read(path, "csv"), channels)


def find_jsonl(path: str, channels: int | None) -> Found:
    """Read a file with a JSON object in every line; see ``find``."""
    path = os.path.expanduser(path)
    return find(path, rows.read(path, "jsonl"), channels)


def find(path: str, table: Table, channels: int | None) -> Found:
    """Return the data set that a table of image files describes.

    Columns: ``path``, relative to the folder of the table or absolute; ``label``, or ``labels`` for
    several classes at once, separated by ``|`` (in JSON also a list; an empty one means none);
    optionally ``split`` (train, val or test) and ``weight`` (of the image in the loss). The names
    in ``classes.txt`` beside the table, one in a line, give choice and order of the classes;
    without it they are those in the table, sorted.

    Args:
        path: the file, for its folder and for error texts.
        table: its rows.
        channels: 1 or 3.

    Raises:
        ValueError: rows that make no data set.
    """
    root = os.path.dirname(path)
    names = _class_names(path, table)
    labels = _labels(path, table, names)
    members: dict[str, list[int]] = {part: [] for part in ("train", "val", "test", "all")}
    for at, row in enumerate(table.rows):
        members[row.part].append(at)
    parts: dict[str, Source] = {}
    for part, chosen in members.items():
        if chosen:
            files = [table.rows[at].path for at in chosen]
            weights = np.array([table.rows[at].weight for at in chosen]) if table.weight else None
            parts[part] = FileSource(root, files, labels[chosen], channels or 3, weights)
    if "train" not in parts and "all" not in parts:
        raise ValueError(
            f"A table with a column 'split' needs rows of the part 'train'. Received: only "
            f"{', '.join(parts)} in {path!r}. To read them all as one part, leave the column out."
        )
    check_classes(path, names, parts)
    return Found(names, parts, faults=tuple(_faults(path, root, table)))


def check_classes(path: str, names: Sequence[str], parts: dict[str, Source]) -> None:
    """Refuse data with fewer than two classes, or with a class that has no training image."""
    if len(names) < 2:
        raise ValueError(
            f"The data needs two classes. Received: {', '.join(names) or 'none'} in {path!r}"
        )
    labels = parts["train" if "train" in parts else "all"].labels
    counts = count_classes(labels, len(names))
    empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if empty:
        raise ValueError(
            f"Every class needs training images. Received: none of {few(empty)} in {path!r}"
        )


def _class_names(path: str, table: Table) -> list[str]:
    listed = os.path.join(os.path.dirname(path), CLASSES)
    if os.path.isfile(listed):
        return read_names(listed)
    names = {name for row in table.rows for name in row.labels}
    # "10" comes after "9" where all names are numbers.
    numbers = all(name.isascii() and name.isdigit() for name in names)
    return sorted(names, key=(lambda name: (int(name), name)) if numbers else None)


def read_names(path: str) -> list[str]:
    """Read class names, one in a line; the number of the line, from 0, is the class number.

    Raises:
        ValueError: a name stands there twice.
    """
    with rows.open_text(path) as file:
        names = [line.strip() for line in file if line.strip()]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path!r} needs each class once. Received: {twice!r} twice")
    return names


def _labels(path: str, table: Table, names: list[str]) -> np.ndarray:
    """Return class numbers ``(N,)``, or ``(N, K)`` of 0 and 1 with a column ``labels``."""
    number = {name: label for label, name in enumerate(names)}
    for row in table.rows:
        for name in row.labels:
            if name not in number:
                near = difflib.get_close_matches(name, names, 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"Line {row.line} of {path!r} has the label {name!r}, which is not in the "
                    f"{CLASSES} beside it.{hint}"
                )
    if not table.several:
        return np.array([number[row.labels[0]] for row in table.rows])
    result = np.zeros((len(table.rows), len(names)), np.float32)
    for at, row in enumerate(table.rows):
        result[at, [number[name] for name in row.labels]] = 1
    return result


def _faults(path: str, root: str, table: Table) -> Iterator[str]:
    advice = "kcv data check --fix writes a table without them."
    lines: dict[str, int] = {}
    twice: list[Row] = []
    for row in table.rows:
        if row.path in lines:
            twice.append(row)
        lines.setdefault(row.path, row.line)
    if twice:
        row = twice[0]
        yield (
            f"A table needs each file once. Received: {row.path!r} in lines {lines[row.path]} and "
            f"{row.line} of {path!r}, and {len(twice) - 1} more such lines. {advice}"
        )
    missing = missing_files(root, list(lines))
    if missing:
        yield (
            f"The files of a table need to exist. Received: {len(missing)} of {len(lines)} that "
            f"do not, {few(missing)}, in {path!r}. Paths are relative to its folder. {advice}"
        )


def missing_files(root: str, files: Sequence[str]) -> list[str]:
    """Return the files that do not exist; each folder is listed once, no file asked for."""
    folders: dict[str, set[str]] = {}
    missing = []
    for file in files:
        folder, name = os.path.split(os.path.join(root, file))
        if folder not in folders:
            there = os.path.isdir(folder or ".")
            folders[folder] = set(os.listdir(folder or ".")) if there else set()
        if name not in folders[folder]:
            missing.append(file)
    return missing


def find_lists(root: str, channels: int | None) -> Found:
    """Read a folder with ``classes.txt``, ``train.txt`` and, where there are, other lists.

    The layout of OpenMMLab's data sets: a line is a path and a class number, with a space between;
    paths are relative to the folder named like the list (``train/``) if that exists and holds the
    first of them, else to the root.

    Raises:
        ValueError: a line that is not a path and the number of a class.
    """
    names = read_names(os.path.join(root, CLASSES))
    number = {name: label for label, name in enumerate(names)}
    table = Table([], several=False, split=True, weight=False)
    sources: dict[str, Source] = {}
    faults: list[str] = []
    for part in ("train", "val", "test"):
        path = os.path.join(root, f"{part}.txt")
        if not os.path.isfile(path):
            continue
        listed = _read_list(path, names)
        prefix = _prefix(root, part, listed[0].path)
        listed = [row._replace(path=prefix + row.path, part=part) for row in listed]
        labels = [number[row.labels[0]] for row in listed]
        files = [row.path for row in listed]
        sources[part] = FileSource(root, files, np.array(labels), channels or 3)
        faults += _faults(path, root, table._replace(rows=listed))
    check_classes(root, names, sources)
    return Found(names, sources, faults=tuple(faults))


def _read_list(path: str, names: list[str]) -> list[Row]:
    found = []
    with rows.open_text(path) as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            # From the right: there may be spaces in the path.
            name, _, label = text.strip().rpartition(" ")
            if not name or not label.isdecimal() or int(label) >= len(names):
                raise ValueError(
                    f"A list needs lines of a path, a space and a class number below {len(names)} "
                    f"(the names in {CLASSES}). Received: {text.strip()!r} in line {line} of "
                    f"{path!r}"
                )
            found.append(Row(line, name.strip(), (names[int(label)],)))
    if not found:
        raise ValueError(f"The list {path!r} has no lines. It needs a line for each image.")
    return found


def _prefix(root: str, part: str, first: str) -> str:
    for name in (part, *(name for name, known in PARTS.items() if known == part)):
        if os.path.exists(os.path.join(root, name, first)):
            return f"{name}/"
    return ""

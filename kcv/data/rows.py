"""Rows of a table of image files: CSV with a header line, or a JSON object in every line."""

import csv
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from kcv.data.folder import PARTS

SEPARATOR = "|"


class Row(NamedTuple):
    """A line of a table: its number in the file, and what its columns say."""

    line: int
    path: str
    labels: tuple[str, ...]
    part: str = "all"
    weight: float = 1.0


class Table(NamedTuple):
    """Rows, and which of the optional columns there were."""

    rows: list[Row]
    several: bool
    split: bool
    weight: bool


def read(path: str, form: str) -> Table:
    """Read a table of images.

    Args:
        path: the file.
        form: ``csv`` or ``jsonl``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a table of images; the sentence names file and line.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"The data needs a file that exists. Received: {path!r}")
    if os.path.isdir(path):
        raise ValueError(f"The data needs a table, not a folder. Received: {path!r}")
    rows: list[Row] = []
    columns: set[str] = set()
    for number, values in _csv_lines(path) if form == "csv" else _json_lines(path):
        columns = columns or _columns(path, values)
        try:
            rows.append(_row(number, values, columns))
        except (ValueError, KeyError) as error:
            text = error.args[0] if isinstance(error, ValueError) else f"no {error.args[0]!r}"
            raise ValueError(f"Line {number} of {path!r} cannot be used: {text}") from error
    if not rows:
        raise ValueError(f"The table {path!r} has no rows. It needs a line for each image.")
    return Table(rows, "labels" in columns, "split" in columns, "weight" in columns)


def open_text(path: str) -> TextIO:
    """Open a text file; a byte order mark is passed over, bytes that are not Unicode are kept."""
    # Excel writes such a mark, which would become a part of the first name.
    return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _csv_lines(path: str) -> Iterator[tuple[int, dict]]:
    with open_text(path) as file:
        head = file.readline()
        # Excel separates with semicolons in half of the world.
        delimiter = next((mark for mark in ("\t", ";") if mark in head and "," not in head), ",")
        file.seek(0)
        reader = csv.DictReader(file, delimiter=delimiter)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(
                        f"Every line of a table needs as many columns as its header. Received: "
                        f"another number in line {reader.line_num} of {path!r}. Text that holds "
                        f"a {delimiter!r} needs quotes."
                    )
                yield reader.line_num, row
        except csv.Error as error:
            where = f"line {reader.line_num}: {error}"
            raise ValueError(f"{path!r} is not a table that can be read ({where})") from error


def _json_lines(path: str) -> Iterator[tuple[int, dict]]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row, what = json.loads(line), ""
            except json.JSONDecodeError as error:
                row, what = None, error.msg
            if not isinstance(row, dict):
                raise ValueError(
                    "Every line of a jsonl file needs to be a JSON object. Received: "
                    f"{what or type(row).__name__} in line {number} of {path!r}"
                )
            yield number, row


def _columns(path: str, values: dict) -> set[str]:
    columns = set(values)
    if "path" not in columns or not columns & {"label", "labels"}:
        raise ValueError(
            "A table of images needs the columns 'path' and 'label' (or 'labels'). "
            f"Received: {', '.join(map(repr, values))} in {path!r}"
        )
    return columns


def _row(number: int, values: dict, columns: set[str]) -> Row:
    path = values["path"]
    if not isinstance(path, str) or not path.strip():
        raise ValueError("it has no path")
    labels = _several(values["labels"]) if "labels" in columns else _one(values["label"])
    part = _part(str(values["split"]).strip()) if "split" in columns else "all"
    weight = _weight(values["weight"]) if "weight" in columns else 1.0
    return Row(number, path, labels, part, weight)


def _one(value) -> tuple[str, ...]:
    if value is None or isinstance(value, list | dict) or not str(value).strip():
        raise ValueError(
            f"its label is {value!r}, not the name of a class (the column 'labels' takes several)"
        )
    return (str(value).strip(),)


def _several(value) -> tuple[str, ...]:
    if value is None:
        return ()
    given = value if isinstance(value, list) else str(value).split(SEPARATOR)
    return tuple(dict.fromkeys(text for one in given if (text := str(one).strip())))


def _part(given: str) -> str:
    if given.lower() not in PARTS:
        raise ValueError(f"its split is {given!r}, not train, val or test")
    return PARTS[given.lower()]


def _weight(value) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"its weight is {value!r}, not a number of at least 0")
    return weight


def write(path: str, table: Table) -> None:
    """Write a CSV file that ``read`` reads; its paths must suit the folder it is written to."""
    header = ["path", "labels" if table.several else "label"]
    header += ["split"] * table.split + ["weight"] * table.weight
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in table.rows:
            more = [row.part] * table.split + [f"{row.weight:g}"] * table.weight
            writer.writerow([row.path, SEPARATOR.join(row.labels), *more])


def few(names: Sequence[str]) -> str:
    """Return the first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

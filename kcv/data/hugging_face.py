"""Data sets in the formats of Hugging Face ``datasets``: from the hub, or from a local folder."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from kcv.data.folder import PARTS
from kcv.data.found import Found, native_size
from kcv.data.rows import few
from kcv.data.sources import PackedSource, Source
from kcv.data.tables import check_classes

log = logging.getLogger("kcv")


def find(name: str, channels: int | None) -> Found:
    """Read a data set by random access from Arrow files on the disk.

    Images come from the first column of images; labels from the only column of class labels, or
    from the one called ``label`` or ``labels``. A list of class labels means several classes. Parts
    that nobody has labelled (class number -1) are left out.

    Args:
        name: a name on the hub (``beans``, ``owner/name``, ``owner/name:configuration``), or a
            folder with Parquet files, with a folder of images per class, or written by
            ``save_to_disk``.
        channels: 1 or 3.

    Raises:
        ImportError: Hugging Face ``datasets`` is not installed.
        ValueError: no column of images or of labels.
    """
    tables = _load(os.path.expanduser(name))
    features = next(iter(tables.values())).features
    image, label = image_column(name, features), label_column(name, features)
    names = names_of(features[label], tables, label)
    parts: dict[str, Source] = {}
    size, native, photos = (0, 0), 3, True
    for part, table in choose_parts(f"hf:{name}", tables).items():
        labels = labels_of(table[label][:], features[label], names)
        if labels.ndim == 1 and len(labels) and labels.min() < 0:
            log.warning("The part %r of hf:%s has no labels and is not used", part, name)
            continue
        encoded = _undecoded(table, image)
        if not parts:
            size, native, photos = native_size(_read(encoded, image, 0))
        keys = [f"{part}/{at}" for at in range(len(table))]
        read = partial(_read, encoded, image)
        parts[part] = PackedSource(read, keys, labels, channels or native, f"hf:{name}")
    check_classes(f"hf:{name}", names, parts)
    return Found(names, parts, size, native, photos)


def import_datasets() -> Any:
    """Return the package; without it, say how to get it."""
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            "The data 'hf:NAME' needs Hugging Face datasets, which is not installed. "
            'Run: pip install "kcv[hf]"'
        ) from error
    return datasets


def _load(name: str) -> dict[str, Any]:
    datasets = import_datasets()
    saved = ("dataset_dict.json", "dataset_info.json")
    if any(os.path.exists(os.path.join(name, one)) for one in saved):
        loaded = datasets.load_from_disk(name)
    elif os.path.isdir(name):
        loaded = datasets.load_dataset(name)
    else:
        hub, _, configuration = name.partition(":")
        loaded = datasets.load_dataset(hub, configuration or None)
    return dict(loaded) if isinstance(loaded, dict) else {"all": loaded}


def choose_parts(spec: str, tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables by part; one without parts is taken as a whole."""
    if len(tables) == 1:
        return {"all": next(iter(tables.values()))}
    found = {PARTS[key.lower()]: table for key, table in tables.items() if key.lower() in PARTS}
    others = [key for key in tables if key.lower() not in PARTS]
    if "train" not in found:
        raise ValueError(
            f"The data needs the part 'train'. Received: {few(list(tables))} in {spec}"
        )
    if others:
        log.warning("Parts that are not used of %s: %s", spec, ", ".join(others))
    return {part: found[part] for part in ("train", "val", "test") if part in found}


def _kind(feature: Any) -> str:
    return type(feature).__name__


def image_column(name: str, features: Any) -> str:
    """Return the name of the first column of images."""
    found = [column for column, feature in features.items() if _kind(feature) == "Image"]
    if not found:
        raise ValueError(
            f"The data needs a column of images. Received: {few(list(features))} in hf:{name}"
        )
    return found[0]


def label_column(name: str, features: Any) -> str:
    """Return the name of the column of labels."""
    labels = [column for column, one in features.items() if _kind(_item(one)) == "ClassLabel"]
    named = [column for column in ("label", "labels") if column in features]
    if len(labels) != 1 and not named:
        raise ValueError(
            "The data needs one column of class labels, or one called 'label' or 'labels'. "
            f"Received: {few(labels) or few(list(features))} in hf:{name}"
        )
    return labels[0] if len(labels) == 1 else named[0]


def _item(feature: Any) -> Any:
    """Return the feature of the items of a list, or the feature itself."""
    if isinstance(feature, list):
        return feature[0]
    return getattr(feature, "feature", feature)


def names_of(feature: Any, tables: dict[str, Any], column: str) -> list[str]:
    """Return the names of the classes: those that the column has, or its values, sorted."""
    item = _item(feature)
    if _kind(item) == "ClassLabel":
        return list(item.names)
    used: set = set()
    for table in tables.values():
        for value in table[column]:
            used |= set(value) if isinstance(value, list) else {value}
    return [str(value) for value in sorted(used)]


def labels_of(values: list, feature: Any, names: Sequence[str]) -> np.ndarray:
    """Return class numbers ``(N,)``, or ``(N, K)`` of 0 and 1, of the values of a column."""
    if _kind(_item(feature)) != "ClassLabel":
        number = {name: label for label, name in enumerate(names)}
        values = [
            [number[str(one)] for one in value] if isinstance(value, list) else number[str(value)]
            for value in values
        ]
    if _item(feature) is feature:
        return np.array(values, np.int64)
    hot = np.zeros((len(values), len(names)), np.float32)
    for at, several in enumerate(values):
        hot[at, several] = 1
    return hot


def _undecoded(table: Any, column: str) -> Any:
    import datasets

    return table.cast_column(column, datasets.Image(decode=False)).select_columns([column])


def _read(table: Any, column: str, index: int) -> bytes:
    entry = table[index][column]
    if entry["bytes"] is not None:
        return entry["bytes"]
    with open(entry["path"], "rb") as file:
        return file.read()

"""WebDataset shards: tar files whose members of one name make a sample."""

import json
import logging
import os
import re
import tarfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from kcv.data import cache
from kcv.data.folder import EXTENSIONS, OTHER_IMAGES, PARTS, count_others, way_out
from kcv.data.found import Found, native_size
from kcv.data.sources import PackedSource, Source
from kcv.data.tables import CLASSES, check_classes, few, read_names

log = logging.getLogger("kcv")

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class _Sample(NamedTuple):
    shard: str
    key: str
    offset: int
    size: int
    labels: list[str]
    several: bool


def find(path: str, channels: int | None) -> Found:
    """Read shards by random access; an index of each is made once and kept (``cache``).

    A sample is an image (any extension that kcv reads) and ``.cls`` (a class number or name) or
    ``.json`` (an object with ``label``, or ``labels`` for several) of the same name. Shards named
    ``train...``, ``val...`` and ``test...`` are parts. ``classes.txt`` beside the shards names the
    classes; without it they are the labels, sorted. Only plain ``.tar`` files on this machine.

    Args:
        path: a folder of shards, one shard, or several: ``data/train-{000..011}.tar``,
            ``data/{train,val}.tar``.
        channels: 1 or 3.

    Raises:
        FileNotFoundError: no shards, or one is missing.
        ValueError: a shard that cannot be used.
    """
    shards = _shards(os.path.expanduser(path))
    samples: dict[str, list[_Sample]] = {}
    others = Counter[str]()
    for shard, part in zip(shards, _parts(shards), strict=True):
        entries, more = cache.remembered(contents, shard)
        samples.setdefault(part, []).extend(_Sample(shard, *entry) for entry in entries)
        others.update(more)
    if others:
        log.warning("%s: %s %s", path, count_others(others), way_out(others))
    names = _names(path, os.path.join(os.path.dirname(shards[0]), CLASSES), samples)
    several = any(one.several for part in samples.values() for one in part)
    labels = {part: _labels(found, names, several) for part, found in samples.items()}
    first = next(iter(samples.values()))[0]
    size, native, photos = native_size(_read([first], 0))
    parts: dict[str, Source] = {
        part: PackedSource(
            partial(_read, found),
            [f"{os.path.basename(one.shard)}/{one.key}" for one in found],
            labels[part],
            channels or native,
            os.path.dirname(shards[0]) or ".",
        )
        for part, found in samples.items()
    }
    check_classes(path, names, parts)
    return Found(names, parts, size, native, photos)


def _shards(path: str) -> list[str]:
    if os.path.isdir(path):
        found = [os.path.join(path, one) for one in sorted(os.listdir(path)) if one[0] != "."]
        found = [one for one in found if one.endswith(".tar")]
    else:
        found = expand(path)
    missing = [one for one in found if not os.path.isfile(one)]
    if missing or not found:
        raise FileNotFoundError(
            f"The data needs tar shards that exist. Received: {few(missing) or 'none'} in {path!r}"
        )
    return found


def expand(pattern: str) -> list[str]:
    """Return the names that a pattern with braces stands for: ``{000..011}`` or ``{a,b}``."""
    pieces = _BRACES.split(pattern)
    choices: list[list[str]] = [[piece] for piece in pieces]
    for at in range(1, len(pieces), 2):
        numbers = _RANGE.fullmatch(pieces[at])
        if numbers:
            first, last = numbers.groups()
            between = range(int(first), int(last) + 1)
            choices[at] = [str(number).zfill(len(first)) for number in between]
        else:
            choices[at] = pieces[at].split(",")
    return ["".join(chosen) for chosen in product(*choices)]


def _parts(shards: Sequence[str]) -> list[str]:
    """Return the part of each shard by its name, or ``all`` for each."""
    words = [re.match(r"[a-z]*", os.path.basename(shard).lower()) for shard in shards]
    parts = [PARTS.get(word.group() if word else "", "") for word in words]
    return parts if all(parts) and "train" in parts else ["all"] * len(shards)


_Entry = tuple[str, int, int, list[str], bool]


def contents(shard: str) -> tuple[list[_Entry], dict[str, int]]:
    """Return what lies in a shard, and how many labelled images of each kind are not read.

    Of each image its name, offset, size and labels, and whether it may have many.

    Raises:
        ValueError: not a tar file, one that is cut off, or an image without a label.
    """
    images: dict[str, tuple[int, int]] = {}
    others: dict[str, str] = {}
    labels: dict[str, tuple[list[str], bool]] = {}
    try:
        # "r:" refuses compressed files, in which nothing can be found by its offset.
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                folder, name = os.path.split(member.name)
                stem, _, extension = name.partition(".")
                key, extension = os.path.join(folder, stem), f".{extension.lower()}"
                if not member.isfile() or name.startswith("."):
                    continue
                if extension in EXTENSIONS:
                    images[key] = member.offset_data, member.size
                elif extension in (".cls", ".json"):
                    content = tar.extractfile(member)
                    text = content.read() if content else b""
                    found = _label(text, extension)
                    labels |= {} if found is None else {key: found}
                elif extension in OTHER_IMAGES:
                    others[key] = extension
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(
            f"The data needs whole, uncompressed tar files. Received: {shard!r} ({error})"
        ) from error
    bare = [key for key in images if key not in labels]
    passed_over = Counter(others[key] for key in labels if key in others and key not in images)
    if bare or not images:
        other = f" {count_others(passed_over)} {way_out(passed_over)}" if passed_over else ""
        received = f"{few(bare)} without one" if bare else "no images"
        raise ValueError(
            "A shard needs images, and a .cls or .json file with the label of each. Received: "
            f"{received} in {shard!r}.{other}"
        )
    return [(key, *images[key], *labels[key]) for key in images], passed_over


def _label(text: bytes, extension: str) -> tuple[list[str], bool] | None:
    if extension == ".cls":
        return [text.decode("utf-8", "surrogateescape").strip()], False
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    if isinstance(values.get("labels"), list):
        return [str(one) for one in values["labels"]], True
    label = values.get("label", values.get("cls"))
    return None if label is None else ([str(label)], False)


def _names(path: str, listed: str, samples: dict[str, list[_Sample]]) -> list[str]:
    used = {label for part in samples.values() for one in part for label in one.labels}
    numbers = all(label.isdecimal() for label in used)
    if os.path.isfile(listed):
        names = read_names(listed)
        strange = [one for one in sorted(used) if not _known(one, names, numbers)]
        if strange:
            raise ValueError(
                f"The labels need to be in {listed!r}. Received: {few(strange)} in {path!r}"
            )
        return names
    if numbers:
        return [str(number) for number in range(max(map(int, used), default=-1) + 1)]
    return sorted(used)


def _known(label: str, names: list[str], numbers: bool) -> bool:
    return label in names or (numbers and int(label) < len(names))


def _labels(samples: list[_Sample], names: list[str], several: bool) -> np.ndarray:
    number = {name: label for label, name in enumerate(names)}
    found = [[number.get(one, -1) for one in sample.labels] for sample in samples]
    # Class numbers, where classes.txt has names for them.
    found = [
        [int(text) if label < 0 else label for text, label in zip(one.labels, labels, strict=True)]
        for one, labels in zip(samples, found, strict=True)
    ]
    if not several:
        return np.array([labels[0] for labels in found])
    hot = np.zeros((len(found), len(names)), np.float32)
    for at, labels in enumerate(found):
        hot[at, labels] = 1
    return hot


def _read(samples: list[_Sample], at: int) -> bytes:
    sample = samples[at]
    with open(sample.shard, "rb") as file:
        file.seek(sample.offset)
        return file.read(sample.size)

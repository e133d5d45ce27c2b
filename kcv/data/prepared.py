"""Data sets that TensorFlow Datasets has prepared as array_record, read without TensorFlow."""

import json
import os
import re
from glob import escape, glob
from typing import Any

import numpy as np

from kcv.data import cache, examples
from kcv.data.folder import PARTS
from kcv.data.found import Found, native_size
from kcv.data.sources import PackedSource, Source
from kcv.data.tables import check_classes, read_names

AT_ONCE = 1024
_SHARD = re.compile(r"-(?P<part>[^-.]+)\.array_record(-\d+-of-\d+)?$")


def find(name: str, channels: int | None) -> Found:
    """Read a prepared data set by random access.

    It is looked for in ``$TFDS_DATA_DIR``, or in ``tensorflow_datasets`` in the home folder; of
    several versions the newest is taken. Labels stand inside the records, so all of them are read
    once, and what was found is kept (``cache``).

    Args:
        name: as TensorFlow Datasets has it: ``cifar10``, ``name/configuration``.
        channels: 1 or 3.

    Raises:
        FileNotFoundError: the data set is not prepared.
        ImportError: array_record is not installed.
        ValueError: other files than array_record, or records without image or class label.
    """
    folder = _folder(name)
    image, label = _features(name, folder)
    labels: dict[str, np.ndarray] = {}
    sources: dict[str, Records] = {}
    for part, files in _shards(name, folder).items():
        found = [cache.remembered(read_labels, file, label) for file in files]
        labels[part] = np.concatenate([np.array(one, np.int64) for one in found])
        sources[part] = Records(files, [len(one) for one in found], image)
    size, native, photos = native_size(next(iter(sources.values()))(0))
    parts: dict[str, Source] = {
        part: PackedSource(
            read,
            [f"{part}/{at}" for at in range(len(labels[part]))],
            labels[part],
            channels or native,
            f"tfds:{name}",
        )
        for part, read in sources.items()
    }
    names = _names(folder, label, max(int(one.max()) for one in labels.values()) + 1)
    check_classes(f"tfds:{name}", names, parts)
    return Found(names, parts, size, native, photos)


def _folder(name: str) -> str:
    """Return the folder of the newest version of a data set."""
    home = os.path.join(os.path.expanduser("~"), "tensorflow_datasets")
    above = os.environ.get("TFDS_DATA_DIR") or home
    pattern = os.path.join(escape(os.path.join(above, name)), "*", "dataset_info.json")
    found = [os.path.dirname(one) for one in glob(pattern)]
    if not found:
        raise FileNotFoundError(
            f"The data 'tfds:{name}' needs to be prepared once. Received: nothing of it in "
            f'{above!r}. Run: pip install "kcv[tfds]"; python -c "import tensorflow_datasets as '
            f"tfds; tfds.builder('{name}', file_format='array_record').download_and_prepare()\""
        )
    return max(found, key=lambda one: [int(part) for part in re.findall(r"\d+", one[len(above) :])])


def _features(name: str, folder: str) -> tuple[str, str]:
    """Return the names of the image and of the class label in a record."""
    with open(os.path.join(folder, "features.json"), encoding="utf-8") as file:
        features: dict[str, Any] = json.load(file).get("featuresDict", {}).get("features", {})
    kinds = {one: str(value.get("pythonClassName", "")) for one, value in features.items()}
    images = [one for one, kind in kinds.items() if kind.endswith(".Image")]
    labels = [one for one, kind in kinds.items() if kind.endswith(".ClassLabel")]
    if not images or not labels or (len(labels) > 1 and "label" not in labels):
        raise ValueError(
            f"The data needs records with an image and one class label. Received: "
            f"{', '.join(features)} in tfds:{name}"
        )
    return images[0], labels[0] if len(labels) == 1 else "label"


def _shards(name: str, folder: str) -> dict[str, list[str]]:
    """Return the files of each part, or those of the only part as ``all``."""
    found: dict[str, list[str]] = {}
    for file in sorted(os.listdir(folder)):
        match = _SHARD.search(file)
        if match:
            found.setdefault(match["part"], []).append(os.path.join(folder, file))
    if not found:
        raise ValueError(
            f"The data needs files in the format array_record. Received: none in {folder!r}. "
            f"Prepare it again with tfds.builder('{name}', file_format='array_record')"
        )
    if len(found) == 1:
        return {"all": next(iter(found.values()))}
    parts = {PARTS[part]: files for part, files in found.items() if part in PARTS}
    if "train" not in parts:
        raise ValueError(
            f"The data needs the part 'train'. Received: {', '.join(found)} in {folder!r}"
        )
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}


def _names(folder: str, label: str, count: int) -> list[str]:
    listed = os.path.join(folder, f"{label}.labels.txt")
    return read_names(listed) if os.path.isfile(listed) else [str(at) for at in range(count)]


def _reader(file: str) -> Any:
    try:
        from array_record.python.array_record_module import ArrayRecordReader
    except ImportError as error:
        raise ImportError(
            "The data 'tfds:NAME' needs array_record, which is not installed. "
            'Run: pip install "kcv[tfds]"'
        ) from error
    return ArrayRecordReader(file)


def read_labels(file: str, label: str) -> list[int]:
    """Return the class number of each record of a file."""
    reader = _reader(file)
    count = reader.num_records()
    found: list[int] = []
    for start in range(0, count, AT_ONCE):
        for record in reader.read(start, min(start + AT_ONCE, count)):
            found.append(int(examples.read(record, label)[0]))
    reader.close()
    return found


class Records:
    """The images of record files by number; the files are opened in the process that reads.

    Args:
        files: the files, one after the other.
        counts: number of records of each.
        image: name of the image in a record.
    """

    def __init__(self, files: list[str], counts: list[int], image: str):
        self.files, self.image = files, image
        self.starts = np.cumsum([0, *counts])
        self._open: dict[tuple[int, int], Any] = {}

    def __call__(self, index: int) -> bytes:
        which = int(np.searchsorted(self.starts, index, "right")) - 1
        # A reader that came through a fork has lost its threads.
        key = os.getpid(), which
        if key not in self._open:
            self._open[key] = _reader(self.files[which])
        (record,) = self._open[key].read([int(index - self.starts[which])])
        return bytes(examples.read(record, self.image)[0])

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_open": {}}

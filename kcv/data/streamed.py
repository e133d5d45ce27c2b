"""Data sets in Parquet files that are read piece by piece: nothing is downloaded as a whole.

The labels of all images are read at first, one column of each file. Images are read by row groups,
the pieces that Parquet files consist of, when one of theirs is asked for; an epoch goes through the
row groups in a shuffled order, and shuffles the images of a few of them at a time
(``kcv.data.sampling.Order``). So a stream is as deterministic as files are: it depends on
(seed, epoch, index) only. Loader processes read for themselves: with N of them a row group of which
several have images is fetched by each, so few processes suit a slow network.
"""

import logging
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kcv.data import hugging_face
from kcv.data.found import Found, native_size
from kcv.data.sampling import WINDOW
from kcv.data.sources import PackedSource, Source
from kcv.data.tables import check_classes

log = logging.getLogger("kcv")


class RowGroups:
    """The images of Parquet files by number; each process opens the files for itself.

    The last row groups are kept in memory, encoded: as many as an epoch shuffles at a time, twice.

    Args:
        files: paths or addresses, one after the other.
        counts: number of images of each row group of each file.
        column: name of the column of images.
    """

    def __init__(self, files: Sequence[str], counts: Sequence[Sequence[int]], column: str):
        self.files, self.column = list(files), column
        self.places = [(at, group) for at, one in enumerate(counts) for group in range(len(one))]
        sizes = [size for one in counts for size in one]
        self.starts = np.cumsum([0, *sizes])
        self.blocks = np.repeat(np.arange(len(sizes)), sizes)
        self._kept: OrderedDict[tuple[int, int], list] = OrderedDict()

    def __call__(self, index: int) -> bytes:
        block = int(self.blocks[index])
        # What came through a fork may be half read there.
        key = os.getpid(), block
        if key not in self._kept:
            self._kept[key] = self._read(block)
            while len(self._kept) > 2 * WINDOW:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key][int(index - self.starts[block])]

    def _read(self, block: int) -> list[bytes]:
        at, group = self.places[block]
        with _opened(self.files[at]) as table:
            column = table.read_row_group(group, columns=[self.column]).column(self.column)
        return [entry["bytes"] for entry in column.to_pylist()]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_kept": OrderedDict()}


@contextmanager
def _opened(address: str) -> Iterator[Any]:
    """Open a Parquet file, on the disk or elsewhere, for a while."""
    from fsspec.core import url_to_fs
    from pyarrow.parquet import ParquetFile

    system, path = url_to_fs(address)
    # Parquet knows what it wants; reading ahead would fetch all columns for the sake of one.
    with system.open(path, "rb", cache_type="none") as file:
        yield ParquetFile(file)


def find(name: str, channels: int | None) -> Found:
    """Read a data set of Hugging Face ``datasets`` in Parquet files without downloading it.

    Columns as in ``hugging_face.find``; images have to lie in the files themselves.

    Args:
        name: a name on the hub (``owner/name``, ``owner/name:configuration``), a folder with
            Parquet files, or the address of one Parquet file.
        channels: 1 or 3.

    Raises:
        ImportError: Hugging Face ``datasets`` is not installed.
        ValueError: no Parquet files, or no column of images or of labels.
    """
    datasets = hugging_face.import_datasets()
    files = hugging_face.choose_parts(f"hf-stream:{name}", _files(datasets, name))
    parts: dict[str, Source] = {}
    names: list[str] = []
    size, native, photos = (0, 0), 3, True
    for part, addresses in files.items():
        features, counts, image, label, values = _scan(datasets, name, addresses)
        names = names or hugging_face.names_of(features[label], {part: {label: values}}, label)
        labels = hugging_face.labels_of(values, features[label], names)
        if labels.ndim == 1 and len(labels) and labels.min() < 0:
            log.warning("The part %r of hf-stream:%s has no labels and is not used", part, name)
            continue
        read = RowGroups(addresses, counts, image)
        if not parts:
            size, native, photos = native_size(read(0))
        keys = [f"{part}/{at}" for at in range(len(labels))]
        source = PackedSource(read, keys, labels, channels or native, f"hf-stream:{name}")
        source.blocks = read.blocks
        parts[part] = source
    check_classes(f"hf-stream:{name}", names, parts)
    return Found(names, parts, size, native, photos)


def _files(datasets: Any, name: str) -> dict[str, list[str]]:
    if name.endswith(".parquet"):
        return {"train": [name]}
    hub, _, configuration = name.partition(":")
    where = os.path.expanduser(name)
    local = os.path.isdir(where)
    builder = datasets.load_dataset_builder(
        where if local else hub, None if local else configuration or None
    )
    found = {str(part): list(urls) for part, urls in (builder.config.data_files or {}).items()}
    strange = [url for urls in found.values() for url in urls if not url.endswith(".parquet")]
    if strange or not found:
        raise ValueError(
            "A stream needs Parquet files. Received: "
            f"{strange[0] if strange else 'no files'} in hf-stream:{name}. "
            f"Use 'hf:{name}', which reads other files too."
        )
    return found


def _scan(datasets: Any, name: str, addresses: Sequence[str]) -> tuple:
    """Return features, images per row group of each file, names of both columns, all labels."""
    counts, values = [], []
    for address in addresses:
        with _opened(address) as table:
            features = datasets.Features.from_arrow_schema(table.schema_arrow)
            image = hugging_face.image_column(name, features)
            label = hugging_face.label_column(name, features)
            meta = table.metadata
            counts.append([meta.row_group(at).num_rows for at in range(meta.num_row_groups)])
            values += table.read(columns=[label]).column(label).to_pylist()
    return features, counts, image, label, values

"""``load``: from the name of a data set to its batches."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kcv.data import (
    arrays,
    embedded,
    folder,
    hugging_face,
    photos,
    prepared,
    shards,
    splits,
    streamed,
    tables,
)
from kcv.data import augment as augmentations
from kcv.data.arrays import Arrays
from kcv.data.augment import Operation
from kcv.data.dataset import Data
from kcv.data.found import SMALL_SIZE, Found
from kcv.data.resizing import resize_image
from kcv.data.sampling import CLASS_WEIGHTS, Growing
from kcv.data.sources import ArraySource, FileSource, Source

FORMS = (
    "'fashion_mini', 'digits', 'folder:PATH', 'csv:FILE', 'jsonl:FILE', 'tiles', 'textures', "
    "'wds:SHARDS', 'hf:NAME', 'hf-stream:NAME', 'tfds:NAME', or a tuple of arrays (x, y)"
)
# Photographs are shrunk to an edge of image_size / 0.875, of which the centre is kept, as in the
# evaluation of most published networks. Small images have no margin to lose.
PHOTO_CROP = 0.875


def load(
    spec: str | Data | Found | Sequence[np.ndarray] = "fashion_mini",
    *,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    batch_size: int = 128,
    seed: int = 0,
    augment: str | Sequence[Operation] = (),
    val_fraction: float = 0.1,
    workers: int = 0,
    sampling: str = "shuffled",
    repeats: int = 1,
    growing: tuple[int, int] | None = None,
    resize: Mapping[str, Any] | None = None,
    class_weights: str = "none",
) -> Data:
    """Load a data set in parts for training, validation and test.

    Validation images are always held out of the training images: where there is no part for them,
    ``val_fraction`` of every class is split off the training part, by ``seed``. A folder, or arrays
    ``(x, y)``, without parts give a tenth of every class to the test part, always the same one,
    before that. A folder with ``train`` and ``val`` only has no test part (``data.test`` is None).

    ================== =============================================================================
    ``fashion_mini``   10,000 and 2,000 images of clothes, 28x28 grey, inside kcv
    ``digits``         1,797 images, 8x8 grey, of scikit-learn
    ``tiles``          32x32 RGB: which of ten photographs is it from?
    ``textures``       32x32 grey: brick, grass or gravel?
    ``folder:PATH``    a folder per class, or such folders inside ``train``, ``val`` and ``test``,
                       or the lists ``classes.txt``, ``train.txt``, ``val.txt`` (``tables``)
    ``csv:FILE``       columns ``path`` and ``label`` or ``labels``, perhaps ``split`` and
    ``jsonl:FILE``     ``weight`` (``tables``)
    ``wds:SHARDS``     WebDataset: ``data/train-{000..011}.tar``, or their folder (``shards``)
    ``hf:NAME``        Hugging Face ``datasets``: a name on the hub, or a folder (``hugging_face``)
    ``hf-stream:NAME`` the same, read piece by piece while it trains (``streamed``)
    ``tfds:NAME``      TensorFlow Datasets prepared as array_record (``prepared``)
    ================== =============================================================================

    Args:
        spec: one of the forms below; arrays ``(x, y)`` or ``(x_train, y_train, x_test, y_test)``
            with images ``(N, H, W)`` or ``(N, H, W, 1 or 3)``, uint8, and class numbers ``(N,)`` or
            several classes ``(N, K)`` of 0 and 1; or a ``Data``, which is returned as it is; or
            what ``specs.find`` returned for the same ``channels``, whose files are not listed anew.
        image_size: edge of the images in the batches, or ``(height, width)``; None for the size of
            the arrays, or of images of at most 64 pixels, and 224 for photographs.
        channels: 1 (grey) or 3 (RGB); None for that of the arrays, and 3 for photographs.
        batch_size: images in a batch.
        seed: decides the validation part, the order of every epoch and the random changes.
        augment: random changes of training images: a key of ``kcv.data.augment.SETS``, keys of its
            ``PARTS`` joined as in ``"crop+flip+randaugment(2,9)"``, or operations of that module.
        val_fraction: share of the training images that is held out, ``0 < val_fraction < 1``.
        workers: number of processes that load; 0 loads in this process, best for arrays.
        sampling: ``"shuffled"``, each training image once an epoch; ``"balanced"``, each class
            equally often.
        repeats: how often a training image comes in a row, with other random changes.
        growing: ``(first, epochs)``: training images are squares that grow from ``first`` to
            ``image_size`` over so many epochs (``kcv.data.sampling.Growing``).
        resize: how evaluation brings images to their size: ``mode``, ``crop_pct`` and
            ``interpolation`` of ``kcv.data.resize_image``. What is left out is ``"crop"``, 0.875
            for photographs over 64 pixels and 1 for all else, and ``"bilinear"``.
        class_weights: ``"balanced"`` weighs training images of rare classes more, so that all
            classes count alike in the loss; ``"root"`` half-way, by the root of that; ``"none"``.
            The weights are multiplied with those of a column ``weight``, and come with the batches.
            Of several classes in an image: see ``Data.positive_weights``.

    Returns:
        The data. Nothing but the list of files is read before it is used.

    Raises:
        ValueError: an unknown ``spec``, an argument out of its range, or data that cannot be used:
            no images, one class, an empty class, a class too small to split, parts with different
            classes, a table that names files that do not exist.
        FileNotFoundError: the folder, table, shard or prepared data set does not exist.
        ImportError: a package is not installed that this kind of data needs.
    """
    if isinstance(spec, Data):
        return spec
    _check(channels, batch_size, seed, val_fraction, workers)
    _check_balance(sampling, class_weights)
    size = None if image_size is None else _pair(image_size)
    found = spec if isinstance(spec, Found) else find(spec, channels)
    if found.faults:
        raise ValueError(found.faults[0])
    size = size or found.image_size
    crop_pct = PHOTO_CROP if found.photos and min(size) > SMALL_SIZE else 1.0
    return Data(
        found.spec,
        found.class_names,
        in_parts(found, val_fraction, seed),
        image_size=size,
        channels=channels or found.channels,
        **{"crop_pct": crop_pct, **_checked(resize or {})},
        batch_size=batch_size,
        seed=seed,
        operations=augmentations.build(augment, size),
        val_fraction=val_fraction,
        workers=workers,
        was_split="all" in found.parts,
        sampling=sampling,
        repeats=repeats,
        sizes=None if growing is None else Growing(growing[0], min(size), growing[1]),
        class_weights=class_weights,
    )


def _pair(image_size: int | tuple[int, int]) -> tuple[int, int]:
    pair = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(pair) != 2 or any(not isinstance(edge, int) or edge < 1 for edge in pair):
        raise ValueError(f"load needs image_size >= 1 or (height, width). Received: {image_size=}")
    return pair


def _checked(resize: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments of ``resize_image``; it refuses wrong ones, here before any work."""
    known = ("mode", "crop_pct", "interpolation")
    unknown = [name for name in resize if name not in known]
    if unknown:
        raise ValueError(f"load needs resize to hold {', '.join(known)}. Received: {resize!r}")
    resize_image(np.zeros((1, 1, 1), np.uint8), 1, **resize)
    return resize


def _check(
    channels: int | None, batch_size: int, seed: int, val_fraction: float, workers: int
) -> None:
    if channels not in (None, 1, 3):
        raise ValueError(f"load needs channels=1 or channels=3. Received: {channels=}")
    if batch_size < 1:
        raise ValueError(f"load needs batch_size >= 1. Received: {batch_size=}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"load needs 0 <= seed < 2**64. Received: {seed=}")
    if not 0 < val_fraction < 1:
        raise ValueError(f"load needs 0 < val_fraction < 1. Received: {val_fraction=}")
    if workers < 0:
        raise ValueError(f"load needs workers >= 0. Received: {workers=}")


def _check_balance(sampling: str, class_weights: str) -> None:
    if class_weights not in CLASS_WEIGHTS:
        raise ValueError(
            f"load needs class_weights in {', '.join(CLASS_WEIGHTS)}. Received: {class_weights=}"
        )
    if sampling == "balanced" and class_weights != "none":
        raise ValueError(
            "Balanced sampling makes classes count alike already. Received: "
            f"{sampling=} with {class_weights=}. Leave one of them out."
        )


def find(spec: str | Sequence[np.ndarray], channels: int | None = None) -> Found:
    """Return what there is of a data set before it is split; of which forms, ``load`` says."""
    if isinstance(spec, tuple | list):
        return _from_arrays(spec, channels)
    if not isinstance(spec, str):
        raise ValueError(f"The data needs to be {FORMS}. Received: {type(spec).__name__}")
    kind, _, argument = spec.partition(":")
    takes_argument, find = KINDS.get(kind, (None, None))
    if find is None or takes_argument != bool(argument):
        raise ValueError(f"The data needs to be {FORMS}. Received: {spec!r}.{_advice(spec, kind)}")
    return find(argument, channels)._replace(spec=spec)


def _advice(spec: str, kind: str) -> str:
    if os.path.isdir(spec):
        return f" For this folder: 'folder:{spec}'."
    form = os.path.splitext(spec)[1][1:].lower()
    if form in ("csv", "jsonl") and os.path.isfile(spec):
        return f" For this table: '{form}:{spec}'."
    near = difflib.get_close_matches(kind, KINDS)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def _from_arrays(given: Sequence[np.ndarray], channels: int | None) -> Found:
    names, checked = arrays.read(given)
    return _in_memory("arrays", names, checked, channels)


def _in_memory(
    dataset: str, names: Sequence[str], parts: dict[str, Arrays], channels: int | None
) -> Found:
    shape = next(iter(parts.values())).images.shape[1:]
    native = shape[2] if len(shape) == 3 else 1
    sources: dict[str, Source] = {
        part: ArraySource(*pair, channels or native, dataset, part) for part, pair in parts.items()
    }
    return Found(list(names), sources, shape[:2], native, photos=False)


def _from_fashion_mini(argument: str, channels: int | None) -> Found:
    parts = embedded.fashion_mini()
    return _in_memory("fashion_mini", embedded.FASHION_CLASSES, parts, channels)


def _from_digits(argument: str, channels: int | None) -> Found:
    names = [str(digit) for digit in range(10)]
    found = _in_memory("digits", names, {"all": embedded.digits()}, channels)
    whole = found.parts["all"]
    train, test = splits.split(whole, names, embedded.DIGITS_TEST, splits.TEST_SEED)
    return found._replace(parts={"train": train, "test": test})


def _from_tiles(argument: str, channels: int | None) -> Found:
    return _in_memory("tiles", *photos.tiles(), channels)


def _from_textures(argument: str, channels: int | None) -> Found:
    return _in_memory("textures", *photos.textures(), channels)


def _from_folder(path: str, channels: int | None) -> Found:
    root = os.path.expanduser(path)
    if all(os.path.isfile(os.path.join(root, name)) for name in (tables.CLASSES, "train.txt")):
        return tables.find_lists(root, channels)
    names, listed = folder.read(root)
    parts: dict[str, Source] = {
        part: FileSource(root, files.paths, files.labels, channels or 3)
        for part, files in listed.items()
    }
    return Found(names, parts, passed_over=folder.passed_over(listed))


KINDS: dict[str, tuple[bool, Callable[[str, int | None], Found]]] = {
    "fashion_mini": (False, _from_fashion_mini),
    "digits": (False, _from_digits),
    "tiles": (False, _from_tiles),
    "textures": (False, _from_textures),
    "folder": (True, _from_folder),
    "csv": (True, tables.find_csv),
    "jsonl": (True, tables.find_jsonl),
    "wds": (True, shards.find),
    "hf": (True, hugging_face.find),
    "hf-stream": (True, streamed.find),
    "tfds": (True, prepared.find),
}
"""Name of a kind of data -> whether an argument follows its colon, and its reader."""


def in_parts(found: Found, val_fraction: float, seed: int) -> dict[str, Source]:
    """Return the parts train, val and, unless a folder has none, test."""
    parts = dict(found.parts)
    if "all" in parts:
        whole = parts.pop("all")
        parts["train"], parts["test"] = splits.split(
            whole, found.class_names, splits.TEST_FRACTION, splits.TEST_SEED
        )
    if "val" not in parts:
        parts["train"], parts["val"] = splits.split(
            parts["train"], found.class_names, val_fraction, seed
        )
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}

"""Folders of images: a folder per class, or such folders inside train, val and test."""

import logging
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

log = logging.getLogger("kcv")

EXTENSIONS = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
}  # fmt: skip
PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


class Files(NamedTuple):
    """Image files of one part: paths relative to the root with forward slashes, class numbers."""

    paths: list[str]
    labels: np.ndarray


def read(root: str) -> tuple[list[str], dict[str, Files]]:
    """List the images of a folder.

    Classes are the sorted names of the class folders; images are looked for in them at any depth.
    Hidden files, and files whose extension is not that of an image, are passed over; symbolic links
    are followed. Folders named ``train``, ``val`` (``valid``, ``validation``) and ``test`` are
    parts, unless images lie directly in them: then they are classes.

    Args:
        root: the folder.

    Returns:
        Class names, and the files of the parts train, val and test that there are, or of the one
        part ``all``.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
        ValueError: no images, one class only, an empty class, or parts with different classes.
    """
    if not os.path.exists(root):
        raise FileNotFoundError(f"The data needs a folder that exists. Received: {root!r}")
    if not os.path.isdir(root):
        raise NotADirectoryError(f"The data needs a folder, not a file. Received: {root!r}")
    folders = _part_folders(root)
    if not folders:
        classes = _classes(root)
        return list(classes), {"all": _files(root, "", classes)}
    listings = {part: _classes(os.path.join(root, name)) for part, name in folders.items()}
    _check_same_classes(root, folders, listings)
    files = {part: _files(root, name, listings[part]) for part, name in folders.items()}
    return list(listings["train"]), files


def _entries(path: str) -> list[os.DirEntry]:
    with os.scandir(path) as entries:
        return sorted((one for one in entries if one.name[0] != "."), key=lambda one: one.name)


def _is_image(entry: os.DirEntry) -> bool:
    return os.path.splitext(entry.name)[1].lower() in EXTENSIONS and not entry.is_dir()


def _part_folders(root: str) -> dict[str, str]:
    """Return part -> folder name, or nothing if the folders are classes."""
    entries = _entries(root)
    found: dict[str, str] = {}
    for entry in entries:
        part = PARTS.get(entry.name.lower())
        if part is None or not entry.is_dir():
            continue
        if part in found:
            raise ValueError(
                f"A data folder needs each part once. Received: {found[part]!r} and "
                f"{entry.name!r} in {root!r}"
            )
        found[part] = entry.name
    if not found:
        return {}
    inside = [_entries(os.path.join(root, name)) for name in found.values()]
    # "train" may be a class, beside "car" and "bus": then it holds images, not folders.
    if any(_is_image(entry) for entries in inside for entry in entries):
        return {}
    if "train" not in found:
        raise ValueError(
            f"A data folder with parts needs the part 'train'. Received: only "
            f"{', '.join(found.values())} in {root!r}. To read one part, name its folder."
        )
    others = [one.name for one in entries if one.is_dir() and one.name not in found.values()]
    if others:
        log.warning("Folders beside the parts are not used in %s: %s", root, ", ".join(others))
    return found


def _classes(path: str) -> dict[str, list[str]]:
    """Return class name -> image files relative to the class folder."""
    entries = _entries(path)
    around = {os.path.realpath(path)}
    classes = {one.name: list(_images(one.path, "", around)) for one in entries if one.is_dir()}
    loose = sum(_is_image(one) for one in entries)
    advice = "It needs a folder for each class, with the images in it."
    if not any(classes.values()):
        where = f" ({loose} images lie in it without a class)" if loose else ""
        raise ValueError(
            f"The data folder {path!r} has no images in class folders{where}. {advice}"
        )
    if len(classes) < 2:
        raise ValueError(
            f"The data folder {path!r} has one class only ({next(iter(classes))!r}). {advice}"
        )
    empty = [name for name, files in classes.items() if not files]
    if empty:
        kinds = _other_kinds(os.path.join(path, empty[0]))
        raise ValueError(
            f"The data folder {path!r} has classes without images: {_few(empty)}{kinds}. "
            "Add images or remove these folders."
        )
    if loose:
        log.warning("%d images in %s lie outside the class folders and are not used", loose, path)
    return classes


def _images(path: str, prefix: str, above: set[str]) -> Iterator[str]:
    """Walk through a class folder; ``above`` holds the real paths of the folders around it."""
    above = above | {os.path.realpath(path)}
    for entry in _entries(path):
        if _is_image(entry):
            yield prefix + entry.name
        # A symbolic link to a folder around it would never end.
        elif entry.is_dir() and os.path.realpath(entry.path) not in above:
            yield from _images(entry.path, f"{prefix}{entry.name}/", above)


def _other_kinds(path: str) -> str:
    kinds = sorted({os.path.splitext(one.name)[1].lower() for one in _entries(path)} - {""})
    return f" (only {_few(kinds)} files, which kcv does not read)" if kinds else ""


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _check_same_classes(
    root: str, folders: dict[str, str], listings: dict[str, dict[str, list[str]]]
) -> None:
    train = set(listings["train"])
    for part, classes in listings.items():
        missing, extra = sorted(train - set(classes)), sorted(set(classes) - train)
        if not missing and not extra:
            continue
        differences = [f"lacks {_few(missing)}"] * bool(missing)
        differences += [f"has {_few(extra)} in addition"] * bool(extra)
        raise ValueError(
            f"The parts of a data folder need the same classes. Received: {folders[part]!r} "
            f"{' and '.join(differences)}, compared with {folders['train']!r} in {root!r}"
        )


def _files(root: str, folder: str, classes: dict[str, list[str]]) -> Files:
    prefix = f"{folder}/" if folder else ""
    paths = [f"{prefix}{name}/{file}" for name, files in classes.items() for file in files]
    counts = [len(files) for files in classes.values()]
    return Files(paths, np.repeat(np.arange(len(classes)), counts))

"""Folders of images: a folder per class, or such folders inside train, val and test."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from kcv.data.images import FORMATS

log = logging.getLogger("kcv")

_OF_FORMAT = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
}
EXTENSIONS = {extension for form in FORMATS for extension in _OF_FORMAT[form]}
# Nobody takes them for images; "" stands for no extension.
_OTHERS = {
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg",
    ".md", ".rst", ".html", ".htm", ".log", ".db", ".lnk", ".url", ".aae", ".xmp", ".py", ".ipynb",
    ".sh", ".md5", ".sha256",
}  # fmt: skip
# Images that kcv does not read.
OTHER_IMAGES = {
    ".heic", ".heif", ".hif", ".jxl", ".ico", ".cur", ".tga", ".psd", ".svg", ".svgz", ".eps",
    ".exr", ".hdr", ".dds", ".pcx", ".sgi", ".xcf", ".xbm", ".xpm", ".dng", ".cr2", ".cr3", ".nef",
    ".arw", ".orf", ".rw2", ".raf", ".raw", ".dcm", ".avif", ".jp2", ".j2k", ".jpx", ".fits",
    ".mng", ".qoi",
} - EXTENSIONS  # fmt: skip
_OTHER_NAMES = {"readme", "license", "licence", "copying", "makefile", "icon\r"}
PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


class Files(NamedTuple):
    """Image files of one part.

    Attributes:
        paths: relative to the root, with forward slashes.
        labels: class numbers.
        passed_over: extension -> number of files that may be images and are not read.
    """

    paths: list[str]
    labels: np.ndarray
    passed_over: Mapping[str, int]


class _Listing(NamedTuple):
    """Class name -> image files relative to its folder, and what was passed over."""

    classes: dict[str, list[str]]
    others: Counter[str]


def read(root: str) -> tuple[list[str], dict[str, Files]]:
    """List the images of a folder.

    Classes are the sorted names of the class folders; images are looked for in them at any depth.
    Hidden files, and files whose extension is not that of an image, are passed over, with a warning
    where they may be images all the same; symbolic links are followed. Folders named ``train``,
    ``val`` (``valid``, ``validation``) and ``test`` are parts, unless images lie directly in them:
    then they are classes.

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
    listings = {part: _listing(os.path.join(root, name)) for part, name in folders.items()}
    if folders:
        _check_same_classes(root, folders, {part: one.classes for part, one in listings.items()})
    else:
        listings = {"all": _listing(root)}
    files = {part: _files(folders.get(part, ""), one) for part, one in listings.items()}
    others = passed_over(files)
    if others:
        log.warning("%s: %s %s", root, count_others(others), way_out(others))
    return list(next(iter(listings.values())).classes), files


def below(root: str) -> list[str]:
    """Return all images below a folder, whatever folders they lie in, sorted.

    Hidden files and folders are passed over, symbolic links followed; images that are not read, and
    folders that may not be, are told of.

    Raises:
        PermissionError: the folder itself may not be read.
    """
    others, closed = Counter[str](), dict[str, PermissionError]()
    found = sorted(_images(root, "", set(), others, closed))
    if root in closed:
        raise closed[root]
    if closed:
        log.warning("%s: no permission to read %s.", root, _few(sorted(closed)))
    images = {kind: others[kind] for kind in OTHER_IMAGES & others.keys()}
    if images:
        log.warning("%s: %s %s", root, count_others(images), way_out(images))
    return [os.path.join(root, *path.split("/")) for path in found]


def passed_over(parts: Mapping[str, Files]) -> dict[str, int]:
    """Return how many files of each extension may be images and are not read, the most first."""
    others = sum((Counter(files.passed_over) for files in parts.values()), Counter[str]())
    return {extension: others[extension] for extension in _most(others)}


def count_others(others: Mapping[str, int]) -> str:
    """Return a sentence on files that are passed over."""
    total = sum(others.values())
    kinds = _few([f"{others[one]:,} {one or 'without an extension'}" for one in _most(others)])
    return f"{total:,} file{' is' if total == 1 else 's are'} not taken for images: {kinds}."


def way_out(others: Mapping[str, int]) -> str:
    """Return a sentence on what to do where such files are images."""
    kinds, ways = [one for one in _most(others) if one], []
    if kinds:
        example = f"magick mogrify -format jpg *{kinds[0]}"
        ways.append(f"convert images of other kinds, for example with `{example}`")
    if "" in others:
        ways.append("give image files without an extension that of their format, such as .jpg")
    advice = ", and ".join(ways)
    return f"{advice[0].upper()}{advice[1:]}."


def _most(others: Mapping[str, int]) -> list[str]:
    return sorted(others, key=lambda one: (-others[one], one))


def _entries(path: str) -> list[os.DirEntry]:
    with os.scandir(path) as entries:
        return sorted((one for one in entries if one.name[0] != "."), key=lambda one: one.name)


def _extension(entry: os.DirEntry) -> str:
    return os.path.splitext(entry.name)[1].lower()


def _is_image(entry: os.DirEntry) -> bool:
    return _extension(entry) in EXTENSIONS and not entry.is_dir()


def _may_be_image(entry: os.DirEntry) -> bool:
    extension = _extension(entry)
    return extension not in _OTHERS if extension else entry.name.lower() not in _OTHER_NAMES


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


def _listing(path: str) -> _Listing:
    """List the class folders in a folder."""
    entries, others = _entries(path), Counter[str]()
    around = {os.path.realpath(path)}
    classes = {
        one.name: list(_images(one.path, "", around, others)) for one in entries if one.is_dir()
    }
    loose = sum(_is_image(one) for one in entries)
    advice = "It needs a folder for each class, with the images in it."
    if not any(classes.values()):
        where = f" ({_images_lie(loose)} in it without a class)" if loose else ""
        other = f" {count_others(others)} {way_out(others)}" if others else ""
        raise ValueError(
            f"The data folder {path!r} has no images in class folders{where}. {advice}{other}"
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
        log.warning("%s outside the class folders of %s and not used", _images_lie(loose), path)
    return _Listing(classes, others)


def _images_lie(count: int) -> str:
    return "1 image lies" if count == 1 else f"{count:,} images lie"


def _images(
    path: str,
    prefix: str,
    above: set[str],
    others: Counter[str],
    closed: dict[str, PermissionError] | None = None,
) -> Iterator[str]:
    """Walk through a class folder.

    Args:
        path: the folder.
        prefix: what its paths begin with.
        above: the real paths of the folders around it.
        others: is told of each file that may be an image and is passed over.
        closed: is told of each folder that may not be read; without it the error is raised.
    """
    above = above | {os.path.realpath(path)}
    try:
        entries = _entries(path)
    except PermissionError as error:
        if closed is None:
            raise
        closed[path] = error
        return
    for entry in entries:
        if _is_image(entry):
            yield prefix + entry.name
        elif entry.is_dir():
            # A symbolic link to a folder around it would never end.
            if os.path.realpath(entry.path) not in above:
                yield from _images(entry.path, f"{prefix}{entry.name}/", above, others, closed)
        elif _may_be_image(entry):
            others[_extension(entry)] += 1


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


def _files(folder: str, listing: _Listing) -> Files:
    classes, others = listing
    prefix = f"{folder}/" if folder else ""
    paths = [f"{prefix}{name}/{file}" for name, files in classes.items() for file in files]
    counts = [len(files) for files in classes.values()]
    return Files(paths, np.repeat(np.arange(len(classes)), counts), others)

"""Small pictures cut out of the photographs that scikit-learn and scikit-image bring along."""

import logging
from functools import cache

import numpy as np

from kcv.data import draws
from kcv.data.arrays import Arrays

log = logging.getLogger("kcv")

TILE = 32
PHOTOS = (
    "astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "retina",
    "rocket", "stereo_motorcycle",
)  # fmt: skip
SAMPLES = ("china", "flower")
TEXTURES = ("brick", "grass", "gravel")
# The smallest photo gives 54 tiles in a half, the largest 924: classes should not differ so much.
MOST = 120
# Black sky belongs to several photos: a tile that is flat says nothing of its class.
FLAT = 2.0


@cache
def tiles() -> tuple[list[str], dict[str, Arrays]]:
    """Return names and the parts train and test of ``tiles``: which photo is a tile from?

    Tiles of 32x32 pixels, RGB, of ten photographs: of one half of each photo for training, of the
    other one for the test, with a gap as wide as a tile between them. Flat tiles are left out; a
    class has at most 120 in a part, always the same ones. Without scikit-image there are the two
    photos of scikit-learn.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise _missing("tiles", "scikit-learn") from error
    found = dict(zip(SAMPLES, load_sample_images().images, strict=True))
    try:
        from skimage import data
    except ImportError:
        log.warning(
            "The data 'tiles' has 2 classes only, because scikit-image is not installed. "
            'Run: pip install "kcv[course]"'
        )
    else:
        found |= {name: _photo(getattr(data, name)()) for name in PHOTOS}
    return _cut({name: found[name] for name in sorted(found)})


@cache
def textures() -> tuple[list[str], dict[str, Arrays]]:
    """Return names and the parts train and test of ``textures``: brick, grass or gravel?

    Tiles of 32x32 pixels, grey, cut as in ``tiles``.

    Raises:
        ImportError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise _missing("textures", "scikit-image") from error
    return _cut({name: getattr(data, name)() for name in TEXTURES})


def _missing(name: str, package: str) -> ImportError:
    return ImportError(
        f'The data {name!r} needs {package}, which is not installed. Run: pip install "kcv[course]"'
    )


def _photo(loaded: np.ndarray | tuple) -> np.ndarray:
    """Return the picture; of a stereo pair, the left one."""
    return loaded[0] if isinstance(loaded, tuple) else loaded


def _cut(photos: dict[str, np.ndarray]) -> tuple[list[str], dict[str, Arrays]]:
    parts: dict[str, Arrays] = {}
    for part in ("train", "test"):
        cut = [_tiles(_half(photo, part), f"{part}/{name}") for name, photo in photos.items()]
        labels = np.repeat(np.arange(len(cut)), [len(one) for one in cut])
        parts[part] = Arrays(np.concatenate(cut), labels)
    return list(photos), parts


def _half(photo: np.ndarray, part: str) -> np.ndarray:
    """Return the left or, of an upright photo, the upper half for training, else the other one."""
    axis = 0 if photo.shape[0] > photo.shape[1] else 1
    middle, gap = photo.shape[axis] // 2, TILE // 2
    kept = slice(0, middle - gap) if part == "train" else slice(middle + gap, None)
    return photo[kept] if axis == 0 else photo[:, kept]


def _tiles(photo: np.ndarray, name: str) -> np.ndarray:
    """Return up to ``MOST`` tiles ``(N, 32, 32)`` or ``(N, 32, 32, 3)`` that do not overlap."""
    rows, columns = photo.shape[0] // TILE, photo.shape[1] // TILE
    grid = photo[: rows * TILE, : columns * TILE]
    grid = grid.reshape(rows, TILE, columns, TILE, *photo.shape[2:]).swapaxes(1, 2)
    every = grid.reshape(rows * columns, TILE, TILE, *photo.shape[2:])
    every = every[every.reshape(len(every), -1).std(1) >= FLAT]
    order = np.argsort(draws.scores([f"{name}/{number}" for number in range(len(every))], "tiles"))
    return every[np.sort(order[:MOST])]

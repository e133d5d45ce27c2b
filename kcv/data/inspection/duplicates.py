"""Exact and near duplicates.

Near means: the same picture after another encoding, another size, or more or less light; a cut of
a few per cent at its edges is found in half of the cases. The twenty images most similar to each
one are found by coarse pictures of 16x16 levels of grey, and compared by their details: the band
between blurs of 3 and 7 pixels of the picture of 32x32, at the best of nine shifts by a pixel. Both
comparisons are correlations, which light does not change.

Photographs of different things hardly correlate in detail, while clothes, digits or X-ray pictures,
all centred on one background, do without being duplicates. Hence the limit follows the data: a
pair must be more alike than nearly all images are to their third best match, and stand out from the
other images that look much like one of the two. Colours must agree as well.
"""

from typing import NamedTuple

import numpy as np

SIDE, COARSE = 32, 16
BLOCK, CANDIDATES = 500, 20
# Least correlation, coarse and in detail: 97 of 100 copies of photographs reach it that were
# encoded anew, halved or lightened, and half of those cut by up to 3 %; tiles of a photograph do
# not.
COARSE_LIMIT, DETAIL_LIMIT = 0.90, 0.92
# The limit is raised to that share of the images' correlation with their third best match.
THIRD, MOST = 3, 0.98
# What is missing to 1 must be at most this share of what is missing to the tenth most similar.
STANDS_OUT, CROWD = 0.2, 10
# Nothing but copies comes so close, however many there are: the frames of a film that stands still.
CERTAIN = 0.997
# Mean difference of colours, in levels: this much, and this share of how colourful the images are.
COLOUR, COLOURFUL = 4.0, 0.35
# Below this strength, in levels of grey, what is compared would be noise.
FLAT = 0.5


class Group(NamedTuple):
    """Images that are one picture: ``exact`` in file or pixels, else alike; numbers, ascending."""

    exact: bool
    members: tuple[int, ...]


def exact(hashes: list[tuple[bytes, bytes]]) -> list[Group]:
    """Return groups of images of which file or pixels are equal.

    Args:
        hashes: of file and pixels of each image; empty ones are not compared.
    """
    links: list[tuple[int, int]] = []
    for column in (0, 1):
        first: dict[bytes, int] = {}
        for at, pair in enumerate(hashes):
            if pair[column]:
                links.append((first.setdefault(pair[column], at), at))
    return [Group(True, members) for members in _join(len(hashes), links)]


def near(small: np.ndarray) -> list[tuple[int, int, float]]:
    """Return pairs of images that are nearly the same, with the correlation of their details.

    Takes ``N ** 2`` multiplications of 256 numbers: seconds for 10,000 images, minutes for 100,000.

    Args:
        small: pictures ``(N, 32, 32, 3)``, uint8, none of them twice.
    """
    if len(small) < 2:
        return []
    grey = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    coarse = _unit(grey.reshape(-1, COARSE, 2, COARSE, 2).mean((2, 4)))
    close: dict[tuple[int, int], float] = {}
    crowd, third = np.full((2, len(small)), -1.0)
    colours = _colours(small)
    for start in range(0, len(coarse), BLOCK):
        rows, columns = _candidates(coarse, start)
        details = _compare(grey, rows, columns)
        block = slice(start, min(start + BLOCK, len(small)))
        crowd[block] = _ranked(rows - start, details, CROWD, block.stop - start)
        third[block] = _ranked(rows - start, details, THIRD, block.stop - start)
        alike = (details >= DETAIL_LIMIT) & _same_colours(colours[rows], colours[columns])
        for at in np.flatnonzero(alike).tolist():
            pair = sorted((int(rows[at]), int(columns[at])))
            close[pair[0], pair[1]] = float(details[at])
    limit = np.quantile(third, MOST)
    return [
        (*pair, detail)
        for pair, detail in sorted(close.items())
        if detail >= CERTAIN
        or (detail >= limit and 1 - detail <= STANDS_OUT * (1 - crowd[list(pair)].max()))
    ]


def _colours(small: np.ndarray) -> np.ndarray:
    """Return what is not grey in 4x4 cells of pictures: ``(N, 32, 32, 3)`` -> ``(N, 48)``."""
    cells = small.reshape(-1, 4, 8, 4, 8, 3).mean((2, 4), dtype=np.float32)
    return (cells - cells.mean(-1, keepdims=True)).reshape(len(small), -1)


def _same_colours(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    colourful = np.maximum(np.abs(one).mean(1), np.abs(other).mean(1))
    return np.abs(one - other).mean(1) <= COLOUR + COLOURFUL * colourful


def _candidates(coarse: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs to compare in detail, at most 20 for each image of a block."""
    likeness = coarse[start : start + BLOCK] @ coarse.T
    inside = np.arange(len(likeness))
    likeness[inside, inside + start] = -1
    count = min(CANDIDATES, likeness.shape[1] - 1)
    columns = np.argpartition(-likeness, count - 1, axis=1)[:, :count].ravel()
    rows = np.repeat(inside, count)
    kept = likeness[rows, columns] >= COARSE_LIMIT
    return rows[kept] + start, columns[kept]


def _ranked(rows: np.ndarray, details: np.ndarray, rank: int, count: int) -> np.ndarray:
    """Return the correlation of each row that has a rank, or -1 where there are fewer."""
    order = np.lexsort((-details, rows))
    first = np.searchsorted(rows[order], np.arange(count))
    there = np.bincount(rows, minlength=count) >= rank
    result = np.full(count, -1.0)
    result[there] = details[order][first[there] + rank - 1]
    return result


def _compare(grey: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of the details of pairs, at the best shift."""
    if not len(first):
        return np.zeros(0, np.float32)
    used, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, other = np.split(place, 2)
    narrow = _blur(grey[used], 1)
    details = narrow - _blur(narrow, 3)
    inner = _unit(details[:, 1:-1, 1:-1])
    best = np.full(len(one), -1, np.float32)
    for top in range(3):
        for left in range(3):
            shifted = _unit(details[:, top : SIDE - 2 + top, left : SIDE - 2 + left])
            best = np.maximum(best, np.einsum("nd,nd->n", inner[one], shifted[other]))
    return best


def _unit(pictures: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = flat / np.maximum(length, 1e-6)
    flat[length[:, 0] < FLAT * np.sqrt(flat.shape[1])] = 0
    return flat


def _blur(pictures: np.ndarray, radius: int) -> np.ndarray:
    """Return the mean over squares of ``2 * radius + 1`` pixels, with the edges continued."""
    pad = ((0, 0), (radius, radius), (radius, radius))
    padded = np.pad(pictures, pad, mode="edge")
    size, side = 2 * radius + 1, pictures.shape[1]
    lines = sum(padded[:, at : at + side] for at in range(size))
    return sum(lines[:, :, at : at + side] for at in range(size)) / size**2  # type: ignore


def join(exact_groups: list[Group], pairs: list[tuple[int, int, float]], count: int) -> list[Group]:
    """Return groups of exact and near duplicates together; a group with a near one is not exact."""
    links = [(group.members[0], other) for group in exact_groups for other in group.members[1:]]
    whole = {group.members for group in exact_groups}
    joined = _join(count, links + [pair[:2] for pair in pairs])
    return [Group(members in whole, members) for members in joined]


def _join(count: int, links: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return the connected groups of more than one, each ascending, by their first member."""
    above = list(range(count))

    def top(at: int) -> int:
        while above[at] != at:
            above[at] = above[above[at]]
            at = above[at]
        return at

    for one, other in links:
        low, high = sorted((top(one), top(other)))
        above[high] = low
    groups: dict[int, list[int]] = {}
    for at in range(count):
        groups.setdefault(top(at), []).append(at)
    return [tuple(members) for members in groups.values() if len(members) > 1]

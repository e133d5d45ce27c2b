"""Cutout and GridMask, against their authors' rules written out; erasing is in test_augment.py."""

import collections
import math

import numpy as np
import pytest
from PIL import Image

from kcv.data import draws
from kcv.data.holes import Cutout, GridMask

WHITE = np.full((120, 150, 1), 255, np.uint8)


def masks(operation, count=100, image=WHITE):
    return [operation(image, draws.generator(0, 0, i))[..., 0] == 0 for i in range(count)]


def assert_drawn_as(found, expected):
    """Every mask is one that the rule can give, as often as it gives it within 5 deviations."""
    counts = collections.Counter(one.tobytes() for one in found)
    assert set(counts) == set(expected)
    for mask, weight in expected.items():
        mean = weight * len(found)
        assert abs(counts[mask] - mean) <= 5 * math.sqrt(mean)


def test_cutout_is_drawn_as_its_authors_do():
    """uoguelph-mlrg/Cutout, util/cutout.py: half the length to each side of any pixel, clipped."""
    height, width, length = 9, 11, 4
    expected = collections.Counter()
    for y in range(height):
        for x in range(width):
            mask = np.zeros((height, width), bool)
            for row in range(y - length // 2, y + length // 2):
                for column in range(x - length // 2, x + length // 2):
                    if 0 <= row < height and 0 <= column < width:
                        mask[row, column] = True
            expected[mask.tobytes()] += 1 / (height * width)
    assert len(expected) == 99
    assert_drawn_as(masks(Cutout(length), 9900, WHITE[:height, :width]), expected)


def as_published(height, width, distances, ratio, rotate):
    """Return {mask: probability} after dvlab-research/GridMask, imagenet_grid/utils/grid.py."""
    side, expected = math.ceil(math.sqrt(height * height + width * width)), collections.Counter()
    for distance in distances:
        for moved in np.ndindex(distance, distance):
            mask = np.ones((side, side), np.uint8)
            for axis, start in enumerate(moved):
                for begin in range(start - distance, side, distance):
                    end = begin + math.ceil(distance * ratio)
                    mask.swapaxes(0, axis)[max(begin, 0) : max(end, 0)] = 0
            for angle in range(rotate):
                turned = np.asarray(Image.fromarray(mask).rotate(angle)) == 1
                top, left = (side - height) // 2, (side - width) // 2
                inside = turned[top : top + height, left : left + width]
                chance = 1 / (len(distances) * distance**2 * rotate)
                expected[inside.tobytes()] += chance
    return expected


TURNED = pytest.param(0.5, 31, marks=pytest.mark.slow)


@pytest.mark.parametrize(("ratio", "rotate"), [(0.6, 1), (0.5, 1), (0.3, 1), (0.6, 4), TURNED])
def test_grids_are_drawn_as_their_authors_do(ratio, rotate):
    distances, shape = (range(4, 6), (20, 30)) if rotate == 1 else (range(4, 5), (40, 30))
    reach = (distances[0] / min(shape), distances[-1] / min(shape))
    expected = as_published(*shape, distances, ratio, rotate)
    assert len(expected) >= 12 * rotate
    found = masks(
        GridMask(1.0, reach, ratio, degrees=rotate),
        60 * len(expected),
        WHITE[: shape[0], : shape[1]],
    )
    assert_drawn_as(found, expected)


def test_squares_cover_their_share_of_the_image():
    shares = [one.mean() for one in masks(GridMask(1.0, (0.2, 0.4), keep=0.6))]
    assert np.mean(shares) == pytest.approx(0.4**2, abs=0.02)


def test_squares_lie_on_a_grid():
    for one in masks(GridMask(1.0, (0.25, 0.25), keep=0.5, degrees=1), 20):
        rows, columns = one.any(1), one.any(0)
        assert (one == rows[:, None] & columns).all()
        edges = np.flatnonzero(np.diff(rows.astype(int)) == 1)
        assert (np.diff(edges) == 30).all()


def test_the_grid_is_moved_and_drawn_at_its_rate():
    drawn = masks(GridMask(0.6), 200)
    assert 95 < sum(one.any() for one in drawn) < 145
    assert len({one.tobytes() for one in drawn}) > 80


def test_a_small_image_loses_something_too():
    assert all(one.any() for one in masks(GridMask(1.0, (0.1, 0.1)), 20, WHITE[:10, :10]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: GridMask(2), "GridMask needs 0 <= rate <= 1. Received: rate=2"),
        (lambda: GridMask(keep=1), "GridMask needs 0 < keep < 1. Received: keep=1"),
        (lambda: GridMask(degrees=0), "GridMask needs degrees >= 1. Received: degrees=0"),
        (lambda: GridMask(distance=(0, 1)), r"GridMask needs 0 < distance\[0\]"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

"""GridMask; cutout and erasing are in test_augment.py."""

import numpy as np
import pytest

from kcv.data import draws
from kcv.data.holes import GridMask

WHITE = np.full((120, 150, 1), 255, np.uint8)


def masks(operation, count=100):
    return [operation(WHITE, draws.generator(0, 0, i))[..., 0] == 0 for i in range(count)]


def test_squares_cover_their_share_of_the_image():
    shares = [one.mean() for one in masks(GridMask(1.0, (0.2, 0.4), keep=0.6))]
    assert np.mean(shares) == pytest.approx(0.4**2, abs=0.02)


def test_squares_lie_on_a_grid():
    for one in masks(GridMask(1.0, (0.25, 0.25), keep=0.5), 20):
        rows, columns = one.any(1), one.any(0)
        assert (one == rows[:, None] & columns).all()
        edges = np.flatnonzero(np.diff(rows.astype(int)) == 1)
        assert (np.diff(edges) == 30).all()


def test_the_grid_is_moved_and_drawn_at_its_rate():
    drawn = masks(GridMask(0.6), 200)
    assert 95 < sum(one.any() for one in drawn) < 145
    assert len({one.tobytes() for one in drawn}) > 80


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: GridMask(2), "GridMask needs 0 <= rate <= 1. Received: rate=2"),
        (lambda: GridMask(keep=1), "GridMask needs 0 < keep < 1. Received: keep=1"),
        (lambda: GridMask(distance=(0, 1)), r"GridMask needs 0 < distance\[0\]"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

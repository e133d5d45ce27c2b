"""Turns and tilts; pixels against torchvision are in test_reference.py."""

import numpy as np
import pytest

from kcv.data import draws, warps
from kcv.data.operations import Border
from kcv.data.warps import RandomAffine, RandomPerspective

IMAGE = np.random.default_rng(0).integers(1, 256, (40, 60, 3), np.uint8)
STILL = {"angle": 0, "shift": (0, 0), "scale": 1, "shear": (0, 0)}


def results(operation, count=200, image=IMAGE):
    return [operation(image, draws.generator(0, 0, index)) for index in range(count)]


@pytest.mark.parametrize(
    "operation", [RandomAffine(shear=10), RandomPerspective()], ids=lambda one: type(one).__name__
)
def test_the_same_generator_gives_the_same_pixels_and_the_input_stays(operation):
    for image in (IMAGE, IMAGE[:, ::-1], IMAGE[:, :, :1]):
        before = image.copy()
        first, again = (results(operation, 10, image) for _ in range(2))
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert any((one != image).any() for one in first)
        assert {(one.shape, one.dtype) for one in first} == {(image.shape, np.dtype(np.uint8))}
        assert (image == before).all()


def test_half_a_turn_and_a_shift_are_exact():
    turned = warps.affine(IMAGE, **STILL | {"angle": 180})
    np.testing.assert_array_equal(turned, IMAGE[::-1, ::-1])
    moved = warps.affine(IMAGE, **STILL | {"shift": (7, -3)}, border=Border(fill=9))
    np.testing.assert_array_equal(moved[:-3, 7:], IMAGE[3:, :-7])
    assert (moved[-3:] == 9).all()
    assert (moved[:, :7] == 9).all()


def test_a_scale_of_two_shows_the_middle_half():
    np.testing.assert_array_equal(
        warps.affine(IMAGE, **STILL | {"scale": 2})[::2, ::2], IMAGE[10:30, 15:45]
    )


def test_a_shear_moves_rows_by_their_height():
    column = np.zeros((41, 61, 1), np.uint8)
    column[:, 30] = 255
    sheared = warps.affine(column, **STILL | {"shear": (45, 0)})
    places = sheared[..., 0].argmax(1)[1:-1]
    assert set(np.diff(places)) in ({1}, {-1})


def test_corners_that_stay_change_nothing_and_others_arrive_where_they_are_sent():
    ends = [(0, 0), (59, 0), (59, 39), (0, 39)]
    np.testing.assert_array_equal(warps.perspective(IMAGE, ends), IMAGE)
    white = np.full((40, 60, 1), 255, np.uint8)
    tilted = warps.perspective(white, [(20, 10), (59, 0), (59, 39), (20, 29)])
    assert not tilted[:, :19].any()
    assert (tilted[12:28, 22:] == 255).all()


def test_draws_fill_their_ranges(monkeypatch):
    seen = []
    monkeypatch.setattr(warps, "affine", lambda image, *given: seen.append(given) or image)
    results(RandomAffine(30, (0.1, 0.2), (0.5, 1.5), 20), 400)
    angle, shift, scale, shear, _ = zip(*seen, strict=True)
    assert (min(angle), max(angle)) == pytest.approx((-30, 30), abs=1)
    assert {x for x, _ in shift} == set(range(-6, 7))
    assert {y for _, y in shift} == set(range(-8, 9))
    assert (min(scale), max(scale)) == pytest.approx((0.5, 1.5), abs=0.02)
    assert (min(shear)[0], max(shear)[0]) == pytest.approx((-20, 20), abs=1)


def test_corners_move_inwards_by_no_more_than_the_distortion(monkeypatch):
    seen = []
    monkeypatch.setattr(warps, "perspective", lambda image, given, _: seen.append(given) or image)
    results(RandomPerspective(0.5, 1.0), 400)
    corners = np.array(seen)
    assert (corners.min(0) == [(0, 0), (44, 0), (44, 29), (0, 29)]).all()
    assert (corners.max(0) == [(15, 10), (59, 10), (59, 39), (15, 39)]).all()


def test_changes_happen_at_their_rate():
    for operation in (RandomAffine(rate=0.3), RandomPerspective(rate=0.3)):
        assert 110 < sum(one is IMAGE for one in results(operation)) < 170


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: RandomAffine(rate=2), "RandomAffine needs 0 <= rate <= 1. Received: rate=2"),
        (lambda: RandomAffine(scale=(0, 1)), r"RandomAffine needs 0 < scale\[0\]"),
        (lambda: RandomAffine(translate=(2, 0)), r"0 <= translate <= 1. Received: translate=\(2"),
        (lambda: RandomAffine(shear=90), "0 <= shear < 90. Received: shear=90"),
        (lambda: RandomAffine(interpolation="box"), "RandomAffine needs interpolation in"),
        (lambda: RandomPerspective(2), "0 <= distortion <= 1. Received: distortion=2"),
        (lambda: RandomPerspective(fill=256), "RandomPerspective needs fill in 0..255"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

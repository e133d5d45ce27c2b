"""Flips of large images; the rest is in test_augment.py."""

import numpy as np
import pytest

from kcv.data import draws
from kcv.data.geometry import HorizontalFlip, VerticalFlip

LARGE = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)


@pytest.mark.parametrize("extra", [True, False])
def test_large_images_are_mirrored_like_small_ones(monkeypatch, extra):
    if not extra:
        monkeypatch.setattr("kcv.data.geometry.opencv", lambda: None)
    frozen = LARGE.copy()
    frozen.flags.writeable = False
    grey = LARGE[:, :, :1].repeat(3, axis=0).copy()
    for image in (LARGE, grey, LARGE[:, 5:], LARGE[::-1], frozen, LARGE[:9, :9]):
        flipped = HorizontalFlip(1.0)(image, draws.generator(0, 0, 0))
        np.testing.assert_array_equal(flipped, image[:, ::-1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_flip_in_its_own_memory_is_the_same(channels):
    for index in range(20):
        image = LARGE[:, :, :channels].copy()
        expected = HorizontalFlip()(image, draws.generator(0, 0, index)).copy()
        made = HorizontalFlip().change(image, draws.generator(0, 0, index))
        np.testing.assert_array_equal(made, expected)
        assert channels == 1 or made is image


def test_a_vertical_flip_mirrors_top_and_bottom_at_its_rate():
    made = [VerticalFlip(0.3)(LARGE, draws.generator(0, 0, i)) for i in range(200)]
    assert 40 < sum((one == LARGE[::-1]).all() for one in made) < 80
    with pytest.raises(ValueError, match="VerticalFlip needs 0 <= rate <= 1. Received: rate=2"):
        VerticalFlip(2)

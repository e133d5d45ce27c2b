"""Resizing for evaluation: the pixels of torchvision, any shape, limits."""

import time

import numpy as np
import pytest
from PIL import Image

from kcv.data import resize_image


@pytest.mark.parametrize(
    ("height", "width", "top", "left"), [(375, 500, 16, 58), (419, 256, 82, 16)]
)
def test_the_centre_crop_is_that_of_torchvision(height, width, top, left):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    size = (int(256 * 500 / 375), 256) if width > height else (256, int(256 * 419 / 256))
    resized = np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    expected = resized[top : top + 224, left : left + 224]
    if height == 419:
        # (419 - 256) / 2 = 81.5 is rounded to even: up to 82, where 58.5 above went down to 58.
        expected = resized[82 : 82 + 256, :256]
        np.testing.assert_array_equal(resize_image(image, 256, crop_pct=1.0), expected)
    else:
        np.testing.assert_array_equal(resize_image(image, 224), expected)


def test_a_centre_half_a_pixel_off_may_be_taken_at_the_lower_one():
    image = np.random.default_rng(0).integers(0, 256, (419, 256, 3), np.uint8)
    lower = resize_image(image, 256, "crop_floor", crop_pct=1.0)
    np.testing.assert_array_equal(lower, image[81 : 81 + 256])


@pytest.mark.parametrize(("mode", "top"), [("squash_crop", 2), ("squash_crop_floor", 1)])
def test_squashed_images_may_be_cropped(mode, top):
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    whole = np.array(Image.fromarray(image).resize((35, 35), Image.Resampling.BICUBIC))
    found = resize_image(image, 32, mode, 32 / 35, "bicubic")
    np.testing.assert_array_equal(found, whole[top : top + 32, top : top + 32])


def test_the_centre_may_be_cut_out_before_it_is_resized():
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    for size, part in (((32, 32), image[8:53, 22:67]), ((20, 40), image[13:46, 11:78])):
        expected = Image.fromarray(part).resize(size[::-1], Image.Resampling.BICUBIC)
        found = resize_image(image, size, "crop_first", 0.75, "bicubic")
        np.testing.assert_array_equal(found, np.asarray(expected))
    assert resize_image(image[:1, :1], 4, "crop_first").shape == (4, 4, 3)


def test_resizing_averages_instead_of_picking_pixels():
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    small = resize_image(board, (16, 8), mode="squash")
    assert small.shape == (16, 8, 1)
    assert abs(small.astype(int) - 127).max() < 8


def test_a_crop_of_another_shape_is_filled_by_the_image():
    image = np.full((50, 200, 3), 90, np.uint8)
    for size in [(32, 64), (64, 32), (7, 7)]:
        assert resize_image(image, size).shape == (*size, 3)


def test_a_long_strip_does_not_fill_the_memory():
    strip = np.zeros((3, 200_000, 3), np.uint8)
    strip[:, 99_990:100_010] = 250
    start = time.process_time()
    assert (resize_image(strip, 64, interpolation="nearest") == 250).all()
    assert time.process_time() - start < 0.5


def test_an_image_of_the_right_size_is_not_changed():
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8)
    np.testing.assert_array_equal(resize_image(image, 28, crop_pct=1.0), image)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"mode": "fit"}, "needs mode in crop, .*, squash_crop_floor. Received: mode='fit'"),
        ({"crop_pct": 1.2}, "needs 0 < crop_pct <= 1. Received: crop_pct=1.2"),
        ({"interpolation": "cubic"}, "bicubic, lanczos. Received: interpolation='cubic'"),
    ],
)
def test_unknown_ways_to_resize_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        resize_image(np.zeros((4, 4, 3), np.uint8), 2, **wrong)

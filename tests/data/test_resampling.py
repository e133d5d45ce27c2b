"""Resizing of training images, against Pillow."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from kcv.data import pixels, read_image
from kcv.data.reading import Wanted, reduced
from kcv.data.resampling import QUALITIES, own_code, reduction, resample

CHINA = load_sample_image("china.jpg")
RECTANGLES = [(0, 0, 427, 640), (30, 50, 300, 350), (100, 100, 90, 130), (7, 3, 400, 120)]


# Largest difference in grey levels: torch's weights have fewer digits. 150 random rectangles and
# sizes gave 1 and 8; more than 1 in two crops of ten, there in a thousandth of the pixels.
BY_TORCH = {"bilinear": 1, "bicubic": 8}


def by_pillow(image, rectangle, size, filter_):
    top, left, height, width = rectangle
    crop = np.ascontiguousarray(image[top : top + height, left : left + width])
    picture = Image.fromarray(crop[..., 0] if crop.shape[2] == 1 else crop)
    resized = np.asarray(picture.resize((size[1], size[0]), filter_))
    return resized if resized.ndim == 3 else resized[..., None]


def away(one, other):
    return abs(one.astype(int) - other.astype(int))


@pytest.mark.parametrize("rectangle", RECTANGLES)
@pytest.mark.parametrize("quality", [one for one in QUALITIES if one != "fast"])
def test_antialiased_qualities_are_those_of_pillow(rectangle, quality):
    filter_ = getattr(Image.Resampling, quality.upper())
    for image in (CHINA, CHINA[:, :, :1]):
        resized = resample(image, rectangle, (112, 96), quality)
        difference = away(resized, by_pillow(image, rectangle, (112, 96), filter_))
        assert difference.max() <= (BY_TORCH.get(quality, 0) if image.shape[2] == 3 else 0)
        assert difference.mean() < 0.25
        assert resized.flags.c_contiguous


def test_a_view_that_must_not_be_written_into_is_taken():
    image = np.broadcast_to(CHINA[:, :, :1], CHINA.shape)
    assert resample(image, RECTANGLES[1], (64, 64)).shape == (64, 64, 3)


def test_the_size_of_the_rectangle_is_not_resized():
    np.testing.assert_array_equal(resample(CHINA, (5, 6, 40, 50), (40, 50)), CHINA[5:45, 6:56])


def test_fast_leaves_no_pixel_out_and_equals_bilinear_without_opencv(monkeypatch):
    pytest.importorskip("cv2")
    dots = np.zeros((448, 448, 3), np.uint8)
    dots[::7, ::7] = 255
    quick = resample(dots, (0, 0, 448, 448), (64, 64), "fast")
    assert away(quick, np.full_like(quick, 255 // 49)).max() <= 2
    # Enlarging, where nothing can be left out, it is the same thing.
    enlarged = resample(CHINA, RECTANGLES[2], (224, 224), "fast")
    slow = resample(CHINA, RECTANGLES[2], (224, 224), "bilinear")
    assert away(enlarged, slow).max() <= 2
    monkeypatch.setattr("kcv.data.resampling.opencv", lambda: None)
    np.testing.assert_array_equal(resample(CHINA, RECTANGLES[2], (224, 224), "fast"), slow)
    assert pixels.opencv() is not None


def test_a_grey_image_keeps_its_axis():
    for quality in QUALITIES:
        assert resample(CHINA[:, :, :1], RECTANGLES[1], (30, 40), quality).shape == (30, 40, 1)


def test_a_file_is_reduced_only_where_two_pixels_are_left_for_one():
    assert reduction((0, 0, 448, 448), (224, 224)) == 1
    assert reduction((0, 0, 895, 5000), (224, 224)) == 1
    assert reduction((0, 0, 896, 896), (224, 224)) == 2
    assert reduction((9, 9, 1792, 1792), (224, 224)) == 4
    assert reduction((0, 0, 9000, 9000), (224, 224)) == 8


def test_fast_is_content_with_one_pixel_for_one():
    assert reduction((0, 0, 447, 500), (224, 224), "fast") == 1
    assert reduction((0, 0, 448, 448), (224, 224), "fast") == 2
    assert reduction((0, 0, 2000, 1792), (224, 224), "fast") == 8


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_crop_that_is_made_in_given_memory_is_the_same(quality):
    expected = resample(CHINA, RECTANGLES[1], (64, 56), quality)
    memory = np.zeros((2, 64, 56, 3), np.uint8)
    made = resample(CHINA, RECTANGLES[1], (64, 56), quality, out=memory[1])
    np.testing.assert_array_equal(made, expected)
    assert not memory[0].any()
    assert (made is memory.base or np.shares_memory(made, memory)) == (
        quality in ("fast", "bilinear", "bicubic")
    )


@pytest.mark.parametrize("rectangle", [(0, 0, 427, 640), (300, 500, 127, 140), (426, 639, 1, 1)])
@pytest.mark.parametrize("fraction", [2, 4, 8])
def test_a_fast_crop_of_a_reduced_image_lies_where_it_should(rectangle, fraction):
    top, left, height, width = rectangle
    rows, columns = np.mgrid[: -(-427 // fraction), : -(-640 // fraction)] * fraction
    places = np.stack([rows % 256, columns % 256, (columns >> 8) * 100], -1).astype(np.uint8)
    made = resample(places, rectangle, (1, 1), "fast", fraction)
    assert made.shape == (1, 1, 3)
    if height == 1:
        assert made[0, 0].tolist() == [places[-1, -1, 0], places[-1, -1, 1], places[-1, -1, 2]]


def test_opencv_is_given_back_as_it_was():
    cv2 = pytest.importorskip("cv2")
    used = cv2.ipp.useIPP()
    with own_code(cv2):
        assert not cv2.ipp.useIPP()
    assert cv2.ipp.useIPP() == used
    with pytest.raises(cv2.error), own_code(cv2):
        cv2.resize(CHINA, (0, 0))
    assert cv2.ipp.useIPP() == used


@pytest.mark.parametrize("fraction", [2, 4, 8])
def test_a_reduced_photograph_gives_nearly_the_same_crop(fraction):
    picture, file = Image.fromarray(CHINA[:, :, ::-1]), BytesIO()
    picture.save(file, "JPEG", quality=92)
    full = read_image(file.getvalue())
    with reduced(lambda height, width: Wanted(fraction)):
        small = read_image(file.getvalue())
    rectangle = (43, 101, 377, 511)
    size = (377 // fraction // 2, 511 // fraction // 2)
    assert reduction(rectangle, size) == fraction
    crop = resample(small, rectangle, size, "bilinear", fraction)
    expected = resample(full, rectangle, size)
    difference = away(crop, expected)
    assert difference.mean() < 2
    assert np.percentile(difference, 99) < 12
    assert resample(small[:, :, :1], rectangle, size, "fast", fraction).shape == (*size, 1)

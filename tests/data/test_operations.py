"""Image operations, on a photograph, against Pillow written out and obvious NumPy."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from sklearn.datasets import load_sample_image

from kcv.data import operations

FLOWER = np.ascontiguousarray(load_sample_image("flower.jpg")[150:246, 200:328])
GREY = FLOWER[:, :, 1:2]
PICTURE = Image.fromarray(FLOWER)
AFFINE, NEAREST = Image.Transform.AFFINE, Image.Resampling.NEAREST


def affine(*matrix):
    return PICTURE.transform(PICTURE.size, AFFINE, matrix, NEAREST)


WRITTEN_OUT = [
    ("identity", 0, PICTURE),
    ("autocontrast", 0, ImageOps.autocontrast(PICTURE)),
    ("equalize", 0, ImageOps.equalize(PICTURE)),
    ("invert", 0, ImageOps.invert(PICTURE)),
    ("rotate", -17.5, PICTURE.rotate(-17.5, NEAREST)),
    ("posterize", 3, ImageOps.posterize(PICTURE, 3)),
    ("posterize", 8, PICTURE),
    ("solarize", 76.5, ImageOps.solarize(PICTURE, 76.5)),
    ("color", -0.81, ImageEnhance.Color(PICTURE).enhance(0.19)),
    ("contrast", 0.27, ImageEnhance.Contrast(PICTURE).enhance(1.27)),
    ("brightness", -0.27, ImageEnhance.Brightness(PICTURE).enhance(0.73)),
    ("sharpness", 0.9, ImageEnhance.Sharpness(PICTURE).enhance(1.9)),
    ("blur", 1.3, PICTURE.filter(ImageFilter.GaussianBlur(1.3))),
    ("shear_x", 0.3, affine(1, 0.3, 0, 0, 1, 0)),
    ("shear_y", -0.3, affine(1, 0, 0, -0.3, 1, 0)),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRITTEN_OUT, ids=lambda one: str(one)[:12])
def test_an_operation_gives_the_pixels_of_pillow(name, value, expected):
    np.testing.assert_array_equal(operations.apply(FLOWER, name, value), np.array(expected))


@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_grey_images_and_views_are_taken_and_left_alone(name):
    for image in (GREY, FLOWER[:, ::-1]):
        before = image.copy()
        changed = operations.apply(image, name, 1, fill=(1, 2, 3))
        assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
        assert (image == before).all()
        assert not np.shares_memory(changed, image)


def test_levels_below_the_middle_are_raised_by_solarize_add():
    expected = np.where(FLOWER < 128, np.minimum(FLOWER.astype(int) + 60, 255), FLOWER)
    np.testing.assert_array_equal(operations.apply(FLOWER, "solarize_add", 60), expected)


def test_no_bits_kept_is_black():
    assert not operations.apply(FLOWER, "posterize", 0).any()


def test_a_translation_moves_right_and_down_and_fills():
    right = operations.apply(FLOWER, "translate_x", 5, fill=(10, 20, 30))
    np.testing.assert_array_equal(right[:, 5:], FLOWER[:, :-5])
    assert (right[:, :5] == (10, 20, 30)).all()
    down = operations.apply(FLOWER, "translate_y", 7, fill=9)
    np.testing.assert_array_equal(down[7:], FLOWER[:-7])
    assert (down[:7] == 9).all()
    assert (operations.apply(GREY, "translate_y", 7, fill=(10, 20, 30))[:7] == 20).all()


def test_interpolation_smooths_what_is_turned():
    nearest, bilinear = (
        operations.apply(FLOWER, "rotate", 20, interpolation=name)
        for name in ("nearest", "bilinear")
    )
    expected = np.array(PICTURE.rotate(20, Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(bilinear, expected)
    assert (nearest != bilinear).any()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": "smear"}, "apply needs one of identity, .* Received: name='smear'"),
        ({"value": float("nan")}, "apply needs a finite value. Received: value=nan"),
        ({"interpolation": "box"}, "nearest, bilinear, bicubic. Received: interpolation='box'"),
        ({"fill": 256}, r"apply needs fill in 0..255, or three such .* Received: fill=256"),
        ({"fill": (1, 2)}, r"three such levels. Received: fill=\(1, 2\)"),
    ],
)
def test_settings_that_cannot_be_applied_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        operations.apply(FLOWER, **({"name": "rotate"} | arguments))

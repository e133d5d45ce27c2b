"""The operations by OpenCV, against those of Pillow, on photographs."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from kcv.data import pixels
from kcv.data.operations import (
    AFFINE_INTERPOLATIONS,
    OPERATIONS,
    Border,
    Step,
    run,
    to_array,
    to_picture,
)

pytest.importorskip("cv2")

FLOWER = np.ascontiguousarray(load_sample_image("flower.jpg")[150:246, 200:328])
CHINA = np.ascontiguousarray(load_sample_image("china.jpg")[200:328, 300:396])
IMAGES = {
    "flower": FLOWER,
    "china": CHINA,
    "grey": CHINA[:, :, 1:2].copy(),
    "one level": np.full((12, 20, 3), 7, np.uint8),
    "5x5": FLOWER[:5, :5].copy(),
    "2x2": FLOWER[:2, :2].copy(),
    "1x1": FLOWER[:1, :1].copy(),
}
ENHANCE = [sign * step / 30 * top for step in range(31) for sign in (1, -1) for top in (0.9, 0.99)]
VALUES = {
    "posterize": range(9),
    "solarize": (0, 76.5, 128, 255, 256),
    "solarize_add": (0, 50, 110, 128),
    **dict.fromkeys(("color", "contrast", "brightness", "sharpness"), ENHANCE),
    **dict.fromkeys(("translate_x", "translate_y"), (0, 5, -31, 95, 96, 400, -400)),
}
# Share of pixels that may lie one level beside Pillow's; of all others, none may.
ROUNDED = {"color": 1e-4, "sharpness": 1e-4}


def picture_of(image):
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


@pytest.mark.parametrize("name", pixels.PIXEL_OPERATIONS)
def test_an_operation_gives_the_pixels_of_pillow(name):
    border, differing, total = Border(fill=(10, 20, 30)), 0, 0
    for image in IMAGES.values():
        for value in VALUES.get(name, (0,)):
            before = image.copy()
            changed = pixels.operation(name, value)(image, value, border)
            expected = to_array(OPERATIONS[name](picture_of(image), value, border))
            assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
            away = abs(changed.astype(int) - expected)
            assert away.max() <= (name in ROUNDED), value
            differing, total = differing + (away > 0).sum(), total + away.size
            assert (image == before).all()
    assert differing <= ROUNDED.get(name, 0) * total


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("fill", [0, 7, (10, 20, 30)])
@pytest.mark.parametrize("kind", AFFINE_INTERPOLATIONS)
def test_pillow_moves_pixels_of_four_bytes_as_those_of_three(kind, fill, image):
    border = Border(AFFINE_INTERPOLATIONS[kind], fill)
    moves = [("rotate", 33.3), ("rotate", 90), ("shear_x", -0.2), ("translate_y", 2.5), ("blur", 1)]
    for name, value in moves:
        expected = to_array(OPERATIONS[name](picture_of(IMAGES[image]), value, border))
        found = to_array(OPERATIONS[name](to_picture(IMAGES[image]), value, border))
        np.testing.assert_array_equal(found, expected)


def test_brightness_and_contrast_of_any_strength_are_those_of_pillow():
    """Also where a product and a sum in float32 would round to another level."""
    rng = np.random.default_rng(0)
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    linear = 0
    for value in [*rng.uniform(-1, 2, 300), *(rng.integers(-64, 128, 300) / 64)]:
        for name, level in (("brightness", 0), ("contrast", 128)):
            expected = to_array(OPERATIONS[name](picture_of(ramp), value, Border()))
            found = pixels.operation(name, value)(ramp, value, Border())
            np.testing.assert_array_equal(found, expected)
            linear += pixels._blended_levels(level, value)[1]
    assert 900 < linear < 1200  # nearly always by a product, not always


def test_what_pillow_does_as_fast_is_left_to_it():
    assert pixels.operation("rotate", 10) is None
    assert pixels.operation("shear_x", 0.1) is None
    assert pixels.operation("translate_x", 2.5) is None


def test_a_chain_changes_hands_between_opencv_and_pillow():
    steps = [Step("equalize", 0), Step("rotate", 20), Step("invert", 0), Step("shear_x", 0.2)]
    picture = picture_of(FLOWER)
    for name, value, border in steps:
        picture = OPERATIONS[name](picture, value, border)
    np.testing.assert_array_equal(run(FLOWER, steps), to_array(picture))


def test_without_opencv_a_chain_is_the_same(monkeypatch):
    steps = [Step("equalize", 0), Step("brightness", 0.3), Step("translate_y", 9)]
    expected = run(FLOWER, steps)
    monkeypatch.setattr(pixels, "opencv", lambda: None)
    assert pixels.operation("invert", 0) is None
    np.testing.assert_array_equal(run(FLOWER, steps), expected)


def test_an_empty_chain_gives_the_image_itself():
    assert run(FLOWER, []) is FLOWER

"""Changes of colours and sharpness; pixels against torchvision are in test_reference.py."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from kcv.data import colour, draws
from kcv.data.colour import Blur, ColourJitter, Greyscale

CHINA = np.ascontiguousarray(load_sample_image("china.jpg")[200:296, 300:364])
GREY = CHINA[:, :, :1].copy()


def results(operation, count=300, image=CHINA):
    return [operation(image, draws.generator(0, 0, index)) for index in range(count)]


@pytest.mark.parametrize(
    "operation", [ColourJitter(hue=0.1), Greyscale(0.5), Blur()], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize("image", [CHINA, CHINA[:, ::-1], GREY], ids=["rgb", "view", "grey"])
def test_the_same_generator_gives_the_same_pixels_and_the_input_stays(operation, image):
    before = image.copy()
    first, again = (results(operation, 8, image) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert {(one.shape, one.dtype) for one in first} == {(image.shape, np.dtype(np.uint8))}
    assert (image == before).all()


def test_grey_has_the_weights_of_the_eye():
    expected = CHINA @ np.array([0.299, 0.587, 0.114])
    assert abs(colour.grey(CHINA) - expected[..., None]).max() < 1


def test_colours_are_taken_out_at_their_rate():
    same = [one is CHINA for one in results(Greyscale(0.2))]
    assert 210 < sum(same) < 270
    assert all(one is GREY for one in results(Greyscale(1.0), 5, GREY))


def test_a_hue_turned_by_a_third_exchanges_the_colours():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert abs(colour.hue(red, 1 / 3)[0, 0].astype(int) - (0, 200, 0)).max() <= 2
    np.testing.assert_array_equal(colour.hue(red, 0), red)


def test_brightness_is_drawn_evenly_around_one():
    level = np.full((4, 4, 1), 100, np.uint8)
    means = np.array([one.mean() for one in results(ColourJitter(0.4, 0, 0), 2000, level)])
    assert 59 <= means.min() < 61 < 138 < means.max() <= 140
    assert means.mean() == pytest.approx(99.5, abs=2)
    assert results(ColourJitter(0, 0, 0), 1, level)[0] is level


def test_a_factor_is_never_below_zero():
    level = np.full((4, 4, 1), 100, np.uint8)
    means = np.array([one.mean() for one in results(ColourJitter(3.0, 0, 0), 300, level)])
    assert means.min() < 5
    assert (means == 255).mean() == pytest.approx(0.36, abs=0.1)  # factors over 2.55 of 0..4


def test_jitter_happens_at_its_rate_and_in_any_order():
    same = [one is CHINA for one in results(ColourJitter(rate=0.3))]
    assert 180 < sum(same) < 240
    # Black and white, made lighter and then less contrasted, differ from the other order.
    board = np.where(np.indices((8, 8)).sum(0) % 2, 250, 5).astype(np.uint8)[..., None]
    orders = {tuple(np.argsort(draws.generator(0, 0, i).random(9)[5:])) for i in range(200)}
    assert len(orders) == 24
    assert len({one.tobytes() for one in results(ColourJitter(0.4, 0.4, 0), 50, board)}) > 30


def test_a_blur_keeps_the_mean_and_loses_detail():
    soft = colour.blur(CHINA, 2.0, 13)
    assert soft.mean() == pytest.approx(CHINA.mean(), abs=1)
    assert np.diff(soft.astype(int), axis=1).std() < np.diff(CHINA.astype(int), axis=1).std() / 2
    np.testing.assert_array_equal(colour.blur(CHINA, 0.1, 13), CHINA)


def test_a_point_is_blurred_to_the_gaussian_with_and_without_opencv(monkeypatch):
    point = np.zeros((21, 21, 1), np.uint8)
    point[10, 10] = 255
    bell = np.exp(-0.5 * (np.arange(-6, 7) / 1.5) ** 2)
    bell /= bell.sum()
    expected = 255 * np.outer(bell, bell)
    for _ in range(2):
        assert abs(colour.blur(point, 1.5, 13)[4:17, 4:17, 0] - expected).max() <= 0.51
        monkeypatch.setattr(colour, "opencv", lambda: None)


def test_a_small_image_is_blurred_too():
    small = CHINA[:3, :4]
    assert results(Blur(1.0), 1, small)[0].shape == (3, 4, 3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ColourJitter(brightness=-1), "ColourJitter needs brightness >= 0. Received: brig"),
        (lambda: ColourJitter(hue=0.6), "ColourJitter needs 0 <= hue <= 0.5. Received: hue=0.6"),
        (lambda: ColourJitter(rate=2), "ColourJitter needs 0 <= rate <= 1. Received: rate=2"),
        (lambda: Greyscale(-1), "Greyscale needs 0 <= rate <= 1. Received: rate=-1"),
        (lambda: Blur(kernel=4), "Blur needs an odd kernel. Received: kernel=4"),
        (lambda: Blur(sigma=(0, 1)), r"Blur needs 0 < sigma\[0\] <= sigma\[1\]. Received"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

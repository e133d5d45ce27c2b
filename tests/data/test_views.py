"""Views of test images."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from kcv.data import Batches, resize_image
from kcv.data.sources import ArraySource, FileSource
from kcv.data.views import batches_of, predict, views
from kcv.inference import softmax

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


def test_one_view_is_that_of_the_evaluation():
    expected = resize_image(IMAGE, 32)
    np.testing.assert_array_equal(views(IMAGE, (32, 32), "one")[0], expected)
    np.testing.assert_array_equal(views(IMAGE, (32, 32), "flip")[1], expected[:, ::-1])


def test_three_squares_lie_along_the_longer_edge():
    wide, tall = IMAGE, IMAGE.swapaxes(0, 1)
    first, middle, last = views(wide, (60, 60), "three")
    np.testing.assert_array_equal(first, wide[:, :60])
    np.testing.assert_array_equal(middle, wide[:, 15:75])
    np.testing.assert_array_equal(last, wide[:, 30:])
    np.testing.assert_array_equal(views(tall, (60, 60), "three")[2], tall[30:])


def test_six_views_are_three_squares_and_their_mirror_images():
    made = views(IMAGE, (60, 60), "six")
    np.testing.assert_array_equal(made[:3], views(IMAGE, (60, 60), "three"))
    assert {one[:, ::-1].tobytes() for one in made[:3]} == {one.tobytes() for one in made[3:]}


def test_ten_views_are_corners_centre_and_mirror_images():
    made = views(IMAGE, (50, 40), "ten", crop_pct=5 / 6)
    np.testing.assert_array_equal(made[0], IMAGE[:50, :40])
    np.testing.assert_array_equal(made[3], IMAGE[10:, 50:])
    np.testing.assert_array_equal(made[4], IMAGE[5:55, 25:65])
    np.testing.assert_array_equal(made[5], IMAGE[:50, ::-1][:, :40])
    assert {one[:, ::-1].tobytes() for one in made[:5]} == {one.tobytes() for one in made[5:]}


def test_an_unknown_kind_is_refused():
    with pytest.raises(
        ValueError, match="views needs to be one of one, flip, three, six, ten. Received: 'five'"
    ):
        views(IMAGE, (8, 8), "five")


def test_the_centre_lies_where_evaluation_takes_it():
    image = IMAGE[:57, :80]
    for mode, top, left in (("crop", 4, 10), ("crop_floor", 3, 10)):
        made = views(image, (50, 60), "ten", 50 / 57, mode=mode)
        np.testing.assert_array_equal(made[4], image[top : top + 50, left : left + 60])


@pytest.mark.parametrize("mode", ["squash", "squash_crop"])
def test_of_a_squashed_image_there_is_the_mirror_image_only(mode):
    expected = resize_image(IMAGE, 32, mode)
    for kind, count in (("one", 1), ("flip", 2), ("three", 1), ("six", 2), ("ten", 2)):
        made = views(IMAGE, (32, 32), kind, mode=mode)
        assert len(made) == count
        np.testing.assert_array_equal(made, np.stack([expected, expected[:, ::-1]])[:count])


def test_a_long_strip_does_not_fill_the_memory():
    strip = np.zeros((3, 200_000, 3), np.uint8)
    tracemalloc.start()
    for kind in ("three", "ten"):
        assert views(strip, (64, 64), kind).shape[1:] == (64, 64, 3)
    # Resized whole, it would have 64 rows, 4 million columns and 3 channels.
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_views_of_a_part_are_resized_as_its_evaluation():
    source = ArraySource(IMAGE[None], np.zeros(1), 3, "photo", "test")
    how = {"mode": "crop_floor", "crop_pct": 0.75, "interpolation": "bicubic"}
    test = Batches(source, "test", image_size=(32, 32), batch_size=1, **how)
    ((made, _),) = batches_of(test, "ten")
    np.testing.assert_array_equal(made[0], views(IMAGE, (32, 32), "ten", **how))
    assert (made[0] != views(IMAGE, (32, 32), "ten", crop_pct=0.75)).any()


class Brightness:
    """Says class 1 the surer the brighter the picture."""

    def predict_on_batch(self, images):
        level = images.mean((1, 2, 3)) / 255
        return np.stack([np.zeros(len(level)), level], axis=1)


def test_answers_are_the_mean_over_the_views(tmp_path):
    for number in range(5):
        Image.fromarray(np.full((20, 30, 3), 40 * number, np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    source = FileSource(str(tmp_path), [f"{n}.png" for n in range(5)], np.arange(5) % 2, 3)
    test = Batches(source, "test", image_size=(8, 8), batch_size=4, crop_pct=0.875)
    expected = 1 / (1 + np.exp(-np.arange(5) * 40 / 255))
    for kind in ("one", "three", "six", "ten"):
        found = predict(Brightness(), test, kind, 20, scores=softmax)
        np.testing.assert_allclose(found[:, 1], expected, 1e-6)
    made = list(batches_of(test, "ten", count=2))
    assert [images.shape for images, _ in made] == [(2, 10, 8, 8, 3)] * 2 + [(1, 10, 8, 8, 3)]
    assert np.concatenate([labels for _, labels in made]).tolist() == [0, 1, 0, 1, 0]

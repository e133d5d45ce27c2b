"""``kcv.data.load``."""

import io
import re

import numpy as np
import pytest
from PIL import Image

import kcv.data
from kcv.data import found, specs
from kcv.data.augment import HorizontalFlip, RandomResizedCrop

X = np.random.default_rng(0).integers(0, 256, (60, 6, 8, 3), np.uint8)
Y = np.arange(60) % 3


def encoded(mode, size):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


PHOTO, TINY = encoded("L", (65, 20)), encoded("L", (28, 20))


def sizes(data):
    parts = (data.train, data.val, data.test)
    return [None if part is None else len(part.labels) for part in parts]


def test_the_embedded_data_is_the_default():
    data = kcv.data.load()
    assert data.spec == "fashion_mini"
    assert data.class_names[0] == "T-shirt/top"
    assert (data.num_classes, data.image_size, data.channels) == (10, (28, 28), 1)
    assert sizes(data) == [9_000, 1_000, 2_000]
    assert data.crop_pct == 1.0
    assert np.bincount(data.val.labels).tolist() == [100] * 10
    assert data.test.name(17) == "fashion_mini/test/17"


def test_digits_keep_five_hundred_for_the_test():
    data = kcv.data.load("digits")
    assert sizes(data) == [1_167, 130, 500]
    assert data.class_names == list("0123456789")
    assert (data.image_size, data.channels) == ((8, 8), 1)


def test_a_folder_gives_rgb_images_of_224_pixels(flowers):
    data = kcv.data.load(f"folder:{flowers}")
    assert (data.image_size, data.channels, data.crop_pct) == ((224, 224), 3, 0.875)
    assert next(iter(data.val))[0].shape == (3, 224, 224, 3)


def test_small_images_of_a_folder_are_not_cropped(tmp_path, classes):
    data = kcv.data.load(f"folder:{classes(tmp_path, 4, (32, 32))}", image_size=32)
    assert data.crop_pct == 1.0
    assert (data.val.images([0])[0] == data.val.source[0][0]).all()


def test_size_and_channels_can_be_chosen():
    data = kcv.data.load("fashion_mini", image_size=(32, 24), channels=3, batch_size=7)
    images, _ = next(iter(data.train))
    assert images.shape == (7, 32, 24, 3)
    assert (images[..., 0] == images[..., 2]).all()


def test_given_parts_are_kept_and_validation_is_taken_from_training_if_missing(tmp_path, classes):
    classes(tmp_path / "train", 10)
    classes(tmp_path / "test", 2)
    data = kcv.data.load(f"folder:{tmp_path}", image_size=16, val_fraction=0.2)
    assert sizes(data) == [24, 6, 6]
    classes(tmp_path / "val", 3)
    assert sizes(kcv.data.load(f"folder:{tmp_path}", image_size=16)) == [30, 9, 6]


def test_a_folder_without_test_part_has_none(tmp_path, classes):
    classes(tmp_path / "train", 4)
    classes(tmp_path / "val", 2)
    data = kcv.data.load(f"folder:{tmp_path}", image_size=16)
    assert sizes(data) == [12, 6, None]
    assert "test" not in data.splits


def test_arrays_are_taken_in_pairs():
    data = kcv.data.load((X, Y))
    assert sizes(data) == [48, 6, 6]
    assert data.spec == "arrays"
    assert data.was_split
    assert (data.image_size, data.channels) == ((6, 8), 3)
    split = kcv.data.load((X, Y, X[:9], Y[:9]), channels=1)
    assert sizes(split) == [54, 6, 9]
    assert split.train.images([0]).shape == (1, 6, 8, 1)
    assert split.test.name(2) == "arrays/test/2"


def test_data_is_handed_through():
    data = kcv.data.load((X, Y))
    assert kcv.data.load(data, batch_size=5) is data


def test_augmentation_is_for_training_only_and_knows_the_size(flowers):
    data = kcv.data.load(f"folder:{flowers}", image_size=32, augment="crop_flip")
    expected = (RandomResizedCrop((32, 32)), HorizontalFlip())
    assert data.train.dataset.operations == expected
    assert data.val.dataset.operations == ()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("fashon_mini", "Received: 'fashon_mini'. Did you mean 'fashion_mini'?"),
        ("foldr:x", "'fashion_mini', 'digits', 'folder:PATH', .* Did you mean 'folder'?"),
        ("zebra", "Received: 'zebra'.$"),
        ("folder:", "Received: 'folder:'"),
        ("digits:8", "Received: 'digits:8'"),
        ("tiles:3", "Received: 'tiles:3'"),
        ("csv:", "'csv:FILE', 'jsonl:FILE', .* Received: 'csv:'"),
        ("tdfs:cifar10", "'hf-stream:NAME', 'tfds:NAME', .* Did you mean 'tfds'?"),
        (3, "The data needs to be 'fashion_mini', .* Received: int"),
    ],
)
def test_an_unknown_spec_lists_the_forms_and_near_names(spec, text):
    with pytest.raises(ValueError, match=text):
        kcv.data.load(spec)


def test_a_folder_without_its_prefix_is_recognised(tmp_path):
    with pytest.raises(ValueError, match=f"For this folder: 'folder:{tmp_path}'."):
        kcv.data.load(str(tmp_path))


def test_a_missing_folder_is_named():
    with pytest.raises(FileNotFoundError, match="Received: 'no/such/place'"):
        kcv.data.load("folder:no/such/place")


def test_a_class_too_small_for_three_parts_is_named(tmp_path, classes):
    with pytest.raises(ValueError, match="at least 3 images .* too few in class 'grass 草'"):
        kcv.data.load(f"folder:{classes(tmp_path, 2)}")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"image_size": 0}, r"image_size >= 1 or \(height, width\). Received: image_size=0"),
        ({"image_size": (2, 3, 4)}, r"Received: image_size=\(2, 3, 4\)"),
        ({"channels": 2}, "load needs channels=1 or channels=3. Received: channels=2"),
        ({"batch_size": 0}, "load needs batch_size >= 1. Received: batch_size=0"),
        ({"seed": -1}, "load needs 0 <= seed < 2.* Received: seed=-1"),
        ({"val_fraction": 0}, "load needs 0 < val_fraction < 1. Received: val_fraction=0"),
        ({"workers": -1}, "load needs workers >= 0. Received: workers=-1"),
        ({"augment": "flips"}, "augment needs one of none, .* Received: augment='flips'"),
    ],
)
def test_arguments_out_of_their_range_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        kcv.data.load("digits", **wrong)


def test_every_kind_of_data_stands_in_the_forms():
    for kind, (takes_argument, _) in specs.KINDS.items():
        assert f"'{kind}{':' if takes_argument else chr(39)}" in specs.FORMS


def test_photographs_have_a_margin_and_tiny_images_have_none():
    assert found.native_size(PHOTO) == ((224, 224), 3, True)
    assert found.native_size(TINY) == ((20, 28), 1, False)
    assert found.native_size(b"nothing") == ((224, 224), 3, True)


def test_arrays_with_several_classes_are_loaded():
    data = kcv.data.load((X, np.stack([Y > 0, Y < 2], 1)))
    assert data.multi_label
    assert data.num_classes == 2
    assert next(iter(data.val))[1].shape[1] == 2


def test_resizing_for_evaluation_is_chosen(flowers):
    how = {"mode": "squash", "interpolation": "nearest"}
    data = kcv.data.load(f"folder:{flowers}", image_size=8, resize=how)
    assert data.resize == {**how, "crop_pct": 1.0}
    image = data.val.source[0][0]
    expected = np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(data.val.images([0])[0], expected)


@pytest.mark.parametrize(
    ("resize", "text"),
    [
        ({"size": 3}, "resize to hold mode, crop_pct, interpolation. Received: {'size': 3}"),
        ({"mode": "pad"}, "squash, squash_crop, squash_crop_floor. Received: mode='pad'"),
    ],
)
def test_wrong_resizing_is_refused(resize, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        kcv.data.load("digits", resize=resize)


def test_weights_of_classes_come_with_training_batches():
    x, y = np.zeros((60, 4, 4), np.uint8), np.repeat([0, 1], [45, 15])
    data = kcv.data.load((x, y), class_weights="balanced", batch_size=16)
    _, labels, weights = next(iter(data.train))
    counts = np.bincount(data.train.labels)
    expected = counts.sum() / 2 / counts
    np.testing.assert_allclose(weights, expected[labels], rtol=1e-6)
    assert len(next(iter(data.val))) == 2
    assert data.positive_weights is None


def test_weights_of_classes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="class_weights in none, root, balanced. Received: .*='x'"):
        kcv.data.load("digits", class_weights="x")
    with pytest.raises(ValueError, match="makes classes count alike already. Received: sampling="):
        kcv.data.load("digits", class_weights="root", sampling="balanced")

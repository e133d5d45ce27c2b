"""Preprocessing that travels with weights."""

import json
import math

import pytest

from kcv.weights.preprocessing import Preprocessing, fraction, from_hf, from_timm

HALF = (0.5, 0.5, 0.5)
TIMM = {
    "architecture": "resnet50",
    "num_classes": 3,
    "label_names": ["n1", "n2", "n3"],
    "label_descriptions": {"n1": "one", "n3": "three"},
    "pretrained_cfg": {
        "input_size": [3, 288, 224],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "squash",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    },
}


def test_timms_configuration_is_read():
    found = from_timm(TIMM)
    names = ("one", "n2", "three")
    assert found == Preprocessing(HALF, HALF, (288, 224), "bicubic", 0.95, "squash_crop", names)


def test_timms_old_flat_configuration_is_read():
    found = from_timm({"architecture": "vgg11", "input_size": [3, 32, 32], "crop_pct": 0.9})
    assert (found.image_size, found.crop_pct, found.interpolation) == (32, 0.9, "bicubic")


def test_timms_labels_may_be_a_table():
    names = from_timm({"label_names": {"1": "b", "0": "a", "10": "k"}}).class_names
    assert names == ("a", "b", "k")


def test_a_way_to_crop_that_kcv_does_not_know_is_refused():
    with pytest.raises(ValueError, match="crop_mode must be center or squash. Received: 'border'"):
        from_timm({"crop_mode": "border"})


def test_a_processor_that_squashes_is_read():
    processor = {
        "image_mean": list(HALF),
        "image_std": list(HALF),
        "size": {"height": 224, "width": 224},
        "resample": 2,
    }
    found = from_hf({"id2label": {"1": "dog", "0": "cat"}}, processor)
    assert found == Preprocessing(HALF, HALF, 224, "bilinear", 1.0, "squash", ("cat", "dog"))


@pytest.mark.parametrize(
    ("edge", "geometry"), [(224, (224, 0.875, "crop_floor")), (384, (384, 1.0, "squash"))]
)
def test_convnexts_processor_squashes_large_images(edge, geometry):
    processor = {"size": {"shortest_edge": edge}, "crop_pct": 0.875, "resample": 3}
    found = from_hf({}, processor)
    assert (found.image_size, found.crop_pct, found.mode) == geometry


def test_a_processor_that_resizes_and_crops_is_read():
    processor = {
        "size": {"shortest_edge": 256},
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
    }
    found = from_hf({}, processor)
    assert (found.image_size, found.crop_pct, found.mode) == (224, 0.875, "crop_floor")


def test_a_processor_that_squashes_and_crops_is_read():
    found = from_hf({}, {"size": 256, "do_center_crop": True, "crop_size": 224})
    assert (found.image_size, found.crop_pct, found.mode) == (224, 0.875, "squash_crop_floor")


def test_efficientnets_processor_divides_twice():
    found = from_hf({}, {"include_top": True, "image_std": [0.5, 0.5, 0.5], "size": 224})
    assert found.std == (0.25, 0.25, 0.25)


def test_a_processor_without_statistics_has_the_half_of_its_class():
    """transformers' processors take 0.5 where their file names nothing; no file, ImageNet's."""
    found = from_hf({}, {"size": {"height": 224, "width": 224}})
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert from_hf({}, None).mean == (0.485, 0.456, 0.406)


def test_without_a_processor_the_size_is_the_networks():
    assert from_hf({"image_size": 192}, None).image_size == 192


@pytest.mark.parametrize("crop", range(200, 260, 7))
@pytest.mark.parametrize("resized", [256, 232, 236, 342])
def test_a_fraction_gives_the_resized_edge_again(crop, resized):
    crop = min(crop, resized)
    assert math.floor(crop / fraction(crop, resized)) == resized


def test_networks_get_grey_levels():
    mean, std = Preprocessing(HALF, (0.2, 0.4, 0.6)).normalize(3)
    assert mean == (127.5,) * 3
    assert std == pytest.approx((51, 102, 153))


def test_one_channel_gets_the_mean_of_three():
    mean, std = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.4, 0.6)).normalize(1)
    assert mean == pytest.approx((127.5,))
    assert std == pytest.approx((102.0,))


def test_it_goes_through_json():
    seen = from_timm(TIMM)
    assert Preprocessing.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"interpolation": "cubic"}, "interpolation to be one of nearest, .*='cubic'"),
        ({"mode": "border"}, "mode to be one of crop, .*floor. Received: mode='border'"),
        ({"crop_pct": 1.2}, "0 < crop_pct <= 1. Received: crop_pct=1.2"),
        ({"std": (0.5, 0.0, 0.5)}, "as many standard deviations above 0 as means"),
    ],
)
def test_values_outside_their_range_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Preprocessing(**{"mean": HALF, "std": HALF, **changes})

"""Photographs through the published evaluation steps of transformers and mmpretrain, and kcv's.

On Pillow, as both can, the pixels are equal. Two kinds of steps differ by their nature, and kcv
stays with the antialiased ones: transformers' default, which resizes tensors, rounds bicubic sums
another time; mmpretrain's default, OpenCV, does not antialias. By how much, the tests say.
"""

import importlib
import json
import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from kcv.data.reading import read_image
from kcv.data.resizing import MODES, resize_image
from kcv.weights import catalogue, preprocessing
from kcv.weights.preprocessing import from_hf

pytestmark = pytest.mark.slow

# (height, width): whole, odd sides, both ways round, smaller than the crop, extreme
SHAPES = [(427, 640), (375, 500), (333, 251), (97, 131), (401, 200)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """JPEG files of a temple and of a flower."""
    folder, files = tmp_path_factory.mktemp("photos"), []
    for name in ("china.jpg", "flower.jpg"):
        for height, width in SHAPES:
            files.append(folder / f"{height}x{width} {name}")
            part = load_sample_image(name)[:height, :width]
            Image.fromarray(part).save(files[-1], quality=90)
    return files


def square(edge):
    return {"height": edge, "width": edge}


PROCESSORS = [
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "crop_pct": 0.875}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 225}, "crop_pct": 0.9}),
    ("ConvNextImageProcessor", {"size": 224, "crop_pct": 0.95, "resample": 2}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "crop_pct": 1.0}),
    ("ConvNextImageProcessor", {}),
    ("ViTImageProcessor", {}),
    ("ViTImageProcessor", {"size": square(225), "resample": 3}),
    ("DeiTImageProcessor", {}),
    ("DeiTImageProcessor", {"size": square(255)}),
    ("MobileNetV1ImageProcessor", {}),
    ("MobileNetV2ImageProcessor", {}),
    ("MobileNetV2ImageProcessor", {"size": 236, "resample": 3}),
    ("EfficientNetImageProcessor", {}),
    ("EfficientNetImageProcessor", {"rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ("EfficientNetImageProcessor", {"do_normalize": False, "include_top": False}),
]


def compared(processor, folder, photos):
    """Yield differences in grey levels; what kcv knows comes from the file that is saved."""
    processor.save_pretrained(folder)
    seen = from_hf({}, json.loads((folder / "preprocessor_config.json").read_text()))
    mean, std = (np.array(levels) for levels in seen.normalize(3))
    for photo in photos:
        theirs = processor(Image.open(photo), return_tensors="np")["pixel_values"][0]
        theirs = theirs.transpose(1, 2, 0).astype(float) * std + mean
        ours = resize_image(read_image(photo), seen.image_size, **seen.resize)
        assert ours.shape == theirs.shape
        yield abs(theirs - ours)


@pytest.mark.parametrize(("name", "settings"), PROCESSORS)
def test_pixels_are_those_of_transformers(reference, photos, tmp_path, name, settings):
    module = getattr(reference("transformers"), name).__module__
    module = importlib.import_module(module.replace("processing_", "processing_pil_"))
    processor = getattr(module, f"{name}Pil")(**settings)
    assert max(one.max() for one in compared(processor, tmp_path, photos)) <= 1e-3


@pytest.mark.parametrize(("name", "settings"), PROCESSORS)
def test_transformers_tensors_differ_by_bicubic_rounding_alone(
    reference, photos, tmp_path, name, settings
):
    """Bilinear: one level at most. Bicubic: 9 levels were found, over 1 in 2 of 10,000 values."""
    processor = getattr(reference("transformers"), name)(**settings)
    found = np.concatenate([one.ravel() for one in compared(processor, tmp_path, photos)])
    if processor.resample == 2:
        assert found.max() <= 1 + 1e-3
    assert found.max() <= 12
    assert (found > 1 + 1e-3).mean() <= 1e-3


def test_older_files_say_a_size_as_one_number(reference, photos, tmp_path):
    """As `microsoft/resnet-50` and `facebook/deit-base-patch16-224` have it on the hub."""
    transformers = reference("transformers")
    short = {"feature_extractor_type": "ConvNextFeatureExtractor", "size": 224, "crop_pct": 0.875}
    whole = {"feature_extractor_type": "DeiTFeatureExtractor", "size": 256, "crop_size": 224}
    for name, content in (("ConvNext", short), ("DeiT", {**whole, "do_center_crop": True})):
        processor = getattr(transformers, f"{name}ImageProcessor").from_dict(content)
        seen = from_hf({}, content)
        for photo in photos:
            theirs = processor(Image.open(photo), return_tensors="np", do_normalize=False)
            theirs = theirs["pixel_values"][0].transpose(1, 2, 0) * 255
            how = {**seen.resize, "interpolation": "bicubic"}
            ours = resize_image(read_image(photo), seen.image_size, **how)
            assert (abs(theirs - ours) > 1 + 1e-3).mean() <= 1e-3


def test_weights_and_data_know_the_same_modes():
    assert preprocessing.MODES == MODES


RESIZING = ("Resize", "ResizeEdge", "EfficientNetCenterCrop")


def mmpretrain_steps(reference):
    """Return {resizing steps and row's own: (row, steps)} of all checkpoints in the catalogue."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what torch is about to drop
        reference("mmpretrain")
        importlib.import_module("mmpretrain.datasets")
        hub, found = importlib.import_module("mmpretrain.apis").ModelHub, {}
    for source, row in catalogue.rows().items():
        if not source.startswith("mmpretrain/"):
            continue
        config = hub.get(source.removeprefix("mmpretrain/")).config
        if config.get("test_dataloader") is None:  # trained on 21,841 classes: none is published
            continue
        steps = [dict(one) for one in config.test_dataloader.dataset.pipeline]
        steps = [one for one in steps if one["type"] != "PackInputs"]
        found[repr((steps, row.size, row.preprocessing.resize))] = (row, steps)
    return found.values()


def through(steps, photo, backend=None):
    """Return an image after steps of mmpretrain, RGB."""
    registry, made = importlib.import_module("mmpretrain.registry").TRANSFORMS, {}
    made["img_path"] = str(photo)
    for step in steps:
        changes = {"backend": backend} if backend and step["type"] in RESIZING else {}
        made = registry.build({**step, **changes})(made)
    return made["img"][..., ::-1].astype(int)


def test_pixels_are_those_of_every_pipeline_of_mmpretrain(reference, photos):
    found = mmpretrain_steps(reference)
    assert len(found) >= 15
    for row, steps in found:
        for photo in photos:
            theirs = through(steps, photo, "pillow")
            ours = resize_image(read_image(photo), row.size, **row.preprocessing.resize)
            assert abs(theirs - ours).max() <= 1, row.source


def test_mmpretrains_default_differs_because_it_does_not_antialias(reference, photos):
    """OpenCV, as published: 13 to 75 levels in the worst place of a photograph that shrinks, 0.2 to
    1.5 in the mean over all; bilinear images that grow are the same to one level."""
    rows = [
        (row, steps)
        for row, steps in mmpretrain_steps(reference)
        if any(one["type"] in RESIZING and "backend" not in one for one in steps)
    ]
    assert len(rows) >= 10
    for row, steps in rows:
        how, away = row.preprocessing.resize, []
        for photo in photos:
            ours = resize_image(read_image(photo), row.size, **how)
            away.append(abs(through(steps, photo) - ours))
        assert 1 < max(one.max() for one in away) <= 80, row.source
        assert np.mean([one.mean() for one in away]) <= 2, row.source
        small = next(one for one, photo in zip(away, photos, strict=True) if "97x131" in photo.name)
        if how["interpolation"] == "bilinear":
            assert small.max() <= 1

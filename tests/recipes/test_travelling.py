"""Preprocessing travels with weights: into predict, evaluate and fine-tuning, unasked."""

import json

import numpy as np
import pytest
from PIL import Image

import kcv
from kcv import recipes
from kcv.data import read_image, resize_image
from kcv.inference import softmax

SEEN = kcv.weights.Preprocessing(
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.25, 0.3),
    image_size=24,
    interpolation="bicubic",
    crop_pct=0.75,
    class_names=("cat", "dog", "fox"),
)
HOW = {"mode": "crop", "crop_pct": 0.75, "interpolation": "bicubic"}
OTHER = {"mode": "crop", "crop_pct": 0.875, "interpolation": "bilinear"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a small network that says how its images are prepared."""
    kcv.set_seed(3)
    network = kcv.models.build(
        "resnet18",
        num_classes=3,
        image_size=24,
        stem="small",
        width=0.125,
        normalize=SEEN.normalize(3),
    )
    network.preprocessing = SEEN
    return kcv.weights.save(network, tmp_path_factory.mktemp("weights") / "w.safetensors", "timm")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Folders of three classes of noise, 61 by 47 pixels, where interpolation shows."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("cat", "dog", "fox"):
        (folder / name).mkdir()
        for i in range(8):
            pixels = rng.integers(0, 256, (47, 61, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(weights, photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    options = {"epochs": 1, "batch_size": 4, "workers": 0, "val_fraction": 0.25}
    return recipes.finetune("resnet18", weights, f"folder:{photos}", out=out, **options)


def loss_of(model, photos, how):
    """The loss over all photographs, every one prepared here."""
    files = sorted(photos.glob("*/*.png"))
    pixels = np.stack([resize_image(read_image(file), 24, **how) for file in files])
    scores = softmax(model.predict(pixels, verbose=0))
    labels = [["cat", "dog", "fox"].index(file.parent.name) for file in files]
    return -np.log(scores[np.arange(len(files)), labels]).mean()


def test_a_built_network_predicts_with_what_its_weights_say(weights, photos):
    model = kcv.models.build("resnet18", weights=weights)
    file = photos / "dog" / "3.png"
    (answer,) = kcv.predict(model, file)
    right, wrong = (
        softmax(model.predict(resize_image(read_image(file), 24, **how)[None], verbose=0))[0].max()
        for how in (HOW, OTHER)
    )
    assert answer["pred_class"] in SEEN.class_names
    assert answer["pred_score"] == pytest.approx(right, rel=1e-5)
    assert answer["pred_score"] != pytest.approx(wrong, rel=1e-3)


def test_a_fine_tuned_run_notes_what_its_weights_said(run):
    about = json.loads((run.path / "model.json").read_text())
    assert about["resize"] == HOW
    assert about["image_size"] == [24, 24]
    np.testing.assert_allclose(np.array(about["mean"]) / 255, SEEN.mean)
    np.testing.assert_allclose(np.array(about["std"]) / 255, SEEN.std)


def test_fine_tuning_evaluates_on_images_resized_so(run, photos):
    shown = np.load(run.path / "predictions.npz")
    for index, image in zip(shown["thumbnail_index"], shown["thumbnails"], strict=True):
        file = photos / str(shown["names"][index]).removeprefix(str(photos)).lstrip("/")
        np.testing.assert_array_equal(image, resize_image(read_image(file), 24, **HOW))


def test_evaluate_resizes_so_too(run, photos):
    answer = recipes.evaluate(run, f"folder:{photos}", split="all")
    assert answer["loss"] == pytest.approx(loss_of(run.model, photos, HOW), rel=1e-5)
    assert answer["loss"] != pytest.approx(loss_of(run.model, photos, OTHER), rel=1e-4)


@pytest.mark.slow
def test_a_resumed_run_still_resizes_so(run, photos, tmp_path):
    import shutil

    copy = shutil.copytree(run.path, tmp_path / "run")
    again = recipes.train("resnet18", resume=copy)
    assert json.loads((copy / "model.json").read_text())["resize"] == HOW
    assert again.metrics["val"]["loss"] == pytest.approx(run.metrics["val"]["loss"], rel=1e-6)


def test_large_images_are_cropped_with_the_interpolation_of_the_weights(tmp_path, photos):
    network = kcv.models.build("resnet18", num_classes=3, image_size=72, width=0.0625)
    network.preprocessing = kcv.weights.Preprocessing((0.5,) * 3, (0.5,) * 3, 72, "lanczos")
    path = kcv.weights.save(network, tmp_path / "w.safetensors", "timm")
    options = {"epochs": 1, "batch_size": 4, "val_fraction": 0.25, "workers": 0}
    run = recipes.finetune("resnet18", path, f"folder:{photos}", out=tmp_path / "run", **options)
    assert run.recipe.augment == "crop(0.08,1.0,lanczos)+flip"

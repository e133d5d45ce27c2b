"""Few images: enough update steps, in smaller batches or more epochs."""

import numpy as np
import pytest
from PIL import Image

import kcv
from kcv import recipes
from kcv.recipes import Recipe
from kcv.recipes.few import enough_steps

MANY = Recipe("resnet18", epochs=12, batch_size=128)


@pytest.mark.parametrize("count", [40, 54, 180, 450, 2_000, 5_333])
def test_few_images_give_500_steps(count):
    fitted = enough_steps(MANY, count)
    assert fitted.epochs * (count // fitted.batch_size) >= 500
    assert 8 <= fitted.batch_size < 128
    assert 12 <= fitted.epochs <= 100


@pytest.mark.parametrize(
    ("count", "batch", "epochs"),
    [(3, 8, 100), (54, 8, 84), (450, 8, 12), (2_000, 32, 12), (5_376, 128, 12), (50_000, 128, 12)],
)
def test_the_batch_shrinks_before_epochs_are_added(count, batch, epochs):
    fitted = enough_steps(MANY, count)
    assert (fitted.batch_size, fitted.epochs) == (batch, epochs)


def test_the_rate_of_an_image_stays():
    fitted = enough_steps(MANY, 450)
    rates = [
        float(max(recipes.parts.make_schedule(recipe, 10)(step) for step in range(120)))
        for recipe in (MANY, fitted)
    ]
    assert rates[1] / fitted.batch_size == pytest.approx(rates[0] / MANY.batch_size, rel=1e-5)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [({"batch_size"}, (128, 100)), ({"epochs"}, (8, 12)), ({"batch_size", "epochs"}, (128, 12))],
)
def test_what_the_user_chose_stays(chosen, expected):
    fitted = enough_steps(MANY, 60, chosen)
    assert (fitted.batch_size, fitted.epochs) == expected


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
    return x, np.arange(200) % 2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    net = kcv.models.build(
        "resnet18", num_classes=3, image_size=8, stem="small", width=0.0625,
        depths=(1, 1, 1, 1), normalize=(99.0, 50.0),
    )  # fmt: skip
    net.preprocessing = kcv.weights.Preprocessing((0.4,) * 3, (0.2,) * 3, 8)
    return kcv.weights.save(net, tmp_path_factory.mktemp("weights") / "w.safetensors", "timm")


@pytest.mark.slow
def test_fine_tuning_on_few_images_takes_enough_steps_and_says_so(
    checkpoint, images, tmp_path, caplog
):
    caplog.set_level("INFO", "kcv")
    run = recipes.finetune("resnet18", checkpoint, images, out=tmp_path / "run", freeze=True)
    assert int(run.model.optimizer.iterations.numpy()) >= 500
    assert run.recipe.batch_size == 8
    assert "162 training images are few: 25 epochs in batches of 8, not 12 in" in caplog.text
    assert "25 epochs of 20 steps with 8 images" in caplog.text


@pytest.mark.parametrize("size", [16, 96])
def test_files_are_listed_once(tmp_path, monkeypatch, size):
    for name in ("rose", "tulip"):
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.new("RGB", (80, 70), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    listed, read = [], kcv.data.folder.read
    monkeypatch.setattr(kcv.data.folder, "read", lambda root: listed.append(root) or read(root))
    spec = f"folder:{tmp_path}"
    recipe, _ = recipes.settings.resolve_tuned(MANY.changed(image_size=size), spec, ())
    assert (recipe.batch_size, recipe.data, len(listed)) == (8, spec, 1)
    recipe, _ = recipes.settings.resolve("resnet18", spec, "auto", {"image_size": size})
    assert (recipe.data, len(listed)) == (spec, 2)


def test_data_that_are_batched_already_stay_so(checkpoint, images, tmp_path):
    data = kcv.data.load(images, batch_size=64)
    options = {"epochs": 1, "batch_size": 64}
    run = recipes.finetune("resnet18", checkpoint, data, out=tmp_path / "run", **options)
    assert int(run.model.optimizer.iterations.numpy()) == len(data.train) == 2

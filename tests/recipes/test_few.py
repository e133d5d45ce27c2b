"""Few images: enough update steps, in smaller batches or more epochs."""

import numpy as np
import pytest
from PIL import Image

import kcv
from kcv import recipes
from kcv.recipes import Recipe, few
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


@pytest.mark.parametrize(
    ("epochs", "count", "expected"),
    [(5, 9_000, 5), (5, 60_000, 5), (5, 4_500, 10), (5, 1_167, 39), (5, 20, 60), (120, 20, 120)],
)
def test_short_recipes_show_few_images_more_often(epochs, count, expected):
    assert few.short_epochs(epochs, count) == expected


def drawn(side, count=600):
    """Return arrays of two classes of noise with a bright half."""
    x = np.random.default_rng(0).integers(0, 99, (count, side, side, 1), dtype=np.uint8)
    x[::2, : side // 2] += 99
    return x, np.arange(count) % 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("digits", ("small", "none", 39, 64)),
        (drawn(16), ("small", "flip", 60, 32)),
        (drawn(17), ("medium", "flip", 60, 32)),
        (drawn(16, 60), ("small", "flip", 84, 8)),
        ("fashion_mini", ("medium", "flip", 5, 64)),
    ],
    ids=["digits", "16 pixels", "17 pixels", "60 images", "fashion_mini"],
)
def test_the_short_recipe_fits_the_images(data, expected):
    recipe, _ = recipes.settings.resolve("mobilenet_v2", data, "auto", {})
    assert (recipe.stem, recipe.augment, recipe.epochs, recipe.batch_size) == expected


def test_the_batches_are_those_of_the_fitted_recipe():
    recipe, loaded = recipes.settings.resolve("mobilenet_v2", drawn(16, 60), "auto", {})
    assert len(next(iter(loaded.train))[0]) == recipe.batch_size == 8


def test_changes_and_other_settings_are_not_fitted():
    asked = {"stem": "medium", "augment": "flip_shift", "epochs": 2, "batch_size": 100}
    for setting, recipe in (("auto", asked), ("short", {})):
        found, _ = recipes.settings.resolve("mobilenet_v2", "digits", setting, recipe)
        kept = asked if recipe else {"stem": "medium", "epochs": 5, "batch_size": 64}
        assert {name: getattr(found, name) for name in kept} == kept


def test_arguments_of_the_network_join_those_of_the_recipe(tmp_path):
    resolve = recipes.settings.resolve
    changes = {"network": {"width": 0.25, "dropout": 0.1}}
    wanted = {"width": 0.25, "dropout": 0.1, "zero_init_residual": True}
    for setting in ("auto", "short"):
        recipe, _ = resolve("mobilenet_v2", "digits", setting, changes)
        assert recipe.network == wanted
    recipe.to_toml(tmp_path / "recipe.toml")
    stored = recipes.settings.read_stored(tmp_path, "mobilenet_v2", None, changes)
    assert stored == recipe
    with pytest.raises(ValueError, match="keeps its settings"):
        recipes.settings.read_stored(tmp_path, "mobilenet_v2", None, {"network": {"width": 0.5}})


def test_a_batch_has_no_more_images_than_there_are(caplog):
    caplog.set_level("INFO", "kcv")
    recipe, loaded = recipes.settings.resolve(MANY, drawn(16, 60), "auto", {})
    assert recipe.batch_size == len(loaded.train.labels) == len(next(iter(loaded.train))[0])
    assert f"All {recipe.batch_size} training images make one batch, not 128" in caplog.text
    with pytest.raises(ValueError, match="more than the 48 training .* batch_size=500."):
        recipes.settings.resolve("resnet18", drawn(16, 60), "auto", {"batch_size": 500})


def test_batches_that_are_made_already_keep_their_size():
    data = kcv.data.load(drawn(16, 60), batch_size=10)
    recipe, loaded = recipes.settings.resolve("mobilenet_v2", data, "auto", {})
    assert (recipe.batch_size, recipe.epochs, recipe.stem) == (64, 60, "small")
    assert len(next(iter(loaded.train))[0]) == 10


@pytest.mark.parametrize(
    ("spec", "signs"),
    [
        ("digits", True),
        ("tfds:mnist", True),
        ("tfds:emnist/letters", True),
        ("hf:ufldl-stanford/svhn", True),
        ("fashion_mini", False),
        ("tfds:fashion_mnist", False),
        ("hf:zalando-datasets/fashion_mnist", False),
        ("folder:two digits", False),
    ],
)
def test_digits_and_letters_are_known_by_name(spec, signs):
    assert bool(recipes.settings.SIGNS.search(spec)) == signs


@pytest.mark.slow
def test_the_short_recipe_reads_digits_better_than_a_linear_classifier(tmp_path):
    run = recipes.train("mobilenet_v2", "digits", out=tmp_path / "run", threads=1)
    assert run.metrics["test"]["accuracy"] > run.metrics["floor"]["accuracy"] + 0.01


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

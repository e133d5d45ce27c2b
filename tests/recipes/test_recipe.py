"""Recipes: values, TOML, and what they refuse."""

import keras
import numpy as np
import pytest
from PIL import Image

import kcv
from kcv import callbacks, models, recipes
from kcv.recipes import Recipe, few, settings


def test_toml_in_and_out_is_the_same_recipe(tmp_path):
    recipe = Recipe("resnet18", epochs=3, network={"width": 0.5}, source='a "quote", and 汉字')
    recipe.to_toml(tmp_path / "r.toml")
    assert Recipe.from_toml(tmp_path / "r.toml") == recipe


def test_there_is_a_recipe_for_every_model_name():
    assert set(recipes.RECIPES) == set(models.VARIANTS)
    assert set(recipes.table.TABLES["short"]) == set(models.VARIANTS)


def test_every_published_recipe_names_its_source():
    assert all(len(recipe.source) > 10 for recipe in recipes.RECIPES.values())


def test_words_of_numbers_become_numbers():
    recipe = Recipe("resnet18").changed(epochs="3", learning_rate="0.5", nesterov="false")
    assert (recipe.epochs, recipe.learning_rate, recipe.nesterov) == (3, 0.5, False)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epochs": 0}, "1 <= epochs. Received: epochs=0"),
        ({"epochs": 2.5}, "epochs to be a whole number. Received: epochs=2.5"),
        ({"epochs": "many"}, "epochs to be a whole number. Received: epochs='many'"),
        ({"learning_rate": -1}, "learning_rate > 0. Received: learning_rate=-1"),
        ({"learning_rate": float("inf")}, "learning_rate to be a number. Received: .*=inf"),
        ({"epochs": "inf"}, "epochs to be a whole number. Received: epochs='inf'"),
        ({"weight_decay": "nan"}, "weight_decay to be a number"),
        ({"optimizer": "lion"}, "one of sgd, adamw, rmsprop. Received: optimizer='lion'"),
        ({"momentum": 2}, "0.0 <= momentum <= 1.0"),
        ({"nesterov": "maybe"}, "nesterov to be true or false"),
        ({"model": 3}, "model to be a word"),
        ({"compile": True, "start_size": 32}, "start_size = 0 with compile = true"),
        ({"network": 3}, "network to be a table"),
        ({"channels": 2}, "channels to be 0, 1 or 3"),
        ({"loss": "hinge"}, "one of auto, cross_entropy, binary_cross_entropy. .*loss='hinge'"),
        ({"sampling": "even"}, "one of shuffled, balanced. Received: sampling='even'"),
        ({"class_weights": "rare"}, "one of none, root, balanced. Received: class_weights='rare'"),
        (
            {"class_weights": "root", "sampling": "balanced"},
            "count alike already. Received: .* class_weights='root'. Leave one of them out.",
        ),
        ({"epoch": 3}, "Received: 'epoch'. Did you mean epochs"),
    ],
)
def test_values_that_do_not_fit_are_named(changes, text):
    with pytest.raises(ValueError, match=text):
        Recipe("resnet18").changed(**changes)


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(ValueError, match="Received: 'mobilenet_v9'. Did you mean mobilenet_v"):
        recipes.get("mobilenet_v9")


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="Received: setting='long'"):
        recipes.get("resnet18", "long")


def test_a_missing_recipe_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no recipe file .*none.toml"):
        Recipe.from_toml(tmp_path / "none.toml")


def test_a_file_that_is_not_toml_is_named(tmp_path):
    (tmp_path / "bad.toml").write_text("model = ")
    with pytest.raises(ValueError, match="bad.toml is not a TOML file"):
        Recipe.from_toml(tmp_path / "bad.toml")


def test_a_recipe_file_needs_a_model(tmp_path):
    (tmp_path / "empty.toml").write_text("epochs = 3")
    with pytest.raises(ValueError, match="needs a line like model"):
        Recipe.from_toml(tmp_path / "empty.toml")


def test_the_learning_rate_scales_with_the_batch():
    rates = []
    for batch in (64, 128):
        recipe = Recipe("resnet18", batch_size=batch, schedule="constant", learning_rate=0.1)
        rates.append(float(recipes.make_optimizer(recipe, 10).learning_rate))
    assert rates == pytest.approx([0.05, 0.1])


@pytest.mark.parametrize("schedule", recipes.recipe.SCHEDULES)
def test_every_schedule_starts_and_ends_finite(schedule):
    recipe = Recipe("resnet18", schedule=schedule, epochs=3, step_epochs=1, warmup_epochs=0.5)
    rate = recipes.parts.make_schedule(recipe, 10)
    assert 0 <= float(rate(0)) <= 0.1001
    assert 0 <= float(rate(30)) <= 0.1001


@pytest.mark.parametrize("step_epochs", [2, 7])
def test_steps_are_counted_from_the_end_of_the_warmup(step_epochs):
    """torchvision puts its warmup before its StepLR; steps may be the shorter of the two."""
    fields = {"epochs": 20, "warmup_epochs": 5, "step_epochs": step_epochs, "step_factor": 0.5}
    recipe = Recipe("resnet18", schedule="step", learning_rate=0.1, base_batch=128, **fields)
    rate = recipes.parts.make_schedule(recipe, 10)
    after = [float(rate(10 * epoch)) for epoch in range(5, 20)]
    assert after == pytest.approx([0.1 * 0.5 ** (n // step_epochs) for n in range(15)])


@pytest.fixture
def photos(tmp_path):
    """Give a folder with two classes of 40 photographs each, as data."""
    for name in ("rose", "tulip"):
        (tmp_path / name).mkdir()
        for i in range(40):
            Image.new("RGB", (80, 70), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    return f"folder:{tmp_path}"


def test_some_photographs_get_more_epochs_than_many(photos, caplog):
    caplog.set_level("INFO", "kcv")
    recipe, data = settings.resolve("resnet18", photos, "auto", {})
    assert (recipe.stem, recipe.image_size, recipe.augment) == ("standard", 224, "crop+flip")
    assert [few.photo_epochs(n) for n in (64, 1_000, 2_500, 20_000)] == [60, 50, 20, 10]
    assert (len(data.train.labels), recipe.batch_size, recipe.epochs) == (64, 8, 63)
    assert len(data.train) * recipe.epochs == 504
    assert "64 photographs are few" in caplog.text
    assert "kcv list resnet18 --weights" in caplog.text


def test_what_is_asked_for_goes_before_what_suits_photographs(photos):
    recipe, _ = settings.resolve("resnet18", photos, "auto", {"epochs": 3, "batch_size": 8})
    assert (recipe.epochs, recipe.batch_size) == (3, 8)
    recipe, _ = settings.resolve("resnet18", photos, "published", {})
    assert (recipe.epochs, recipe.schedule) == (90, "step")


def test_many_photographs_get_the_published_settings(photos, monkeypatch):
    monkeypatch.setattr(settings, "MANY_PHOTOS", 64)
    recipe, _ = settings.resolve("resnet18", photos, "auto", {})
    assert recipe.epochs == recipes.get("resnet18", "published").epochs == 90


def test_the_average_of_the_late_epochs_is_what_a_run_ends_with():
    """Also beside early stopping, whose best epoch here is the first, and a moving average."""
    data = kcv.data.load(
        (np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1), np.uint8), np.arange(128) % 2),
        batch_size=64,
        val_fraction=0.5,
        augment="none",
    )
    recipe = Recipe("resnet18", ema_decay=0.5, patience=9, swa_start=1, batch_size=64)
    model = kcv.models.build(
        "resnet18", num_classes=2, image_size=8, channels=1, width=0.125, stem="small",
        depths=(1, 1, 1, 1), normalize=(128, 64),
    )  # fmt: skip
    model.compile(recipes.make_optimizer(recipe, 1), recipes.make_loss(recipe))
    ends = []

    class Ends(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ends.append([w.numpy().copy() for w in model.trainable_weights])
            logs["val_accuracy"] = 1.0 - epoch

    averaging = recipes.make_callbacks(recipe, data.train)
    model.fit(data.train, epochs=4, shuffle=False, verbose=0, callbacks=[Ends(), *averaging])
    for now, *kept in zip(model.trainable_weights, *ends[1:], strict=True):
        np.testing.assert_allclose(now.numpy(), np.mean(kept, 0), rtol=1e-4, atol=1e-6)
    norms = [w.numpy() for w in model.non_trainable_weights]
    callbacks.statistics.reestimate(model, data.train)
    for before, after in zip(norms, model.non_trainable_weights, strict=True):
        np.testing.assert_allclose(before, after.numpy(), rtol=1e-3, atol=1e-4)


def test_callbacks_follow_the_recipe():
    made = recipes.make_callbacks(Recipe("resnet18", ema_decay=0.9, patience=2, swa_start=1), [])
    assert [type(c).__name__ for c in made] == ["EMA", "EarlyStopping", "SWA"]
    assert recipes.make_callbacks(Recipe("resnet18"), []) == []

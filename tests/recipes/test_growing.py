"""Images that grow from epoch to epoch, for networks of every kind."""

import numpy as np
import pytest

from kcv import data, models, recipes

SMALL = {"batch_size": 32, "base_batch": 32, "augment": "none", "threads": 1, "seed": 0}
CONV = {**SMALL, "learning_rate": 0.05, "stem": "small"}
CONV["network"] = {"width": 0.125, "depths": (1, 1, 1, 1)}
TOKENS = {**SMALL, "optimizer": "adamw", "learning_rate": 5e-3, "clip_norm": 1.0}
# network -> settings that learn in a few epochs, first size and size of the last epoch, and the
# accuracy that six epochs must pass, where a tenth is chance: without any growth this Swin reaches
# 0.48, with it 0.25 to 0.26, as its windows cut other pieces at every size
KINDS = {
    "resnet18": (CONV, 6, 12, 0.5),
    "vit_tiny_16": (
        {**TOKENS, "stem": "standard", "network": {"width": 48, "depth": 4, "patch": 2}},
        6, 12, 0.3,
    ),
    "swin_tiny": (
        {**TOKENS, "stem": "small",
         "network": {"width": 24, "depths": (1, 1), "num_heads": (1, 2), "window": 7}},
        6, 12, 0.2,
    ),
}  # fmt: skip


def grow(name, out, epochs=4, **changes):
    settings, first, last, _ = KINDS[name]
    sizes = {"start_size": first, "image_size": last}
    return recipes.train(name, "digits", out=out, epochs=epochs, **{**settings, **sizes, **changes})


# what the other kinds have of their own is tested in tests/models/test_sizes.py
KINDS_SLOWLY = [
    pytest.param(name, marks=() if name == "resnet18" else pytest.mark.slow)
    for name in sorted(KINDS)
]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS_SLOWLY)
def test_a_network_learns_from_images_that_grow(name, tmp_path):
    run = grow(name, tmp_path / "run", epochs=6)
    sizes = [row["image_size"] for row in run.history]
    assert sizes == [6, 8, 8, 12, 12, 12]
    assert run.model.input_shape[1:3] == (12, 12)
    assert run.metrics["test"]["accuracy"] > KINDS[name][3]
    assert run.history[2]["loss"] < run.history[0]["loss"]
    assert run.model.others == {}
    # the file is the network of the last size, and nothing else
    assert recipes.evaluate(run.path)["accuracy"] == run.metrics["test"]["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS_SLOWLY)
def test_a_run_resumed_in_mid_growth_is_the_uninterrupted_one(name, tmp_path):
    options = {"epochs": 4, "ema_decay": 0.9}
    whole = grow(name, tmp_path / "whole", **options)
    keep = recipes.training.EpochLog.on_epoch_begin

    def stop(self, epoch, logs=None):
        keep(self, epoch, logs)
        if epoch == 1:
            raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes.training.EpochLog, "on_epoch_begin", stop)
        with pytest.raises(InterruptedError):
            grow(name, tmp_path / "cut", **options)
    settings = {**KINDS[name][0], **options}
    del settings["network"]
    resumed = recipes.train(name, out=tmp_path / "cut", resume="auto", **settings)
    assert [row["image_size"] for row in resumed.history] == [6, 8, 12, 12]
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_of_one_size_is_refused_before_it_trains(tmp_path):
    with pytest.raises(
        ValueError, match="lenet5 at image_size=12: The weights of .* Leave start_size out"
    ):
        recipes.train("lenet5", "digits", out=tmp_path / "run", start_size=12, image_size=16,
                      stem="small", epochs=2)  # fmt: skip
    assert not list((tmp_path / "run").iterdir())


def test_a_start_above_the_end_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 <= first <= last. Received: first=16, last=12"):
        grow("resnet18", tmp_path / "run", start_size=16)


def test_statistics_of_averaged_weights_are_those_of_the_last_size():
    recipe = recipes.Recipe("resnet18", start_size=4, epochs=5, swa_start=1)
    loaded = data.load("digits", image_size=8, growing=(4, 5), batch_size=64)
    (swa,) = recipes.make_callbacks(recipe, loaded.train)
    loaded.train.epoch = 2
    assert next(iter(loaded.train))[0].shape[1] < 8
    assert {images.shape[1] for images, _ in swa.data} == {8}
    assert loaded.train.epoch == 2


def test_mixed_batches_grow_too():
    loaded = data.load("digits", image_size=8, growing=(4, 3), batch_size=64)
    mixed = recipes.make_batches(recipes.Recipe("resnet18", mixup=0.2), loaded)
    assert [next(iter(mixed))[0].shape[1]] == [4]
    assert mixed.sizes(2) == (8, 8)


def test_the_sizes_of_a_run_are_those_that_are_not_its_last():
    recipe = recipes.Recipe("resnet18", start_size=4, image_size=12, epochs=5)
    loaded = recipes.settings.load(recipe, "digits")
    assert recipes.settings.growing_sizes(recipe, loaded) == {(4, 4), (8, 8)}
    assert loaded.train.sizes(3) == (12, 12)
    assert models.VARIANTS.keys() >= set(KINDS)

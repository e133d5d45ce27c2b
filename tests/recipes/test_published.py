"""Every row of published settings says what its source says.

The words of the sources stand in `families.READ`.
"""

import fnmatch

import pytest
from families import READ

from kcv import models, recipes
from kcv.recipes.parts import make_schedule
from kcv.recipes.published import PUBLISHED

FIELDS = {
    "batch": "base_batch",
    "lr": "learning_rate",
    "opt": "optimizer",
    "wd": "weight_decay",
    "lr-step-size": "step_epochs",
    "lr-gamma": "step_factor",
    "warmup": "warmup_epochs",
    "smoothing": "label_smoothing",
    "scheduler": "schedule",
    "clip": "clip_norm",
    "ema": "ema_decay",
    "eps": "epsilon",
}


def row(name):
    """Return the pattern that holds for a name."""
    return next(pattern for pattern in PUBLISHED if fnmatch.fnmatch(name, pattern))


def test_every_row_was_compared_with_its_source():
    assert [row(name) for name in READ] == list(PUBLISHED)


@pytest.mark.parametrize("name", READ)
def test_settings_are_those_of_the_source(name):
    recipe, wanted = recipes.get(name, "published"), dict(READ[name])
    network = models.fields(name) | recipe.network
    found = {"drop": network.get("drop_rate"), "dropout": network.get("dropout")}
    found |= {key: getattr(recipe, FIELDS.get(key, key)) for key in wanted if key not in found}
    assert {key: found[key] for key in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize(("name", "last"), [("lenet5", 1 / 50), ("alexnet_2012", 1 / 10**3)])
def test_a_rate_falls_as_far_as_in_the_paper(name, last):
    """Both papers say how far, at epochs that a recipe has no words for."""
    recipe, steps = recipes.get(name, "published"), 10
    end = float(make_schedule(recipe, steps)(recipe.epochs * steps - 1))
    assert end / recipe.learning_rate == pytest.approx(last, rel=0.01)


def test_no_row_is_told_from_memory():
    sources = [settings["source"].lower() for settings in PUBLISHED.values()]
    assert not [text for text in sources if "memory" in text or "not compared" in text]


@pytest.mark.parametrize(("name", "images", "epochs"), [("shufflenet_v2_150", 1024, 600)])
def test_averages_of_weights_follow_torchvision_s_rule(name, images, epochs):
    """Its script averages every 32 steps, with a decay that depends on batch and epochs."""
    every_32 = 1 - 2e-5 * 32 * images / epochs
    assert recipes.get(name, "published").ema_decay ** 32 == pytest.approx(every_32, abs=2e-5)

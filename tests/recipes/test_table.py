"""Every recipe of the table takes one real training step, on a tiny network of its family."""

import functools
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from kcv import data, models, recipes
from kcv.models import VARIANTS
from kcv.recipes.table import TABLES

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from families import QUICK
from test_models import TINY, tiny


@functools.cache
def network(family):
    """Return a tiny network of a family, made once: recipes of a family share it."""
    name = next(name for name in TINY if VARIANTS[name].func is family)
    return tiny(name, normalize=(128, 64))


@functools.cache
def images(augment, batch=8):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 32, 32, 3), np.uint8)
    return data.load((x, np.arange(40) % 4), augment=augment, batch_size=batch)


def kinds_of_training():
    """Return one name and setting for every way in which a family is trained.

    Names of a family share the tiny network and, mostly, all settings that a step depends on: one
    step then is the step of them all. The settings for photographs train as the short ones do.
    """
    steps = {}
    for name in sorted(VARIANTS):
        for setting in ("published", "short"):
            recipe = recipes.get(name, setting)
            alike = recipe.changed(model="", source="", image_size=0, network={})
            steps.setdefault((VARIANTS[name].func, repr(alike)), (name, setting))
    quick = lambda name, setting: name in QUICK and setting == "short"  # noqa: E731
    marks = {True: [], False: [pytest.mark.slow]}
    return [pytest.param(*step, marks=marks[quick(*step)]) for step in sorted(steps.values())]


@pytest.mark.parametrize(("name", "setting"), kinds_of_training())
def test_a_recipe_takes_a_training_step(name, setting):
    recipe = recipes.get(name, setting)
    net, loaded = network(VARIANTS[name].func), images(recipe.augment)
    net.compile(recipes.make_optimizer(recipe, 3), recipes.make_loss(recipe))
    batches = recipes.make_batches(recipe.changed(batch_size=8), loaded)
    before = [w.copy() for w in net.get_weights()]
    callbacks = recipes.make_callbacks(recipe, batches)
    history = net.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0, callbacks=callbacks)
    assert math.isfinite(history.history["loss"][0])
    assert any(not np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_the_network_of_a_recipe_takes_its_arguments(name):
    for setting in TABLES:
        recipe = recipes.get(name, setting)
        known = models.fields(name)
        assert set(recipe.network) <= set(known)
        assert recipe.stem == "standard" or "stem" in known


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_a_published_recipe_names_its_source_and_its_batch(name):
    recipe = recipes.get(name, "published")
    assert re.search(r"https://|arXiv|et al\. (19|20)\d\d", recipe.source)
    assert recipe.batch_size == recipe.base_batch
    native = models.fields(name)["image_size"]
    assert recipe.image_size == (native if native > 224 else 0)

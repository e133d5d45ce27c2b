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


# the settings for photographs train as the short ones do
@pytest.mark.parametrize("setting", ["published", "short"])
@pytest.mark.parametrize("name", sorted(VARIANTS))
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


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vgg16", {"learning_rate": 0.01}),
        ("vgg16_bn", {"learning_rate": 0.1}),
        ("alexnet_2012", {"base_batch": 128, "weight_decay": 5e-4}),
        ("inception_v3", {"base_batch": 32, "learning_rate": 0.045, "epsilon": 1.0}),
        ("seresnet50", {"base_batch": 1024, "learning_rate": 0.6, "epochs": 100}),
        ("resnet50d", {"nesterov": True, "epochs": 120}),
        ("shufflenet_v2_100", {"schedule": "polynomial", "epochs": 240}),
        ("shufflenet_v2_150", {"cutmix": 1.0, "epochs": 600, "ema_decay": 0.999966}),
        ("nasnet_mobile", {"learning_rate": 2.0, "step_epochs": 2.4}),
        ("vit_base_16", {"base_batch": 4096, "learning_rate": 0.003, "weight_decay": 0.3}),
        ("vit_large_16", {"optimizer": "sgd", "learning_rate": 0.5}),
        ("vit_tiny_16", {"augment": "crop+flip+rand-m9-mstd0.5-inc1+erase(0.25)"}),
        ("swin_base", {"network": {"drop_rate": 0.5}, "warmup_epochs": 20}),
        ("convnext_small", {"network": {"drop_rate": 0.4}, "learning_rate": 0.004}),
    ],
)
def test_settings_that_a_source_was_read_for(name, settings):
    recipe = recipes.get(name, "published")
    assert {key: getattr(recipe, key) for key in settings} == settings

"""A recipe for every model name: of published runs, for some photographs, for small images.

A row holds what differs from its family; `get` is the way in.
"""

import difflib
import fnmatch

from kcv import models
from kcv.recipes.published import PUBLISHED
from kcv.recipes.recipe import Recipe

SHORT_SOURCE = "kcv, for images of up to 64 pixels and a few minutes"
PHOTOS_SOURCE = (
    "kcv, for fewer than 100,000 photographs; kcv train fits epochs and batch to the number"
)
CONV = {"learning_rate": 0.1, "epochs": 10}
# with branches that start at zero a larger rate is safe, and a few epochs are enough
ZERO = {
    "learning_rate": 0.3,
    "batch_size": 64,
    "augment": "flip",
    "label_smoothing": 0.1,
    "stem": "medium",
}
# networks without batch norm want a smaller rate
BARE = {"learning_rate": 0.01, "epochs": 12, "clip_norm": 1.0}
TOKENS = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "clip_norm": 1.0,
    "epochs": 12,
}

SHORT = {
    "lenet5": {**BARE, "learning_rate": 0.05, "stem": "small"},
    "alexnet*": {**BARE, "stem": "small"},
    "vgg*_bn": {**CONV, "learning_rate": 0.05, "stem": "small"},
    "vgg*": {**BARE, "stem": "small"},
    "squeezenet*": {**BARE, "learning_rate": 0.02, "stem": "medium"},
    "*resne*": {**ZERO, "epochs": 10, "network": {"zero_init_residual": True}},
    "mobilenet_v2*": {
        **ZERO,
        "epochs": 5,
        "clip_norm": 2.0,
        "network": {"dropout": 0.0, "zero_init_residual": True},
    },
    "vit*": {**TOKENS, "stem": "small"},
    "deit*": {**TOKENS, "stem": "small"},
    "swin*": {**TOKENS, "stem": "medium"},
    "convnext*": {**TOKENS, "stem": "medium"},
    "*": {**CONV, "stem": "small"},
}


def _fill(table: dict[str, dict], source: str = "") -> dict[str, Recipe]:
    """Return a recipe for every model name by the first pattern that fits it."""
    recipes = {}
    for name in models.VARIANTS:
        settings = next(row for key, row in table.items() if fnmatch.fnmatch(name, key))
        recipes[name] = Recipe(name, **{"source": source, **settings})
    return recipes


def _large(recipe: Recipe) -> Recipe:
    """Return the recipe with the network's own image size, if it is larger than the usual 224."""
    size = models.fields(recipe.model)["image_size"]
    return recipe.changed(image_size=size) if size > 224 else recipe


def _photos(recipe: Recipe) -> Recipe:
    """Return the short recipe of a network for some hundreds or thousands of photographs.

    Small batches give small data enough steps; the rate is scaled to them. `kcv train` makes them
    smaller still where that is needed (`kcv.recipes.few`).
    """
    return recipe.changed(
        stem="standard",
        augment="crop+flip",
        batch_size=32,
        workers=2,
        epochs=30,
        network={},
        source=PHOTOS_SOURCE,
    )


RECIPES = {name: _large(recipe) for name, recipe in _fill(PUBLISHED).items()}
SMALL = _fill(SHORT, SHORT_SOURCE)
# trained weights start nowhere near zero, and thirty epochs need no haste
PLAIN = {
    **SHORT,
    "*resne*": {**CONV, "learning_rate": 0.03, "epochs": 12, "stem": "medium"},
    "mobilenet_v2*": {**CONV, "stem": "medium"},
}
TUNED = _fill(PLAIN, SHORT_SOURCE)
PHOTOS = {name: _large(_photos(recipe)) for name, recipe in TUNED.items()}
TABLES = {"short": SMALL, "photos": PHOTOS, "published": RECIPES}


def tuned(name: str) -> Recipe:
    """Return the recipe that fine-tuning starts from; its rate is that of training from nothing.

    Raises:
        ValueError: if there is no such name (near ones are listed).
    """
    return TUNED[get(name).model]


def get(name: str, setting: str = "short") -> Recipe:
    """Return the recipe of a model name.

    Args:
        setting: `"short"` (a few minutes, small images), `"photos"` (some thousand photographs) or
            `"published"` (the run behind a published accuracy).

    Raises:
        ValueError: if there is no such name (near ones are listed) or setting.
    """
    if setting not in TABLES:
        raise ValueError(
            'setting must be "auto", "short", "photos" or "published". '
            f"Received: setting={setting!r}."
        )
    if name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, n=3, cutoff=0.5)
        hint = f"Did you mean {', '.join(near)}?" if near else "kcv list shows all of them."
        raise ValueError(f"There is no recipe of this name. Received: {name!r}. {hint}")
    return TABLES[setting][name]

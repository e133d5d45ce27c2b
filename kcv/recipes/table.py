"""A recipe for every model name: short settings for small images, and those of a published run."""

import difflib

from kcv import models
from kcv.recipes.recipe import Recipe

SHORT_SOURCE = "tuned on fashion_mini for a few minutes of CPU"


def _short(name: str) -> Recipe:
    return Recipe(name, source=SHORT_SOURCE)


SHORT = {name: _short(name) for name in models.VARIANTS}
RECIPES = dict(SHORT)


def get(name: str, setting: str = "short") -> Recipe:
    """Return the recipe of a model name.

    Args:
        setting: `"short"` (a few minutes, small images) or `"published"` (the run behind the
            published accuracy).

    Raises:
        ValueError: if there is no such name (near ones are listed) or setting.
    """
    tables = {"short": SHORT, "published": RECIPES}
    if setting not in tables:
        raise ValueError(
            f'setting must be "auto", "short" or "published". Received: setting={setting!r}.'
        )
    if name not in tables[setting]:
        near = difflib.get_close_matches(str(name), RECIPES, n=3, cutoff=0.5)
        hint = f"Did you mean {', '.join(near)}?" if near else "kcv list shows all of them."
        raise ValueError(f"There is no recipe of this name. Received: {name!r}. {hint}")
    return tables[setting][name]

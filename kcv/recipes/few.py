"""How long to train on few images, and in what batches."""

import logging
import math
from collections.abc import Collection

from kcv.recipes.recipe import Recipe

log = logging.getLogger("kcv")

# What Kolesnikov et al. 2020, https://arxiv.org/abs/1912.11370, fine-tune for on fewer than 20,000
# images; a recipe of 12 epochs in batches of 128 takes 24 on 300 images.
LEAST_STEPS = 500
SHORT_COUNT = 9_000  # training images of fashion_mini, which the short recipes are made for
SMALLEST_BATCH = 8  # batch norm needs some images for its statistics
MOST_EPOCHS = 100  # each ends with validation and a checkpoint


def photo_epochs(count: int) -> int:
    """Return the epochs that show a network about 50,000 of so many photographs, 10 to 60."""
    return min(60, max(10, round(50_000 / count)))


def short_epochs(epochs: int, count: int) -> int:
    """Return the epochs of a short recipe that show as many images as on `fashion_mini`, up to 60.

    Args:
        epochs: of the short recipe.
        count: training images; 9,000 and more get the epochs of the recipe.
    """
    return max(epochs, min(60, round(epochs * SHORT_COUNT / count)))


def enough_steps(recipe: Recipe, count: int, chosen: Collection[str] = ()) -> Recipe:
    """Return the recipe with at least 500 update steps on `count` training images.

    The batch is halved until there are as many, down to 8 images; the learning rate falls with it
    (`base_batch`), so that an epoch moves the weights as far as before. Where that is not enough,
    epochs are added, up to 100: below 40 images there are fewer steps all the same.

    Args:
        recipe: as it would be for many images.
        count: training images.
        chosen: names of fields that the user has set; those stay.
    """
    batch, epochs = recipe.batch_size, recipe.epochs
    if "batch_size" not in chosen:
        while batch > SMALLEST_BATCH and epochs * _steps(count, batch) < LEAST_STEPS:
            batch = max(batch // 2, SMALLEST_BATCH)
    if "epochs" not in chosen:
        needed = math.ceil(LEAST_STEPS / _steps(count, batch))
        epochs = max(epochs, min(needed, MOST_EPOCHS))
    if (batch, epochs) != (recipe.batch_size, recipe.epochs):
        log.info(
            "%s training images are few: %d epochs in batches of %d, not %d in batches of %d, "
            "give %d steps",
            f"{count:,}",
            epochs,
            batch,
            recipe.epochs,
            recipe.batch_size,
            epochs * _steps(count, batch),
        )
    return recipe.changed(batch_size=batch, epochs=epochs)


def _steps(count: int, batch: int) -> int:
    """Return the steps of an epoch; a last batch that is not full is left out."""
    return max(1, count // batch)

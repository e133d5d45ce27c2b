"""From a recipe, data and changes to what a run is made of: settings, folder, network."""

import json
import logging
import re
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path

import keras

from kcv import models, weights
from kcv.data import Data, specs
from kcv.data.found import Found
from kcv.data.sampling import growing_epochs
from kcv.recipes import few
from kcv.recipes.recipe import Recipe
from kcv.recipes.run import default_threads, free_name, is_run
from kcv.recipes.table import get

log = logging.getLogger("kcv")

SMALL_IMAGE = 64  # up to this side a network keeps early resolution and the short settings apply
TINY_IMAGE = 16  # four halvings, as after a medium stem, leave one pixel of it
SIGNS = re.compile(r"(^|[:/])(digits|e?mnist|kmnist|svhn)")  # specs of digits and letters
MANY_PHOTOS = 100_000  # training images from which the published settings, made for 1.2 M, suit


def find_resumed(recipe, out, resume) -> Path | None:
    """Return the folder to go on in, None for a new run."""
    if resume is None:
        return None
    if str(resume) != "auto":
        if not is_run(Path(resume)):
            raise FileNotFoundError(
                f"There is no run to resume in {resume}: it has no recipe.toml. "
                "Give the folder of a run, or --resume auto."
            )
        return Path(resume)
    if out is not None:
        return Path(out) if is_run(Path(out)) else None
    name = recipe if isinstance(recipe, str) else recipe.model
    runs = [p for p in Path("runs").glob(f"{name}*") if is_run(p)]
    runs = [p for p in runs if p.name == name or p.name[len(name) :].lstrip("-").isdigit()]
    return max(runs, key=lambda p: p.stat().st_mtime, default=None)


def read_stored(folder: Path, recipe, data, changes: dict) -> Recipe:
    """Return the recipe of a run folder; what was asked for besides must agree with it."""
    stored = Recipe.from_toml(folder / "recipe.toml")
    asked = dict(changes)
    asked["model"] = recipe if isinstance(recipe, str) else recipe.model
    if isinstance(data, str):
        asked["data"] = data
    wanted = merged(stored, asked)
    differ = [f.name for f in fields(stored) if getattr(stored, f.name) != getattr(wanted, f.name)]
    if differ:
        name = differ[0]
        raise ValueError(
            f"A resumed run keeps its settings: {folder} has {name}={getattr(stored, name)!r}. "
            f"Received: {name}={getattr(wanted, name)!r}. Leave it out, or start a new run."
        )
    return stored


def merged(recipe: Recipe, changes: dict) -> Recipe:
    """Return the recipe with other values; arguments of the network join those that it has."""
    network = changes.get("network")
    if isinstance(network, dict):
        changes = {**changes, "network": {**recipe.network, **network}}
    return recipe.changed(**changes)


def resolve(
    recipe, data, setting: str, changes: dict, folder: Path | None = None
) -> tuple[Recipe, Data]:
    """Return the recipe with every field decided, and its data; `folder` is of a resumed run."""
    named = isinstance(recipe, str)
    draft = get(recipe, "short" if setting == "auto" else setting) if named else recipe
    if isinstance(data, str):
        changes = {**changes, "data": data}
    draft = merged(draft, changes)
    resize = _resizing(draft, folder)
    found = find(draft, data)
    loaded = load(draft, found, resize)
    batched, count = isinstance(found, Data), len(loaded.train.labels)
    if not batched:
        _check_batch(changes, draft.batch_size, count)
    if named and setting == "auto":
        draft = _fitted(draft, loaded, changes, batched)
        loaded = load(draft, found, resize)
    if not batched and draft.batch_size > count:
        log.info("All %s training images make one batch, not %d", f"{count:,}", draft.batch_size)
        draft = draft.changed(batch_size=count)  # the rate is scaled to what a batch has
        loaded = load(draft, found, resize)
    height, width = loaded.image_size
    return draft.changed(
        data=loaded.spec,
        image_size=height if height == width else draft.image_size,
        channels=loaded.channels,
        loss=loss_name(draft.loss, loaded),
        threads=draft.threads or default_threads(),
    ), loaded


def _fitted(recipe: Recipe, data: Data, changes: dict, batched: bool) -> Recipe:
    """Return the short recipe fitted to the size and number of images; `changes` stay.

    Args:
        batched: the batches are made already, so that their size cannot change.
    """
    count = len(data.train.labels)
    if max(data.image_size) > SMALL_IMAGE:
        recipe = _for_photos(recipe.model, count, changes)
    else:
        recipe = _for_small_images(recipe, data, count, changes)
    return recipe if batched else few.enough_steps(recipe, count, changes)


def _check_batch(changes: dict, batch: int, count: int) -> None:
    """Refuse a batch that the user wants larger than the data."""
    if "batch_size" in changes and batch > count:
        raise ValueError(
            f"A batch cannot have more than the {count:,} training images. "
            f"Received: batch_size={batch}."
        )


def _for_small_images(recipe: Recipe, data: Data, count: int, changes: dict) -> Recipe:
    """Return the short recipe with as many images as on `fashion_mini`, and what tiny ones want.

    Of 8 pixels a medium stem leaves nothing to the later stages, and a shift by 2 takes a quarter.
    Digits and letters are not mirrored.
    """
    augment, stem = recipe.augment, recipe.stem
    if max(data.image_size) <= TINY_IMAGE:
        augment = {"flip_shift": "flip"}.get(augment, augment)
        stem = {"medium": "small"}.get(stem, stem)
    if SIGNS.search(data.spec):
        augment = {"flip_shift": "shift", "flip": "none"}.get(augment, augment)
    epochs = few.short_epochs(recipe.epochs, count)
    fitted = {"augment": augment, "stem": stem, "epochs": epochs}
    return merged(recipe, {**fitted, **changes})


def _for_photos(name: str, count: int, changes: dict) -> Recipe:
    """Return the recipe for photographs: a published one has epochs for a million of them."""
    if count >= MANY_PHOTOS:
        return merged(get(name, "published"), changes)
    if weights.list(name) and not changes.get("weights"):
        log.info(
            "%s photographs are few: published weights make a better start, "
            "--set weights=NAME with a name of kcv list %s --weights",
            f"{count:,}",
            name,
        )
    return merged(get(name, "photos"), {"epochs": few.photo_epochs(count), **changes})


def resolve_tuned(recipe: Recipe, data, chosen: Collection[str]) -> tuple[Recipe, Data]:
    """Return what `resolve` does of a recipe to fine-tune by; few images still give enough steps.

    Args:
        chosen: names of fields that the user has set, which stay.
    """
    found = find(recipe, data)
    recipe, loaded = resolve(recipe, found, "auto", {})
    if isinstance(found, Data):  # whose batches are made
        return recipe, loaded
    fitted = few.enough_steps(recipe, len(loaded.train.labels), chosen)
    return (recipe, loaded) if fitted == recipe else resolve(fitted, found, "auto", {})


def _resizing(recipe: Recipe, folder: Path | None) -> dict | None:
    """Return how evaluation resizes images, where a resumed run or pretrained weights say it."""
    if folder is not None:
        return _noted(folder).get("resize")
    if not recipe.weights:
        return None
    seen = weights.checkpoints.locate(recipe.weights).preprocessing
    return None if seen is None else seen.resize


def loss_name(name: str, data: Data) -> str:
    if data.multi_label and name == "cross_entropy":
        raise ValueError(
            "Images of several classes need loss='binary_cross_entropy', or 'auto'. "
            f"Received: loss='cross_entropy' for {data.spec}."
        )
    if name != "auto":
        return name
    return "binary_cross_entropy" if data.multi_label else "cross_entropy"


def find(recipe: Recipe, data=None) -> Data | Found:
    """Return what there is of the data, or of the recipe's: listing many files takes its time."""
    given = recipe.data if data is None else data
    return given if isinstance(given, Data | Found) else specs.find(given, recipe.channels or None)


def load(recipe: Recipe, data=None, resize: dict | None = None) -> Data:
    """Load the data of a recipe; `resize` as `kcv.data.load` takes it."""
    given = recipe.data if data is None or isinstance(data, str) else data
    return specs.load(
        given,
        image_size=recipe.image_size or None,
        channels=recipe.channels or None,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        augment=recipe.augment,
        val_fraction=recipe.val_fraction,
        workers=recipe.workers,
        sampling=recipe.sampling,
        repeats=recipe.repeats,
        growing=(recipe.start_size, growing_epochs(recipe.epochs)) if recipe.start_size else None,
        resize=resize,
        class_weights=recipe.class_weights,
    )


def growing_sizes(recipe: Recipe, data: Data) -> set[tuple[int, int]]:
    """Return the sizes of training images that are not those of the network."""
    sizes = data.train.sizes
    every = set() if sizes is None else {sizes(epoch) for epoch in range(recipe.epochs)}
    return every - {data.image_size}


def choose_folder(recipe: Recipe, out) -> Path:
    """Return the folder of a new run; it is made when there is something to write."""
    path = Path(out) if out is not None else free_name(Path("runs"), recipe.model)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"The output folder is a file: {path}. Choose another name.")
    if path.exists() and any(path.iterdir()):
        raise FileExistsError(
            f"The output folder exists and is not empty: {path}. "
            "Choose another one, or go on in it with --resume auto."
        )
    return path


def build(recipe: Recipe, data: Data, arguments: dict | None = None) -> keras.Model:
    """Build the network of a recipe, or of the `arguments` that a resumed run has noted."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        if arguments is not None:
            model = models.build(recipe.model, **arguments)
        else:
            model = models.build(recipe.model, **_wanted(recipe, data))
    finally:
        keras.config.set_dtype_policy(before)
    if recipe.freeze:
        log.info("%d layers stay as they are", len(weights.freeze(model, recipe.freeze)))
    return model


def _wanted(recipe: Recipe, data: Data) -> dict:
    """Return the arguments of a new network; pretrained weights bring their own normalisation."""
    found = {
        "num_classes": data.num_classes,
        "image_size": data.image_size,
        "channels": data.channels,
        **recipe.network,
    }
    if "stem" in models.fields(recipe.model):
        found["stem"] = recipe.stem
    if recipe.weights:
        checkpoint = weights.checkpoints.locate(recipe.weights)
        known = checkpoint.preprocessing is not None
        return found | {"weights": recipe.weights} | ({} if known else _statistics(data))
    return found | _statistics(data)


def _statistics(data: Data) -> dict:
    return {"normalize": (data.mean, data.std)}


def read_arguments(folder: Path) -> dict | None:
    """Return what a run's network was built of; runs of earlier versions do not say it."""
    found = _noted(folder).get("arguments")
    if found is None:
        return None
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}


def _noted(folder: Path) -> dict:
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))

"""Train, evaluate and fine-tune: from a recipe to a run folder."""

import logging
import time
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import keras
import numpy as np

from kcv import callbacks, kernels, models, report, seeding
from kcv.callbacks.progress import Progress
from kcv.data import Data
from kcv.data import load as load_data
from kcv.inference import load_run, softmax
from kcv.recipes import floor
from kcv.recipes.parts import (
    make_batches,
    make_callbacks,
    make_loss,
    make_metrics,
    make_optimizer,
)
from kcv.recipes.recipe import Recipe
from kcv.recipes.run import (
    EpochLog,
    Run,
    default_threads,
    environment,
    free_name,
    is_run,
    read_log,
    write_json,
    write_text,
)
from kcv.recipes.table import get
from kcv.version import __version__

log = logging.getLogger("kcv")

SMALL_IMAGE = 64  # up to this side a network keeps early resolution and the short settings apply


def train(
    recipe: str | Recipe,
    data=None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    setting: str = "auto",
    **changes,
) -> Run:
    """Train a network by recipe, test it once, and leave a run folder with a report.

    Args:
        recipe: a model name, or a `Recipe`.
        data: what `kcv.data.load` takes; the recipe's own by default.
        out: the run folder; by default `runs/NAME`, with a number behind it if that exists.
        resume: `"auto"` goes on in `out` (or in the newest folder of this name) if a run is
            there and starts one otherwise; a path goes on there and needs a run.
        setting: `"short"` or `"published"` settings of the model; `"auto"` takes the short ones
            for images of up to 64 pixels.
        **changes: fields of the recipe, e.g. `epochs=30, image_size=224, seed=1`.

    Returns:
        The run: `.model`, `.history`, `.metrics`, `.path`.

    Raises:
        ValueError: for an unknown model, field, setting or data, or values that do not fit.
        FileExistsError: if `out` exists and is not to be resumed.
        KeyboardInterrupt: after Ctrl-C, once the run folder is usable.
    """
    folder = _resumed(recipe, out, resume)
    if folder is not None:
        recipe, changes, data = _stored(folder, recipe, data, changes), {}, data
    recipe, loaded = _resolve(recipe, data, setting, changes)
    path = folder or _new_folder(recipe, out)
    _prepare(recipe)
    model = _build(recipe, loaded)
    _announce(recipe, path)
    return _fit(Run(path, recipe, model), loaded)


def _announce(recipe: Recipe, path: Path) -> None:
    log.info(
        "%s on %s, %d pixels, stem %s: %d epochs of %s, %s, learning rate %g for a batch of %d, "
        "seed %d, %d threads. Run folder: %s",
        recipe.model,
        recipe.data,
        recipe.image_size,
        recipe.stem,
        recipe.epochs,
        recipe.optimizer,
        recipe.schedule,
        recipe.learning_rate,
        recipe.base_batch,
        recipe.seed,
        recipe.threads,
        path,
    )


def _resumed(recipe, out, resume) -> Path | None:
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


def _stored(folder: Path, recipe, data, changes: dict) -> Recipe:
    """Return the recipe of a run folder; what was asked for besides must agree with it."""
    stored = Recipe.from_toml(folder / "recipe.toml")
    asked = dict(changes)
    asked["model"] = recipe if isinstance(recipe, str) else recipe.model
    if isinstance(data, str):
        asked["data"] = data
    wanted = stored.changed(**asked)
    differ = [f.name for f in fields(stored) if getattr(stored, f.name) != getattr(wanted, f.name)]
    if differ:
        name = differ[0]
        raise ValueError(
            f"A resumed run keeps its settings: {folder} has {name}={getattr(stored, name)!r}. "
            f"Received: {name}={getattr(wanted, name)!r}. Leave it out, or start a new run."
        )
    return stored


def _resolve(recipe, data, setting: str, changes: dict) -> tuple[Recipe, Data]:
    """Return the recipe with every field decided, and its data."""
    named = isinstance(recipe, str)
    draft = get(recipe, "short" if setting == "auto" else setting) if named else recipe
    if isinstance(data, str):
        changes = {**changes, "data": data}
    draft = draft.changed(**changes)
    loaded = _load(draft, data)
    if named and setting == "auto" and max(loaded.image_size) > SMALL_IMAGE:
        draft = get(recipe, "published").changed(**changes)
        loaded = _load(draft, data)
    height, width = loaded.image_size
    return draft.changed(
        data=loaded.spec,
        image_size=height if height == width else draft.image_size,
        channels=loaded.channels,
        threads=draft.threads or default_threads(),
    ), loaded


def _load(recipe: Recipe, data=None) -> Data:
    given = recipe.data if data is None or isinstance(data, str) else data
    return load_data(
        given,
        image_size=recipe.image_size or None,
        channels=recipe.channels or None,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        augment=recipe.augment,
        val_fraction=recipe.val_fraction,
        workers=recipe.workers,
    )


def _new_folder(recipe: Recipe, out) -> Path:
    path = Path(out) if out is not None else free_name(Path("runs"), recipe.model)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(
            f"The output folder exists and is not empty: {path}. "
            "Choose another one, or go on in it with --resume auto."
        )
    path.mkdir(parents=True, exist_ok=True)
    return path


def _prepare(recipe: Recipe) -> None:
    """Set what is global: threads, precision, random streams."""
    kernels.keep_memory()
    kernels.set_threads(recipe.threads)
    seeding.set_seed(recipe.seed)


def _build(recipe: Recipe, data: Data) -> keras.Model:
    stem = {"stem": recipe.stem} if "stem" in models.fields(recipe.model) else {}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        return models.build(
            recipe.model,
            num_classes=data.num_classes,
            image_size=data.image_size,
            channels=data.channels,
            normalize=(data.mean, data.std),
            **stem,
            **recipe.network,
        )
    finally:
        keras.config.set_dtype_policy(before)


def _fit(run: Run, data: Data) -> Run:
    """Train, score and report; the run folder is usable whatever happens."""
    recipe, model = run.recipe, run.model
    train = make_batches(recipe, data)
    model.compile(
        make_optimizer(recipe, len(data.train)),
        make_loss(recipe),
        metrics=make_metrics(data.num_classes),
    )
    # data and seed decide the checkpoint; a resume with others is refused there
    averaging = make_callbacks(recipe, train)
    checkpoint = callbacks.Checkpoint(
        run.path / "checkpoints",
        callbacks=averaging,
        seed=recipe.seed,
        meta={"model": recipe.model, "data": recipe.data, "batch_size": recipe.batch_size},
    )
    progress = Progress(len(data.train) * recipe.batch_size, recipe.batch_size)
    done = checkpoint.restore(model)
    stopped = any(getattr(c, "stopped_epoch", None) is not None for c in averaging)
    _describe(run, data)
    epochs = EpochLog(run.path / "log.jsonl", train, read_log(run.path)[:done])
    started = time.perf_counter()
    try:
        model.fit(
            train,
            validation_data=data.val,
            epochs=done if stopped else recipe.epochs,
            initial_epoch=done,
            shuffle=False,
            verbose=0,
            callbacks=[*averaging, progress, epochs, checkpoint],
        )
    except KeyboardInterrupt:
        run.history = epochs.rows
        _rescue(run, averaging)
        raise
    finally:
        progress.close()
    run.history = epochs.rows
    run.metrics = {
        "parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "epochs": len(run.history),
        "seconds": time.perf_counter() - started + sum(r["seconds"] for r in epochs.rows[:done]),
    }
    _finish(run, data)
    return run


def _describe(run: Run, data: Data) -> None:
    """Write what is known before the first step: a kill then leaves a folder that resumes."""
    write_text(run.path / "recipe.toml", run.recipe.to_toml())
    write_json(run.path / "environment.json", environment())
    write_json(run.path / "splits.json", data.splits)
    about = {
        "model": run.recipe.model,
        "class_names": list(data.class_names),
        "image_size": list(data.image_size),
        "channels": data.channels,
        "mean": list(data.mean),
        "std": list(data.std),
        "resize": {"mode": "crop", "crop_pct": data.crop_pct, "interpolation": "bilinear"},
        "kcv": __version__,
    }
    write_json(run.path / "model.json", about)


def _rescue(run: Run, averaging) -> None:
    """Leave a usable folder after Ctrl-C: the weights of now, and a report of what there is."""
    ema = next((c for c in averaging if isinstance(c, callbacks.EMA)), None)
    with ema.averaged() if ema is not None else nullcontext():
        save_model(run.model, run.path / "model.keras")
    report.write(run.path)
    log.warning(
        "Stopped after %d of %d epochs. Go on with: kcv train %s --resume %s",
        len(run.history),
        run.recipe.epochs,
        run.recipe.model,
        run.path,
    )


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model aside and rename it: an earlier file survives a kill and a full disk."""
    aside = path.with_name(f".aside-{path.name}")
    try:
        model.save(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _finish(run: Run, data: Data) -> None:
    """Save the model, score it on validation and test data, write metrics and report."""
    save_model(run.model, run.path / "model.keras")
    run.metrics["val"] = score(run.model, data.val)
    if data.test is not None:
        run.metrics["test"] = score(run.model, data.test, save=run.path / "predictions.npz")
    base = floor.linear_accuracy(data)
    if base is not None:
        run.metrics["floor"] = base
    run.metrics["skipped"] = list(data.skipped)
    write_json(run.path / "metrics.json", run.metrics)
    report.write(run.path)


def score(model: keras.Model, batches, save: Path | None = None, batch_size: int = 0) -> dict:
    """Return loss and accuracies of a model over batches, computed from one pass of `predict`.

    Args:
        save: where to write probabilities, labels, names and thumbnails (`predictions.npz`).

    Returns:
        `loss`, `accuracy`, `top5_accuracy` (with more than five classes), `count`, `skipped`.
    """
    logits = np.asarray(model.predict(batches, verbose=0), np.float64)
    labels = np.asarray(batches.labels)
    if logits.shape[-1] <= labels.max():
        raise ValueError(
            f"The data has a class number {labels.max()}, the model scores {logits.shape[-1]} "
            "classes only. Give data with the classes of the run."
        )
    probabilities = softmax(logits)
    right = probabilities[np.arange(len(labels)), labels]
    rank = (probabilities > right[:, None]).sum(1)
    result = {
        "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
    }
    if logits.shape[-1] > 5:
        result["top5_accuracy"] = float((rank < 5).mean())
    result |= {"count": len(labels), "skipped": len(batches.skipped)}
    if save is not None:
        _save_predictions(save, probabilities.astype(np.float32), labels, batches)
    return result


def _save_predictions(path: Path, probabilities, labels, batches) -> None:
    best, worst = report.examples(probabilities, labels)
    shown = np.unique(np.concatenate([best, worst])).astype(np.int64)
    aside = path.with_name(f".aside-{path.name}")
    try:
        np.savez_compressed(
            aside,
            probabilities=probabilities,
            labels=labels,
            names=np.array([batches.name(i) for i in range(len(labels))]),
            split=np.array(batches.part),
            best=best,
            worst=worst,
            thumbnails=batches.images(shown),
            thumbnail_index=shown,
        )
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def evaluate(run, data=None, *, split: str = "test", batch_size: int = 128) -> dict:
    """Score a run on data: loss, accuracy, top-5 accuracy, count.

    Args:
        run: a run folder, or what `train` returned.
        data: what `kcv.data.load` takes, with the classes of the run; by default the run's own.
        split: `"test"`, `"val"`, `"train"` or `"all"`; a folder of class folders without splits
            is taken whole.

    Raises:
        ValueError: if the classes are not those of the run, or there is no such split.
    """
    path = Path(getattr(run, "path", run))
    model, about = load_run(path)
    recipe = Recipe.from_toml(path / "recipe.toml").changed(
        augment="none",
        batch_size=batch_size,
        image_size=about["image_size"][0],
        channels=about["channels"],
        **({"data": data} if isinstance(data, str) else {}),
    )
    loaded = _load(recipe, data)
    if list(loaded.class_names) != about["class_names"]:
        raise ValueError(
            f"The data must have the classes of the run, {_few(about['class_names'])}. "
            f"Received: {_few(loaded.class_names)}."
        )
    whole = data is not None and split == "test" and loaded.was_split
    batches = loaded.all if whole else getattr(loaded, split, None)
    if batches is None:
        raise ValueError(f"The data has no such part. Received: split={split!r}.")
    return score(model, batches)


def _few(names) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def finetune(name: str, weights, data=None, *, freeze: bool = False, out=None, **changes) -> Run:
    """Go on from trained weights, on other data: a new head where the classes differ.

    Args:
        name: model name; must be that of the weights.
        weights: a run folder.
        data: what `kcv.data.load` takes.
        freeze: train the new head only.
        out, **changes: as in `train`; the learning rate is a tenth of the recipe's unless given.

    Raises:
        ValueError: if the weights belong to another network.
    """
    source, about = load_run(Path(weights))
    if about["model"] != name:
        raise ValueError(
            f"The weights in {weights} belong to {about['model']}. Received: {name!r}."
        )
    stored = Recipe.from_toml(Path(weights) / "recipe.toml")
    same = {"channels": about["channels"], "stem": stored.stem, "network": stored.network}
    recipe = get(name, "short").changed(**{**same, **changes})
    if "learning_rate" not in changes:
        recipe = recipe.changed(learning_rate=recipe.learning_rate / 10)
    recipe, loaded = _resolve(recipe, data, "auto", {})
    _prepare(recipe)
    model = _build(recipe, loaded)
    copied = models.transfer(source, model)
    log.info("%d tensors from %s, new: %s", len(copied.taken), weights, ", ".join(copied.new))
    if freeze:
        for layer in model.layers:
            layer.trainable = layer.name.startswith("logits")
    return _fit(Run(_new_folder(recipe, out), recipe, model), loaded)

"""Train, evaluate and fine-tune: from a recipe to a run folder."""

import logging
import time
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np

from kcv import callbacks, kernels, models, report, seeding
from kcv.callbacks.interrupt import Interrupt
from kcv.callbacks.progress import Progress
from kcv.data import Data
from kcv.data.views import check_kind
from kcv.inference import load_run
from kcv.recipes import floor, scoring, settings
from kcv.recipes.parts import (
    make_batches,
    make_callbacks,
    make_loss,
    make_metrics,
    make_optimizer,
    monitored,
)
from kcv.recipes.recipe import Recipe
from kcv.recipes.run import (
    EpochLog,
    Run,
    environment,
    is_run,
    read_log,
    write_json,
    write_text,
)
from kcv.recipes.table import tuned
from kcv.version import __version__
from kcv.weights.checkpoints import locate

log = logging.getLogger("kcv")


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
        setting: `"short"`, `"photos"` or `"published"` settings of the model. `"auto"` takes the
            short ones for images of up to 64 pixels, with more epochs (up to 60) for fewer than
            9,000 of them, the small stem and no shifts up to 16 pixels, and digits not mirrored;
            of larger images the published ones for 100,000 training images or more, and else those
            for photographs, with 10 to 60 epochs by their number. Smaller batches and more epochs
            follow where all that would give fewer than 500 steps.
        **changes: fields of the recipe, e.g. `epochs=30, image_size=224, seed=1`; arguments of the
            `network` join those of the recipe.

    Returns:
        The run: `.model`, `.history`, `.metrics`, `.path`.

    Raises:
        ValueError: for an unknown model, field, setting or data, or values that do not fit.
        FileExistsError: if `out` exists and is not to be resumed.
        KeyboardInterrupt: after Ctrl-C, once the run folder is usable.
    """
    folder = settings.find_resumed(recipe, out, resume)
    if folder is not None:
        recipe, changes, data = settings.read_stored(folder, recipe, data, changes), {}, data
    recipe, loaded = settings.resolve(recipe, data, setting, changes, folder)
    path = folder or settings.choose_folder(recipe, out)
    return _start(recipe, loaded, path, settings.read_arguments(folder) if folder else None)


def _start(recipe: Recipe, loaded: Data, path: Path, arguments: dict | None = None) -> Run:
    """Build the network, of the `arguments` of a resumed run or the recipe's, and train it."""
    _prepare(recipe)
    model = settings.build(recipe, loaded, arguments)
    path.mkdir(parents=True, exist_ok=True)
    _announce(recipe, loaded, path)
    with models.several_sizes(model, settings.growing_sizes(recipe, loaded)):
        return _fit(Run(path, recipe, model), loaded)


def _announce(recipe: Recipe, data: Data, path: Path) -> None:
    log.info(
        "%s on %s, %d pixels, stem %s: %s of %s with %s, %s, %s, learning rate %g for a batch of "
        "%d, seed %d, %s. Run folder: %s",
        recipe.model,
        recipe.data,
        recipe.image_size,
        recipe.stem,
        _count(recipe.epochs, "epoch"),
        _count(len(data.train), "step"),
        _count(data.train.batch_size, "image"),
        recipe.optimizer,
        recipe.schedule,
        recipe.learning_rate,
        recipe.base_batch,
        recipe.seed,
        _count(recipe.threads, "thread"),
        path,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _prepare(recipe: Recipe) -> None:
    """Set what is global: threads, precision, random streams."""
    kernels.keep_memory()
    kernels.set_threads(recipe.threads)
    seeding.set_seed(recipe.seed)


def _fit(run: Run, data: Data) -> Run:
    """Train, score and report; the run folder is usable whatever happens."""
    recipe, model = run.recipe, run.model
    train = make_batches(recipe, data)
    model.compile(
        make_optimizer(recipe, len(data.train), model),
        make_loss(recipe, data),
        metrics=make_metrics(data.num_classes, data.multi_label),
        jit_compile=recipe.compile or "auto",
    )
    # data and seed decide the checkpoint; a resume with others is refused there
    monitor = monitored(data)
    averaging = make_callbacks(recipe, train, monitor)
    checkpoint = callbacks.Checkpoint(
        run.path / "checkpoints",
        callbacks=averaging,
        monitor=monitor,
        seed=recipe.seed,
        meta={"model": recipe.model, "data": recipe.data, "batch_size": recipe.batch_size},
    )
    progress = Progress(len(data.train) * recipe.batch_size, recipe.batch_size)
    done = checkpoint.restore(model)
    stopped = any(getattr(c, "stopped_epoch", None) is not None for c in averaging)
    _describe(run, data)
    epochs = EpochLog(run.path / "log.jsonl", train, read_log(run.path)[:done])
    started = time.perf_counter()
    run.history = epochs.rows
    try:
        with Interrupt() as interrupt:
            model.fit(
                train,
                validation_data=data.val,
                epochs=done if stopped else recipe.epochs,
                initial_epoch=done,
                shuffle=False,
                verbose=0,
                callbacks=[interrupt, *averaging, progress, epochs, checkpoint],
            )
        averaging = []  # what they made is in the model now
        seconds = time.perf_counter() - started + sum(r["seconds"] for r in epochs.rows[:done])
        _finish(run, data, seconds)
    except KeyboardInterrupt:
        _rescue(run, averaging)
        raise
    finally:
        progress.close()
    return run


def _describe(run: Run, data: Data) -> None:
    """Write what is known before the first step: a kill then leaves a folder that resumes."""
    write_text(run.path / "recipe.toml", run.recipe.to_toml())
    write_json(run.path / "environment.json", environment())
    write_json(run.path / "splits.json", data.splits)
    mean, std = run.model.arguments["normalize"]
    arguments = {k: v for k, v in run.model.arguments.items() if k not in ("model", "family")}
    about = {
        "model": run.recipe.model,
        "arguments": arguments,
        "class_names": list(data.class_names),
        "image_size": list(data.image_size),
        "channels": data.channels,
        "mean": np.broadcast_to(mean, data.channels).tolist(),
        "std": np.broadcast_to(std, data.channels).tolist(),
        "resize": data.resize,
        "multi_label": data.multi_label,
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


def _finish(run: Run, data: Data, seconds: float) -> None:
    """Save the model, score it on validation and test data, write metrics and report."""
    save_model(run.model, run.path / "model.keras")
    run.metrics = {
        "parameters": sum(int(np.prod(w.shape)) for w in run.model.trainable_weights),
        "epochs": len(run.history),
        "seconds": seconds,
    }
    run.metrics["val"] = scoring.score(run.model, data.val)
    if data.test is not None:
        run.metrics["test"] = scoring.score(run.model, data.test, save=run.path / "predictions.npz")
    base = floor.linear_accuracy(data)
    if base is not None:
        run.metrics["floor"] = base
    run.metrics["skipped"] = list(data.skipped)
    write_json(run.path / "metrics.json", run.metrics)
    report.write(run.path)


def evaluate(
    run, data=None, *, split: str = "test", batch_size: int = 128, views: str = "one"
) -> dict:
    """Score a run on data: loss, accuracy, top-5 accuracy, count (see `scoring.score`).

    Args:
        run: a run folder, or what `train` returned.
        data: what `kcv.data.load` takes, with the classes of the run; by default the run's own.
        split: `"test"`, `"val"`, `"train"` or `"all"`; a folder of class folders without splits
            is taken whole.
        views: over which views of each image the probabilities are averaged: `"one"`, `"flip"`,
            `"three"`, `"six"` or `"ten"`, see `kcv.data.views.VIEWS`.

    Raises:
        ValueError: if the classes are not those of the run, or there is no such split or view.
    """
    path = Path(getattr(run, "path", run))
    check_kind(views)
    model, about = load_run(path)
    recipe = Recipe.from_toml(path / "recipe.toml").changed(
        augment="none",
        batch_size=batch_size,
        image_size=about["image_size"][0],
        channels=about["channels"],
        # what concerns training only, and might not suit other data
        **{"sampling": "shuffled", "class_weights": "none", "repeats": 1, "start_size": 0},
        **({"data": data} if isinstance(data, str) else {}),
    )
    loaded = settings.load(recipe, data, about.get("resize"))
    if list(loaded.class_names) != about["class_names"]:
        raise ValueError(
            f"The data must have the classes of the run, {_few(about['class_names'])}. "
            f"Received: {_few(loaded.class_names)}."
        )
    whole = data is not None and split == "test" and loaded.was_split
    if not whole and split not in (*loaded.class_counts, "all"):
        raise ValueError(f"The data has no such part. Received: split={split!r}.")
    return scoring.score(model, loaded.plain("all" if whole else split), views=views)


def _few(names) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def finetune(name: str, weights, data=None, *, freeze: str | bool = "", out=None, **changes) -> Run:
    """Go on from trained weights, on other data: a new head where the classes differ.

    Args:
        name: model name; must be that of the weights.
        weights: a published checkpoint, a file or a run folder, as `kcv.weights` takes them.
        data: what `kcv.data.load` takes.
        freeze: what stays as it is, see `kcv.weights.freeze`; True for all but the head.
        out, **changes: as in `train`; the learning rate is a tenth of the recipe's unless given.
            Where few images would give fewer than 500 update steps, the batch is halved until
            there are as many, down to 8 images (the rate falls with it), and then epochs are
            added, up to 100; `batch_size` and `epochs` that are given stay.
            Image size, normalisation, interpolation, crop fraction and channels are those of the
            weights, and go into the run's model.json for `evaluate` and `predict`.

    Raises:
        ValueError: if the weights belong to another network.
    """
    recipe = tuned(name)
    own: dict = {"learning_rate": recipe.learning_rate / 10}
    checkpoint = locate(weights)
    arguments = checkpoint.arguments or {}
    own |= {"stem": arguments.get("stem", "standard"), "channels": arguments.get("channels", 0)}
    if is_run(Path(weights)):  # an older one notes its network in its recipe only
        stored = Recipe.from_toml(Path(weights) / "recipe.toml")
        own |= {"channels": stored.channels, "stem": stored.stem, "network": stored.network}
    if checkpoint.preprocessing is not None:
        size = checkpoint.preprocessing.image_size
        own |= {"image_size": size if isinstance(size, int) else max(size)}
        if own["image_size"] > settings.SMALL_IMAGE:
            quality = checkpoint.preprocessing.interpolation
            own |= {"augment": f"crop(0.08,1.0,{quality})+flip", "workers": 2}
    frozen = "features" if freeze is True else freeze or ""
    recipe = recipe.changed(weights=str(weights), freeze=frozen, **own)
    recipe = settings.merged(recipe, changes)
    recipe, loaded = settings.resolve_tuned(recipe, data, changes)
    return _start(recipe, loaded, settings.choose_folder(recipe, out))

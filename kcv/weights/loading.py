"""From a word or a file to a network with its weights: numerics, preprocessing, head."""

import logging
import os
import re
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kcv.layers.init import draw, postponed
from kcv.weights import checkpoints, files, names
from kcv.weights.preprocessing import Preprocessing

log = logging.getLogger("kcv")

HF = ("vit", "deit", "swin", "convnext", "resnet", "mobilenet_v1", "mobilenet_v2", "efficientnet")
# Whose names a file's tensors have, where nothing else says it: the first that fits.
MARKS = {
    "kcv": r"layers/(batch_norm|linear)(_\d+)?/vars/",
    "keras": r".+/",
    "mmpretrain": r"backbone\.",
    "hf": rf"({'|'.join(HF)})\.",
    "timm": r"pre_logits\.|blocks\.|stages\.|conv_stem\.|patch_embed\.",
    "torchvision": r"features\.|conv_proj\.|inception3a\.|stage2\.0\.branch|layers\.\d+\.weight",
}


def build(name: str, source: str | os.PathLike, changes: dict[str, Any], make, transfer):
    """Build a network with the arguments that a checkpoint needs, and give it the weights.

    Args:
        name: kcv's name of the network.
        source: what `weights=` takes.
        changes: arguments that the user chose; they go before the checkpoint's own.
        make: builds the network with the arguments it is given.
        transfer: `kcv.models.transfer`, for weights of another run of kcv.

    Raises:
        ValueError: if the weights belong to another network, do not fit, or need numerics other
            than those that were chosen.
    """
    checkpoint = checkpoints.locate(source)
    if checkpoint.model not in (None, name):
        raise ValueError(
            f"The weights {source} belong to {checkpoint.model}. Received: {name!r}. "
            f"Build {checkpoint.model!r}."
        )
    if checkpoint.dialect == "kcv":
        return _from_run(checkpoint, changes, make, transfer)
    tensors = files.read(checkpoint.path)
    checkpoint = _named(checkpoint, tensors, name)
    needs = _needs(checkpoint, name)
    own = checkpoint.arguments or {}
    arguments = {**own, **needs, **_looks(checkpoint, changes), **changes}
    with postponed():
        model = make(**arguments)
        if checkpoint.classes is None and "num_classes" not in changes:
            classes = _classes(model, tensors, checkpoint.dialect)
            if classes is not None:
                model = make(**{**arguments, "num_classes": classes})
    report = names.load(model, tensors, checkpoint.dialect, needs)
    for name in report.new:
        draw(model.get_layer(name))
    _report(report, source)
    model.preprocessing = _seen(checkpoint.preprocessing, model)
    return model


def load(model, source: str | os.PathLike, format: str | None = None) -> names.Report:
    """Give the weights of a checkpoint to a network that is built already, all or nothing.

    Args:
        model: a network of `kcv.models.build`.
        source: what `weights=` takes, but no run.
        format: whose names a file's tensors have, where it does not say so: `"timm"`,
            `"torchvision"`, `"hf"`, `"mmpretrain"` or `"keras"`.

    Returns:
        Names of the tensors that were loaded, not needed, resized, and of the new layers.

    Raises:
        ValueError: if the network was built with other numerics than the checkpoint needs (both
            are named), or tensors are missing, unexpected or of the wrong shape.
    """
    checkpoint = checkpoints.locate(source)
    if format is not None:
        checkpoint = checkpoint._replace(
            dialect=format, origin=f"{format}/{model.arguments['model']}"
        )
    tensors = files.read(checkpoint.path)
    checkpoint = _named(checkpoint, tensors, model.arguments["model"])
    needs = _needs(checkpoint, model.arguments["model"])
    report = names.load(model, tensors, checkpoint.dialect, needs)
    model.preprocessing = _seen(checkpoint.preprocessing, model)
    return report


def _needs(checkpoint: checkpoints.Checkpoint, name: str) -> dict[str, Any]:
    """Return the arguments without which the weights compute something else."""
    if checkpoint.arguments is None:
        return {**names.numerics(name, checkpoint.origin), **_window(checkpoint.origin)}
    decided = names.numerics(name, checkpoint.origin)
    return {
        k: v
        for k, v in checkpoint.arguments.items()
        if k in decided or k.endswith(("epsilon", "padding"))
    }


def _window(origin: str) -> dict[str, int]:
    """Return the window of a Swin Transformer: its tables would be resized to another one."""
    found = re.search(r"_window(\d+)_", origin)
    if found:
        return {"window": int(found.group(1))}
    return {"window": 12} if re.match(r"mmpretrain/swin-.*-384", origin) else {}


def _named(
    checkpoint: checkpoints.Checkpoint, tensors: files.Tensors, name: str
) -> checkpoints.Checkpoint:
    """Return the checkpoint with its dialect, found by its tensors' names where need be."""
    dialect = checkpoint.dialect or dialect_of(tensors)
    if dialect == "kcv":
        raise ValueError(
            f"{checkpoint.path} was written by kcv: model.load_weights takes such a file, "
            "kcv.models.build(name, weights=...) its run folder."
        )
    if checkpoint.dialect:
        return checkpoint
    log.info(
        "%s: names of %s; its preprocessing is not known, images must come normalised",
        checkpoint.path.name,
        dialect,
    )
    return checkpoint._replace(dialect=dialect, origin=f"{dialect}/{name}")


def dialect_of(tensors: files.Tensors) -> str:
    """Return whose names tensors have; plain ResNets of torchvision and timm have the same."""
    for dialect, mark in MARKS.items():
        if any(re.match(mark, name) for name in tensors):
            return dialect
    return "timm"


def _looks(checkpoint: checkpoints.Checkpoint, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that come of preprocessing and classes, as far as they are known."""
    seen = checkpoint.preprocessing
    found: dict[str, Any] = {}
    if checkpoint.classes is not None:
        found["num_classes"] = checkpoint.classes or None
    if seen is not None:
        channels = changes.get("channels", len(seen.mean))
        found |= {"image_size": seen.image_size, "channels": channels}
        noted = checkpoint.arguments or {}
        given = noted.get("normalize") if noted.get("channels") == channels else None
        found["normalize"] = given or seen.normalize(channels)
    return found


def _classes(model, tensors: files.Tensors, dialect: str) -> int | None:
    """Return how many classes a file scores, None if it is as many as the network."""
    axis = -1 if dialect == "keras" else 0
    ours = model.arguments["num_classes"]
    found = {
        tensors[name].shape[axis]
        for name, shape in names.shapes(model, dialect).items()
        if name in tensors and shape and tensors[name].ndim == len(shape)
        if shape[axis] == ours != tensors[name].shape[axis]
    }
    return found.pop() if len(found) == 1 else None


def _seen(seen: Preprocessing | None, model) -> Preprocessing | None:
    """Return the checkpoint's preprocessing with what the network has otherwise."""
    if seen is None:
        return None
    arguments = model.arguments
    if len(seen.class_names) != arguments["num_classes"]:
        seen = replace(seen, class_names=())
    given, channels = arguments["normalize"], arguments["channels"]
    mean, std = (
        tuple(np.broadcast_to(np.asarray(v, "float64") / 255, channels).tolist())
        for v in (given or seen.normalize(channels))
    )
    size = arguments["image_size"]
    size = size if isinstance(size, int) else (int(size[0]), int(size[1]))
    return replace(seen, mean=mean, std=std, image_size=size)


def _report(report: names.Report, source) -> None:
    fitted = f", {len(report.fitted)} of them fitted in size" if report.fitted else ""
    log.info("%d tensors from %s%s", len(report.loaded), source, fitted)


def _from_run(checkpoint: checkpoints.Checkpoint, changes: dict[str, Any], make, transfer):
    """Build the network of a run, with its weights; its description is never deserialised."""
    own = checkpoint.arguments
    if own is None:  # a run that noted its recipe only
        own = {**_looks(checkpoint, {}), **_recipe(Path(checkpoint.origin))}
    with postponed():
        twin = make(**own)
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):
            twin.load_weights(checkpoint.path)  # Keras only warns of some layers that are missing
    except (ValueError, KeyError, OSError, UserWarning) as error:
        said = str(error).strip().partition("\n")[0]
        raise ValueError(f"{checkpoint.path} does not fit its recipe: {said}") from None
    looks = _looks(checkpoint, changes)
    arguments = {**own, **looks, **changes}
    if arguments == own:
        model = twin
    else:
        model = make(**arguments)
        done = transfer(twin, model)
        new = f", new: {', '.join(done.new)}" if done.new else ""
        log.info("%d layers from %s%s", len(done.taken), checkpoint.origin, new)
    model.preprocessing = _seen(checkpoint.preprocessing, model)
    return model


def _recipe(folder: Path) -> dict[str, Any]:
    """Return the arguments of the network that a run's recipe holds."""
    try:
        recipe = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{folder / 'recipe.toml'} cannot be read: {error}.") from None
    stem = recipe.get("stem", "standard")
    return {**({"stem": stem} if stem != "standard" else {}), **recipe.get("network", {})}

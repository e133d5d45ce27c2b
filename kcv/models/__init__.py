"""The zoo: every architecture is a row of `VARIANTS`, `build` looks it up."""

import builtins
import difflib
import fnmatch
import inspect
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import keras

from kcv.engine import Model
from kcv.layers import PositionEmbedding, resize_positions
from kcv.models import (
    alexnet,
    convnext,
    efficientnet,
    googlenet,
    inception_v3,
    lenet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    nasnet,
    resnet,
    shufflenet_v1,
    shufflenet_v2,
    sizes,
    squeezenet,
    swin,
    vgg,
    vit,
)

VARIANTS = {
    **alexnet.VARIANTS,
    **convnext.VARIANTS,
    **efficientnet.VARIANTS,
    **googlenet.VARIANTS,
    **inception_v3.VARIANTS,
    **lenet.VARIANTS,
    **mnasnet.VARIANTS,
    **mobilenet_v1.VARIANTS,
    **mobilenet_v2.VARIANTS,
    **mobilenet_v3.VARIANTS,
    **nasnet.VARIANTS,
    **resnet.VARIANTS,
    **shufflenet_v1.VARIANTS,
    **shufflenet_v2.VARIANTS,
    **squeezenet.VARIANTS,
    **swin.VARIANTS,
    **vgg.VARIANTS,
    **vit.VARIANTS,
}

__all__ = [
    "VARIANTS",
    "Model",
    "Transfer",
    "at_size",
    "build",
    "features",
    "fields",
    "list",
    "resized",
    "several_sizes",
    "transfer",
]


class Transfer(NamedTuple):
    """What `transfer` did: names of the layers whose weights were taken, and of the new ones."""

    taken: builtins.list[str]
    new: builtins.list[str]


def list(pattern: str = "*") -> builtins.list[str]:
    """Return the names that match a shell pattern, sorted: `list("resnet*")`."""
    return sorted(fnmatch.filter(VARIANTS, pattern))


def _row(name: str):
    if name in VARIANTS:
        return VARIANTS[name]
    near = difflib.get_close_matches(str(name), VARIANTS, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}?" if near else "kcv list shows all of them."
    raise ValueError(f"There is no model of this name. Received: {name!r}. {hint}")


def fields(name: str) -> dict:
    """Return every argument that `build(name, ...)` takes, with its value in this row."""
    row = _row(name)
    return {
        key: row.keywords.get(key, parameter.default)
        for key, parameter in inspect.signature(row.func).parameters.items()
        if key != "name"
    }


def build(name: str, /, *, weights=None, **changes) -> Model:
    """Build a network by name: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        name: a name of `kcv.models.list()`.
        weights: trained weights, as `kcv.weights` takes them: `"timm/resnet50.a1_in1k"`, a file, a
            run folder ... They bring their paddings, epsilons, number of classes, image size and
            normalisation; another number of classes given here makes a new head.
        **changes: any argument of the row; all networks take `num_classes` (None for the feature
            map), `image_size` (pixels), `channels`, `normalize`, `width`, `dropout`, `stem`
            (`"small"` for images of 64 pixels or less) and `name`, that of the Keras model.

    Raises:
        ValueError: if the name or an argument is unknown (near ones are listed), or the values or
            weights do not fit.
        FileNotFoundError, ConnectionError: if the weights are neither here nor to be had.
    """
    _row(name)
    known = fields(name)
    for key in changes:
        if key not in known and key != "name":
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.5) or sorted(known)
            raise ValueError(
                f"{name} has no such argument. Received: {key!r}. Did you mean {', '.join(near)}?"
            )
    if weights is None:
        return _make(name, **changes)
    # not above: most networks are built without
    from kcv.weights import loading

    return loading.build(name, weights, changes, partial(_make, name), transfer)


def _make(row_name: str, **changes) -> Model:
    """Build a network and note on it what it was built of, for `kcv.weights`."""
    row = _row(row_name)
    model = row(**{"name": row_name, **changes})
    family = row.func.__module__.rpartition(".")[2]
    chosen = {key: value for key, value in changes.items() if key != "name"}
    model.arguments = {**fields(row_name), **chosen, "model": row_name, "family": family}
    return model


def features(model, names: builtins.list[str]) -> keras.Model:
    """Return a model that gives inner maps by name: a backbone for other tasks.

    Args:
        model: a network of `build`; weights are shared, not copied.
        names: names of layers, usually `stage1` ... `stage5`, `features`, `logits`.

    Returns:
        A model from the same images to the list of outputs, in the order of the names.

    Raises:
        ValueError: if the network has no layer of a name (those it has are listed).
    """
    known = [layer.name for layer in model.layers]
    for name in names:
        if name not in known:
            stages = [n for n in known if n.startswith(("stage", "features", "logits"))]
            raise ValueError(
                f"{model.name} has no output of this name. Received: {name!r}. "
                f"It has {', '.join(stages)}."
            )
    outputs = [model.get_layer(name).output for name in names]
    return Model(model.input, outputs, name=f"{model.name}_features")


def resized(model, image_size: int | tuple[int, int]) -> Model:
    """Return the same network for images of another size, with a copy of its weights.

    Convolutions and windows serve any size; the position embedding of a ViT is resized by
    `kcv.layers.resize_positions`. `build(name, weights=..., image_size=...)` does it for weights
    that are not loaded yet.

    Args:
        model: a network of `build`, trained or not.
        image_size: pixels, a number or (height, width).

    Raises:
        ValueError: if the network was not made by `build`, or the shape of another layer's weights
            depends on the size of the image (the dense layers of LeNet-5).
    """
    arguments = dict(getattr(model, "arguments", None) or {})
    if not arguments:
        raise ValueError(
            "resized needs a network of kcv.models.build, which notes what it was built of. "
            f"Received: {type(model).__name__} {getattr(model, 'name', model)!r}."
        )
    name = arguments.pop("model")
    known = {key: value for key, value in arguments.items() if key in fields(name)}
    other = build(name, **{**known, "image_size": image_size, "name": model.name})
    transfer(model, other)
    if getattr(model, "preprocessing", None) is not None:
        other.preprocessing = replace(model.preprocessing, image_size=image_size)
    return other


def transfer(source, target) -> Transfer:
    """Copy the weights of one network into another of the same kind, all but the scoring layers.

    The head `logits` is taken too if both score the same number of classes; a position embedding
    of another size is resized.

    Raises:
        ValueError: if any other layer differs; nothing is copied then.
    """
    pairs = builtins.list(zip(_weighted(source), _weighted(target), strict=False))
    if len(_weighted(source)) != len(_weighted(target)):
        raise ValueError(
            f"{source.name} and {target.name} are different networks: "
            f"{len(_weighted(source))} and {len(_weighted(target))} layers with weights."
        )
    copies, new = [], []
    for old, fresh in pairs:
        values = _fitting(old, fresh)
        if values is None and fresh.name.startswith("logits"):
            new.append(fresh.name)
        elif values is None:
            raise ValueError(
                f"The weights of {old.name} do not fit {fresh.name}: "
                f"{[w.shape for w in old.weights]} and {[w.shape for w in fresh.weights]}."
            )
        else:
            copies.append((fresh, values))
    for layer, values in copies:
        layer.set_weights(values)
    return Transfer([layer.name for layer, _ in copies], new)


def at_size(model: Model, image_size: int | tuple[int, int]) -> Model:
    """Return the network of a model for images of another size; both have the same weights.

    Training one trains the other. Tables of positions are resized from the model's in every call.

    Args:
        model: a network of `build`.
        image_size: pixels, one number for a square or (height, width).

    Raises:
        ValueError: if the network has weights that depend on the size of the image.
    """
    return sizes.at_size(model, image_size, build)


def several_sizes(model: Model, image_sizes: Iterable[tuple[int, int]]):
    """Return a context in which a model takes images of other sizes too, for `fit`.

    Args:
        model: a network of `build`.
        image_sizes: (height, width) of the images that come besides those of its own size.

    Raises:
        ValueError: if the network has weights that depend on the size of the image.
    """
    return sizes.several_sizes(model, image_sizes, build)


def _weighted(model):
    return [layer for layer in model.layers if layer.weights]


def _fitting(old, fresh):
    """Return the old layer's weights in the new layer's shapes, None if they do not fit."""
    values = old.get_weights()
    if isinstance(old, PositionEmbedding) and isinstance(fresh, PositionEmbedding):
        prefix = values[0].shape[1] - old.grid[0] * old.grid[1]
        resized = resize_positions(values[0], old.grid, fresh.grid, prefix)
        values = [keras.ops.convert_to_numpy(resized)]
    shapes = [tuple(w.shape) for w in fresh.weights]
    return values if [v.shape for v in values] == shapes else None

"""The zoo: every architecture is a row of `VARIANTS`, `build` looks it up."""

import builtins
import difflib
import fnmatch
import inspect
from functools import partial
from numbers import Real

import keras

from kcv.engine import Model
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
    squeezenet,
    swin,
    vgg,
    vit,
)
from kcv.models.sizes import Transfer, at_size, resized, several_sizes, transfer

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
    _check_numbers(name, changes)
    if weights is None:
        return _make(name, **changes)
    # not above: most networks are built without
    from kcv.weights import loading

    return loading.build(name, weights, changes, partial(_make, name), transfer)


def _check_numbers(name: str, changes: dict) -> None:
    """Refuse a width or dropout that is none: deep inside it would say so of a layer."""
    for key, fits, limit in (
        ("width", lambda value: value > 0, "width > 0"),
        ("dropout", lambda value: 0 <= value < 1, "0 <= dropout < 1"),
    ):
        value = changes.get(key, 0.5)
        if not isinstance(value, Real) or isinstance(value, bool) or not fits(value):
            raise ValueError(f"{name} needs {limit}. Received: {key}={value!r}.")


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
        A model from the same images to the list of outputs, in the order of the names; of one name
        to the output itself, as in Keras.

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

"""The weights of one network in another: of other classes, of another size, of several sizes.

A graph has its size built in: paddings, pooling windows, grids of windows and tables of positions
follow from it. For images of another size the network is built again, with the weights of the first
one. `resized` copies them, and each network trains for itself from then on; `at_size` shares them,
so that training one trains both; in `several_sizes` one model takes all the sizes, in `fit` too.

Tables of positions are the weights that follow the size, and their layers know how (`table_of`):
those of a ViT are resized, those of a window smaller than before take the middle.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import keras

from kcv.engine import Model
from kcv.layers.init import postponed

Size = tuple[int, int]


class Transfer(NamedTuple):
    """What `transfer` did: names of the layers whose weights were taken, and of the new ones."""

    taken: list[str]
    new: list[str]


def transfer(source: Model, target: Model) -> Transfer:
    """Copy the weights of one network into another of the same kind, all but the scoring layers.

    The head `logits` is taken too if both score the same number of classes; tables of positions
    are fitted to the size of the target.

    Raises:
        ValueError: if any other layer differs; nothing is copied then.
    """
    copies, new = [], []
    for old, fresh in _paired(source, target, "weights"):
        values = old.get_weights()
        if type(old) is type(fresh) and hasattr(fresh, "table_of"):
            values[0] = keras.ops.convert_to_numpy(fresh.table_of(old))
        if [v.shape for v in values] == [tuple(w.shape) for w in fresh.weights]:
            copies.append((fresh, values))
        elif fresh.name.startswith("logits"):
            new.append(fresh.name)
        else:
            raise _misfit(old, fresh)
    for layer, values in copies:
        layer.set_weights(values)
    return Transfer([layer.name for layer, _ in copies], new)


def resized(model: Model, image_size: int | Size) -> Model:
    """Return the same network for images of another size, with a copy of its weights.

    For a network to go on with at the other size; `build(name, weights=..., image_size=...)` does
    it for weights that are not loaded yet. Precision, name, preprocessing and which layers are
    frozen are the model's.

    Args:
        model: a network of `build`, trained or not.
        image_size: pixels, one number for a square or (height, width).

    Raises:
        ValueError: if the network was not made by `build`, or the shape of its weights depends on
            the size of the image (the dense layers of LeNet-5).
    """
    other = _built_again(model, _noted(model), image_size)
    transfer(model, other)
    other.trainable = model.trainable
    for old, new in _paired(model, other, "weights"):
        for source, target in _inside(old, new):
            target.trainable = source.trainable
    if getattr(model, "preprocessing", None) is not None:
        other.preprocessing = replace(model.preprocessing, image_size=image_size)
    return other


def at_size(model: Model, image_size: int | Size) -> Model:
    """Return the network of a model for images of another size; both have the same weights.

    For a look at another size without a copy, and for training at several: training one trains the
    other. Tables of positions are made from the model's in every call, so gradients reach those.

    Args:
        model: a network of `build`, trained or not.
        image_size: pixels, one number for a square or (height, width).

    Raises:
        ValueError: as `resized`.
    """
    arguments = _noted(model)
    try:
        other = _built_again(model, arguments, image_size)
        for old, new in _paired(model, other, "variables"):
            if type(old) is not type(new) or not _share(old, new):
                raise _misfit(old, new)
    except ValueError as error:
        edges = set(image_size) if isinstance(image_size, tuple) else {image_size}
        raise ValueError(
            "Images of several sizes need a network whose weights do not depend on the size. "
            f"Received: {arguments['model']} at "
            f"image_size={edges.pop() if len(edges) == 1 else image_size}: {error} "
            "Leave start_size out, or choose one nearer to image_size."
        ) from error
    return other


@contextmanager
def several_sizes(model: Model, image_sizes: Iterable[Size]) -> Iterator[Model]:
    """Let a model take images of other sizes too while the context lasts: in `fit`, for one.

    Args:
        model: a network of `build`.
        image_sizes: (height, width) of the images that come besides those of its own size.

    Raises:
        ValueError: as `resized`.
    """
    model.take_others({size: at_size(model, size) for size in image_sizes})
    try:
        yield model
    finally:
        model.take_others({})


def _noted(model: Model) -> dict:
    """Return what a network was built of."""
    if not getattr(model, "arguments", None):
        raise ValueError(
            "Another image size needs a network of kcv.models.build, which notes what it was built "
            f"of. Received: {type(model).__name__} {getattr(model, 'name', model)!r}."
        )
    return model.arguments


def _built_again(model: Model, arguments: dict, image_size: int | Size) -> Model:
    """Return the network at another size, in the same precision; its weights are to be set."""
    from kcv.models import build, fields  # not above: it imports this module

    row = arguments["model"]
    known = {key: value for key, value in arguments.items() if key in fields(row)}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(model.dtype_policy)
    try:
        with postponed():
            return build(row, **{**known, "image_size": image_size, "name": model.name})
    finally:
        keras.config.set_dtype_policy(before)


def _paired(source: Model, target: Model, kind: str) -> list[tuple[keras.Layer, keras.Layer]]:
    """Return the layers with `weights` (or `variables`) of two networks side by side."""
    ours, theirs = ([x for x in model.layers if getattr(x, kind)] for model in (source, target))
    if len(ours) != len(theirs):
        raise ValueError(
            f"{source.name} and {target.name} are different networks: "
            f"{len(ours)} and {len(theirs)} layers with {kind}."
        )
    return list(zip(ours, theirs, strict=True))


def _misfit(old: keras.Layer, new: keras.Layer) -> ValueError:
    shapes = [[tuple(w.shape) for w in layer.weights] for layer in (old, new)]
    return ValueError(
        f"The weights of {old.name} do not fit {new.name}: {shapes[0]} and {shapes[1]}."
    )


def _inside(old: keras.Layer, new: keras.Layer) -> list[tuple[keras.Layer, keras.Layer]]:
    """Return two layers and those inside them side by side; nothing if they are not built alike."""
    inner = [list(layer._flatten_layers(include_self=True, recursive=True)) for layer in (old, new)]
    return list(zip(*inner, strict=True)) if len(inner[0]) == len(inner[1]) else []


def _share(old: keras.Layer, new: keras.Layer) -> bool:
    """Give a layer, and the layers inside it, the weights of another; return whether they fit."""
    pairs = _inside(old, new)
    if not pairs:
        return False
    for source, target in pairs:
        target.trainable = source.trainable
        follows = hasattr(target, "follow") and target.follow(source)
        for name, value in list(vars(target).items()):
            if isinstance(value, keras.random.SeedGenerator):
                vars(target)[name] = vars(source)[name]
            elif isinstance(value, keras.Variable):
                same = tuple(value.shape) == tuple(vars(source)[name].shape)
                if not same and not follows:
                    return False
                _replace(target, name, value, vars(source)[name] if same else None)
    return True


def _replace(layer: keras.Layer, name: str, old: keras.Variable, new) -> None:
    # Keras has no public way to take a weight out of a layer; its own quantisation does this.
    layer._tracker.unlock()
    layer._untrack_variable(old)
    setattr(layer, name, new)
    layer._tracker.lock()

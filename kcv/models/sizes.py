"""One network for images of several sizes: graphs that differ, on the same weights.

A graph has its size built in: paddings, pooling windows, grids of windows and tables of positions
follow from it. For another size the network is built again, and its layers are given the weights of
the first one, so that a training step at any size moves what all of them use.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import keras

from kcv.engine import Model

Size = tuple[int, int]


def at_size(model: Model, image_size: int | Size, build: Callable[..., Model]) -> Model:
    """Return the network of a model for images of another size, on the weights of the model.

    Tables of positions are resized from the model's (`kcv.layers.resize_positions`) in every call,
    and smaller windows take the middle of its table of relative positions, so gradients reach
    the tables themselves.

    Args:
        model: a network of `kcv.models.build`.
        image_size: pixels, one number for a square or (height, width).
        build: `kcv.models.build`.

    Raises:
        ValueError: if the network has weights that depend on the size of the image.
    """
    arguments = {k: v for k, v in model.arguments.items() if k not in ("model", "family")}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(model.dtype_policy)
    try:
        made = build(model.arguments["model"], **{**arguments, "image_size": image_size})
    except ValueError as error:
        raise _refused(model, image_size, str(error)) from error
    finally:
        keras.config.set_dtype_policy(before)
    pairs = list(zip(_with_state(model), _with_state(made), strict=False))
    if len(_with_state(model)) != len(_with_state(made)):
        raise _refused(model, image_size, "it has other layers then.")
    for old, new in pairs:
        if type(old) is not type(new) or not _share(old, new):
            raise _refused(model, image_size, f"the weights of {old.name} have another shape then.")
    return made


@contextmanager
def several_sizes(model: Model, sizes: Iterable[Size], build: Callable[..., Model]) -> Iterator:
    """Let a model take images of other sizes too while it lasts: `fit`, for one.

    Args:
        model: a network of `kcv.models.build`.
        sizes: (height, width) of the images that come besides those of its own size.
        build: `kcv.models.build`.

    Raises:
        ValueError: if the network has weights that depend on the size of the image.
    """
    model.take_others({size: at_size(model, size, build) for size in sizes})
    try:
        yield model
    finally:
        model.take_others({})


def _refused(model: Model, image_size: int | Size, reason: str) -> ValueError:
    size = set(image_size) if isinstance(image_size, tuple) else {image_size}
    edge = size.pop() if len(size) == 1 else image_size
    return ValueError(
        "Images of several sizes need a network whose weights do not depend on the size. "
        f"Received: {model.arguments['model']} at image_size={edge}: {reason} "
        "Leave start_size out, or choose one nearer to image_size."
    )


def _with_state(model: Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if layer.variables]


def _share(old: keras.Layer, new: keras.Layer) -> bool:
    """Give a layer, and the layers inside it, the weights of another; return whether they fit."""
    inner = [list(layer._flatten_layers(include_self=True, recursive=True)) for layer in (old, new)]
    if len(inner[0]) != len(inner[1]):
        return False
    for source, target in zip(*inner, strict=True):
        target.trainable = source.trainable
        follows = _follows(source, target)
        for name, value in list(vars(target).items()):
            if isinstance(value, keras.random.SeedGenerator):
                vars(target)[name] = vars(source)[name]
            elif isinstance(value, keras.Variable):
                if tuple(value.shape) == tuple(vars(source)[name].shape):
                    _replace(target, name, value, vars(source)[name])
                elif follows:
                    _replace(target, name, value, None)
                else:
                    return False
    return True


def _follows(source: keras.Layer, target: keras.Layer) -> bool:
    """Let a layer derive its table from another's, if it can; return whether it does."""
    return hasattr(target, "follow") and target.follow(source)


def _replace(layer: keras.Layer, name: str, old: keras.Variable, new) -> None:
    # Keras has no public way to take a weight out of a layer; its own quantisation does this.
    layer._tracker.unlock()
    layer._untrack_variable(old)
    setattr(layer, name, new)
    layer._tracker.lock()

"""Fine-tuning by parts: which layers stay as they are, and how fast the others learn."""

import fnmatch
import re

import keras


def freeze(model, what: str) -> list[str]:
    """Keep layers as they are: their weights and statistics do not change in training.

    Args:
        model: a network of `kcv.models.build`. Compile it afterwards.
        what: an output's name, `"stage1"` ... `"stage5"` or `"features"`, for everything up to it
            (`"features"` leaves only the head to train); or a shell pattern of layer names.

    Returns:
        Names of the frozen layers.

    Raises:
        ValueError: if no layer has such a name.
    """
    layers = {layer.name: layer for layer in model.layers}
    if what in layers and what.startswith(("stage", "features")):
        names = [layer.name for layer in keras.Model(model.inputs, layers[what].output).layers]
    else:
        names = fnmatch.filter(layers, what)
    if not names:
        outputs = ", ".join(name for name in layers if name.startswith(("stage", "features")))
        raise ValueError(
            f"freeze needs an output of the network ({outputs}) or a pattern of layer names. "
            f"Received: {what!r}."
        )
    for name in names:
        layers[name].trainable = False
    return names


def depths(model) -> dict[str, int]:
    """Return how deep each layer with weights lies: 0 for the stem, most for the head.

    A residual block is a step, in Transformers a pair of attention and MLP, in networks without
    sums a stage. All up to `stage1`, and tokens and positions, is the stem; the normalisation after
    the last block lies as deep as the head.
    """
    sums = any(type(op).__name__ == "Add" for op in model.operations)
    attention = any("Attention" in type(layer).__name__ for layer in model.layers)
    stem = keras.Model(model.inputs, model.get_layer("stage1").output).layers
    early = {layer.name for layer in stem}
    steps: dict[str, int] = {}
    found = {}
    for op in model.operations:
        before = max((steps[name] for name in _parents(op)), default=0)
        ends = type(op).__name__ == "Add" if sums else re.fullmatch(r"stage\d", op.name)
        steps[op.name] = before + bool(ends)
        if getattr(op, "weights", None):
            depth = 1 + before // (2 if attention else 1) if sums else before
            first = op.name in early or type(op).__name__ in ("ClassToken", "PositionEmbedding")
            found[op.name] = 0 if first else depth
    return found


def _parents(op) -> list[str]:
    """Return the names of the operations that an operation takes its tensors from."""
    tensors = keras.tree.flatten(op.input) if not isinstance(op, keras.layers.InputLayer) else []
    return [tensor._keras_history.operation.name for tensor in tensors]


def layer_decay(model, rate: float) -> dict[str, float]:
    """Return for each trainable weight the share of the learning rate that it gets.

    The head learns at full rate, each step towards the image at `rate` times that of the one above
    (Clark et al. 2020, https://arxiv.org/abs/2003.10555; Bao et al. 2021,
    https://arxiv.org/abs/2106.08254).

    Args:
        model: a network of `kcv.models.build`.
        rate: 0 < rate <= 1; 0.65 to 0.9 are usual for Transformers.

    Returns:
        `{path of the weight: factor}`.

    Raises:
        ValueError: if the rate is outside its range.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"layer_decay needs 0 < rate <= 1. Received: rate={rate!r}.")
    levels = depths(model)
    deepest = max(levels.values(), default=0)
    return {
        weight.path: rate ** (deepest - levels[layer.name])
        for layer in model.layers
        for weight in layer.trainable_weights
    }

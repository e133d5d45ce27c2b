"""The weights of a kcv network in its PyTorch twin, by the order of layers of each kind."""

from collections import defaultdict
from typing import Any, NamedTuple

import torch
from torch import nn

from kcv import layers


class Pair(NamedTuple):
    """A weight of both: `variable.value.permute(axes)` has the values of `tensor`."""

    variable: Any
    tensor: torch.Tensor
    axes: tuple[int, ...]


CONV, DEPTHWISE, DENSE = (3, 2, 0, 1), (2, 3, 0, 1), (1, 0)
PLAIN = None


def _of_keras(layer):
    """Yield (kind, weights, axes of the first weight) of a Keras layer and of those inside it."""
    if isinstance(layer, layers.Attention | layers.WindowAttention):
        if isinstance(layer, layers.WindowAttention):
            yield "table", [layer.table], PLAIN
        for inner in (layer.qkv, layer.proj):
            yield "Linear", inner.weights, DENSE
    elif isinstance(layer, layers.DepthwiseConv2D):
        yield "depthwise", layer.weights, DEPTHWISE
    elif isinstance(layer, layers.Conv2D):
        yield "Conv2d", layer.weights, CONV
    elif isinstance(layer, layers.Linear):
        yield "Linear", layer.weights, DENSE
    elif layer.weights:
        names = {layers.BatchNorm: "BatchNorm2d", layers.ClassToken: "token"}
        names |= {layers.LayerScale: "gamma", layers.PositionEmbedding: "position"}
        yield names.get(type(layer), "LayerNorm"), layer.weights, PLAIN


def _of_torch(module):
    """Yield (kind, tensors) of one module, without those inside it."""
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm)
    kind = next((k.__name__ for k in kinds if isinstance(module, k)), None)
    if kind is None:
        yield from ((name, [value]) for name, value in module.named_parameters(recurse=False))
        return
    if kind == "Conv2d" and 1 < module.groups == module.in_channels:
        kind = "depthwise"
    statistics = ("running_mean", "running_var")
    moving = [value for name, value in module.named_buffers() if name in statistics]
    yield kind, [*module.parameters(), *moving]


def pairs(model, network) -> list[Pair]:
    """Return every weight of both networks, in pairs.

    Layers of one kind stand in the same order on both sides; a kind that is longer on one side, or
    a shape that differs, raises.
    """
    ours: dict[str, list] = defaultdict(list)
    theirs: dict[str, list] = defaultdict(list)
    for layer in model.layers:
        for kind, variables, axes in _of_keras(layer):
            ours[kind].append((variables, axes))
    for module in network.modules():
        for kind, tensors in _of_torch(module):
            theirs[kind].append(tensors)
    if ours.keys() != theirs.keys():
        raise ValueError(f"The kinds of layers differ. Received: {set(ours)} and {set(theirs)}.")
    found = []
    for kind, entries in ours.items():
        for (variables, axes), tensors in zip(entries, theirs[kind], strict=True):
            for variable, tensor in zip(variables, tensors, strict=True):
                whole = tuple(range(tensor.ndim))
                first = axes is not None and variable is variables[0]
                found.append(Pair(variable, tensor, axes if first else whole))
    for pair in found:
        shape = tuple(pair.variable.shape[axis] for axis in pair.axes)
        if shape != tuple(pair.tensor.shape):
            raise ValueError(
                f"{pair.variable.path} is of another shape than its twin. "
                f"Received: {shape} and {tuple(pair.tensor.shape)}."
            )
    return found


def copy(model, network) -> list[Pair]:
    """Give the PyTorch network the weights of the kcv network; return the pairs."""
    found = pairs(model, network)
    with torch.no_grad():
        for variable, tensor, axes in found:
            tensor.copy_(variable.value.permute(axes))
    return found


def difference(found: list[Pair], before: list[torch.Tensor]) -> float:
    """Return the largest difference between twins that started from the same weights.

    Differences are relative to how far the weight moved, or to 1 % of how far the one that moved
    most did: what hardly moves is rounding.

    Args:
        found: what `pairs` returned.
        before: copies of the PyTorch tensors at the start, in the same order.
    """
    with torch.no_grad():
        moves = [float((p.tensor - b).abs().max()) for p, b in zip(found, before, strict=True)]
        gaps = [float((p.variable.value.permute(p.axes) - p.tensor).abs().max()) for p in found]
    least = 0.01 * max(moves)
    return max(gap / max(move, least) for gap, move in zip(gaps, moves, strict=True))

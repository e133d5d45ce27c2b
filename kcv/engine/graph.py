"""Reading a functional graph: its operations in order, or why they need Keras's own way."""

from typing import Any, NamedTuple

import keras
import torch
from keras import tree

# Keras layers whose `call` needs nothing from `__call__`: leaves without masks and inner layers.
LEAVES = (
    keras.layers.Activation,
    keras.layers.AdaptiveAveragePooling2D,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.AveragePooling2D,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Conv2D,
    keras.layers.Cropping2D,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Identity,
    keras.layers.LayerNormalization,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling2D,
    keras.layers.Multiply,
    keras.layers.Permute,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.SeparableConv2D,
    keras.layers.Softmax,
    keras.layers.Subtract,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
)


class UncoveredError(Exception):
    """Why a graph has no flat plan."""


class Node(NamedTuple):
    """One operation of the graph: its symbolic tensors, where they lie, its other arguments."""

    op: Any
    tensors: list
    args: tuple
    kwargs: dict
    sources: list[int]
    targets: list[int]


def flatten(model) -> tuple[list[Node], int, dict[int, int]]:
    """Return (calls in order, number of slots, slot of each symbolic tensor)."""
    if len(model.inputs) != 1:
        raise UncoveredError(f"{len(model.inputs)} inputs")
    outputs = model._outputs_struct
    if not isinstance(outputs, keras.KerasTensor) and not _is_flat(outputs):
        raise UncoveredError("nested outputs")
    slot = {id(model.inputs[0]): 0}
    nodes, count = [], 1
    by_depth = model._nodes_by_depth
    for node in (node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]):
        if node.is_input:
            continue
        _check(node)
        sources = [slot[id(t)] for t in node.input_tensors]
        if type(node.operation) is keras.layers.Identity:
            slot[id(node.outputs[0])] = sources[0]
            continue
        for tensor in node.outputs:
            slot[id(tensor)] = count
            count += 1
        targets = [slot[id(t)] for t in node.outputs]
        arguments = node.arguments
        # As in Keras, the model's `training` goes before what the layer was called with.
        kwargs = {
            key: value
            for key, value in arguments.kwargs.items()
            if key != "training" and not (key == "mask" and value is None)
        }
        tensors = list(node.input_tensors)
        nodes.append(Node(node.operation, tensors, arguments.args, kwargs, sources, targets))
    return nodes, count, slot


def _is_flat(outputs) -> bool:
    return type(outputs) is list and all(isinstance(t, keras.KerasTensor) for t in outputs)


def _check(node) -> None:
    """Refuse an operation that needs what only `__call__` does."""
    op = node.operation
    if any(getattr(t, "_keras_mask", None) is not None for t in node.input_tensors):
        raise UncoveredError(f"{op.name} has a mask")
    if not isinstance(op, keras.Layer):
        if not type(op).__module__.startswith("keras.src.ops."):
            raise UncoveredError(f"{op.name} is an operation that kcv does not know")
        return
    ours = type(op).__module__.startswith("kcv.layers.")
    if not ours and type(op) not in LEAVES:
        raise UncoveredError(f"{op.name} is a {type(op).__name__}")
    if op.activity_regularizer is not None:
        raise UncoveredError(f"{op.name} has an activity regularizer")
    if any(layer.quantization_mode is not None for layer in parts(op)):
        raise UncoveredError(f"{op.name} is quantized")
    if not op.built:
        raise UncoveredError(f"{op.name} is not built")


def casts(node: Node) -> dict[int, torch.dtype]:
    """Return {position among the tensors: dtype} of what Keras would cast before the call."""
    op = node.op
    if not isinstance(op, keras.Layer) or not op.autocast or not op._convert_input_args:
        return {}
    tensors = [t for t in tree.flatten((node.args, node.kwargs)) if is_symbolic(t)]
    return {
        i: getattr(torch, op.input_dtype)
        for i, t in enumerate(tensors)
        if keras.backend.is_float_dtype(t.dtype) and t.dtype != op.input_dtype
    }


def is_symbolic(x) -> bool:
    """Return whether an argument of a call is a tensor of the graph."""
    return isinstance(x, keras.KerasTensor)


def parts(layer) -> list:
    """Return a layer and the layers inside of it."""
    return layer._flatten_layers()  # Keras has no public way

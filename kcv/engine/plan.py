"""The flat plan: a functional graph as a list of calls, without Keras's work around each layer.

`Layer.__call__` costs 60 to 120 us a layer, and `Functional` keeps every map until the end. A plan
calls the layers' `call` one after the other, drops each tensor after its last use, and adds and
rectifies in place where nobody else reads the result. It is made only for graphs in which nothing
of what `Layer.__call__` does besides is needed; `make` says why not otherwise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import torch
import torch.nn.functional as F
from keras import tree

# No public name gives the scope that casts variables under mixed precision.
from keras.src.backend import AutocastScope

from kcv import layers as own

Buffer = list[Any]
Step = Callable[[Buffer, bool], None]

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
# Their output is a tensor of its own, which their backward pass does not need.
FRESH = (own.Conv2D, own.DepthwiseConv2D, own.BatchNorm, own.Linear, own.LayerScale)
# They may give back their input itself.
THROUGH = (own.DropPath, keras.layers.Dropout)


class UncoveredError(Exception):
    """Why a graph has no flat plan."""


class Node(NamedTuple):
    """One call: the operation, where its tensors come from and go to, its other arguments."""

    op: Any
    args: tuple
    kwargs: dict
    sources: list[int]
    targets: list[int]


class Plan:
    """The calls of a graph with one input; `plan(x, training)` gives its outputs.

    Attributes:
        layers: (layer, dtype policy) of each call, to see whether one of them has changed.
    """

    def __init__(self, model):
        self.nodes, self.slots, slot = _flatten(model)
        self.outputs = [slot[id(t)] for t in model.outputs]
        self.single = isinstance(model._outputs_struct, keras.KerasTensor)
        (image,) = model.inputs
        self.shape, self.dtype = tuple(image.shape[1:]), getattr(torch, image.dtype)
        self.layers = [
            (node.op, node.op.dtype_policy)
            for node in self.nodes
            if isinstance(node.op, keras.Layer)
        ]
        readers = self._readers()
        fresh = _fresh(self.nodes, readers)
        steps = [_step(node, fresh, readers) for node in self.nodes]
        self.steps = list(zip(steps, self._dead(), strict=True))

    def _readers(self) -> list[int]:
        """Count for each slot who reads it; the caller reads the outputs."""
        count = [0] * self.slots
        for node in self.nodes:
            for source in node.sources:
                count[source] += 1
        for output in self.outputs:
            count[output] += 1
        return count

    def _dead(self) -> list[tuple[int, ...]]:
        """Return for each call the slots that nobody reads after it."""
        last = {source: i for i, node in enumerate(self.nodes) for source in node.sources}
        dead: list[list[int]] = [[] for _ in self.nodes]
        for source, i in last.items():
            if source not in self.outputs:
                dead[i].append(source)
        return [tuple(slots) for slots in dead]

    def is_current(self) -> bool:
        """Return whether every layer is as it was: not quantised, no new regulariser."""
        return all(
            layer._dtype_policy is policy and layer.activity_regularizer is None
            for layer, policy in self.layers
        )

    def admits(self, x) -> bool:
        """Return whether the plan may run on this: a tensor of the graph's own size, no mask."""
        return (
            type(x) is torch.Tensor
            and tuple(x.shape[1:]) == self.shape
            and x.device.type != "meta"
            and not hasattr(x, "_keras_mask")
        )

    def __call__(self, x, training: bool):
        buffer: Buffer = [None] * self.slots
        buffer[0] = x if x.dtype == self.dtype else x.to(self.dtype)
        for step, dead in self.steps:
            step(buffer, training)
            for slot in dead:
                buffer[slot] = None
        outputs = [buffer[slot] for slot in self.outputs]
        return outputs[0] if self.single else outputs


def make(model) -> tuple[Plan | None, str]:
    """Return (plan, "") of a functional model, or (None, why it has none)."""
    try:
        return Plan(model), ""
    except UncoveredError as reason:
        return None, str(reason)


# --------------------------------------------------------------------------- reading the graph


def _flatten(model) -> tuple[list[Node], int, dict[int, int]]:
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
        nodes.append(Node(node.operation, arguments.args, arguments.kwargs, sources, targets))
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
    if op.quantization_mode is not None:
        raise UncoveredError(f"{op.name} is quantized")
    if not op.built:
        raise UncoveredError(f"{op.name} is not built")


def _fresh(nodes, readers) -> list[bool]:
    """Return for each slot whether it may be overwritten by its only reader."""
    fresh = [False] * len(readers)
    for node in nodes:
        op, (target, *_) = node.op, node.targets
        if isinstance(op, FRESH):
            linear = getattr(op, "activation", None) in (None, keras.activations.linear)
            fresh[target] = linear
        elif isinstance(op, THROUGH):
            source = node.sources[0]
            fresh[target] = fresh[source] and readers[source] == 1
        elif type(op) is keras.layers.Add:
            fresh[target] = True
    return [flag and count == 1 for flag, count in zip(fresh, readers, strict=True)]


# --------------------------------------------------------------------------- making the calls


def _step(node: Node, fresh: list[bool], readers: list[int]) -> Step:
    """Return what one call does to the buffer."""
    op, sources = node.op, node.sources
    casts = _casts(node)
    if not casts and not node.kwargs:
        if type(op) is keras.layers.Add and _same_shapes(node):
            return _add(sources, node.targets[0], fresh)
        if type(op) is keras.layers.ReLU and _is_plain_relu(op):
            return _relu(sources[0], node.targets[0], op.max_value, fresh[sources[0]])
    step = _general(node, casts)
    if isinstance(op, keras.Layer) and op.weights and op.compute_dtype != op.variable_dtype:
        return _scoped(step, op.compute_dtype if op.autocast else None)
    return step


def _casts(node: Node) -> dict[int, torch.dtype]:
    """Return {position among the tensors: dtype} of what Keras would cast before the call."""
    op = node.op
    if not isinstance(op, keras.Layer) or not op.autocast or not op._convert_input_args:
        return {}
    tensors = [t for t in tree.flatten((node.args, node.kwargs)) if _is_symbolic(t)]
    return {
        i: getattr(torch, op.input_dtype)
        for i, t in enumerate(tensors)
        if keras.backend.is_float_dtype(t.dtype) and t.dtype != op.input_dtype
    }


def _is_symbolic(x) -> bool:
    return isinstance(x, keras.KerasTensor)


def _same_shapes(node: Node) -> bool:
    tensors = node.args[0] if node.args else ()
    if len(node.args) != 1 or not isinstance(tensors, list | tuple) or len(tensors) != 2:
        return False
    first, second = tensors
    return tuple(first.shape) == tuple(second.shape) and first.dtype == second.dtype


def _is_plain_relu(op) -> bool:
    return op.negative_slope == 0 and op.threshold == 0 and op.max_value in (None, 6)


def _add(sources, target: int, fresh) -> Step:
    a, b = sources
    if a != b and (fresh[a] or fresh[b]):
        into, other = (a, b) if fresh[a] else (b, a)

        def add_into(buffer, training):
            if torch.is_grad_enabled():
                buffer[target] = buffer[into] + buffer[other]
            else:
                buffer[target] = buffer[into].add_(buffer[other])

        return add_into

    def add(buffer, training):
        buffer[target] = buffer[a] + buffer[b]

    return add


def _relu(source: int, target: int, limit, in_place: bool) -> Step:
    act = F.relu if limit is None else F.relu6

    def relu(buffer, training):
        inplace = in_place and not torch.is_grad_enabled()
        buffer[target] = act(buffer[source], inplace=inplace)

    return relu


def _general(node: Node, casts: dict[int, torch.dtype]) -> Step:
    """Call an operation with whatever arguments it has."""
    call, targets = node.op.call, node.targets
    kwargs = {k: v for k, v in node.kwargs.items() if not (k == "mask" and v is None)}
    fixed = kwargs.pop("training", None)
    learns = isinstance(node.op, keras.Layer) and node.op._call_has_training_arg
    if len(node.args) == 1 and _is_symbolic(node.args[0]) and not (kwargs or casts):
        return _unary(call, node.sources[0], targets, learns, fixed)
    fill = _template((node.args, kwargs), node.sources, casts)

    def step(buffer, training):
        args, rest = fill(buffer)
        if learns:
            rest = {**rest, "training": training if fixed is None else fixed}
        _put(buffer, targets, call(*args, **rest))

    return step


def _unary(call, source: int, targets, learns: bool, fixed) -> Step:
    (target, *more) = targets
    if more:
        return lambda buffer, training: _put(buffer, targets, call(buffer[source]))

    def plain(buffer, training):
        buffer[target] = call(buffer[source])

    def learning(buffer, training):
        buffer[target] = call(buffer[source], training=training if fixed is None else fixed)

    return learning if learns else plain


def _put(buffer, targets, outputs) -> None:
    for target, y in zip(targets, tree.flatten(outputs), strict=True):
        buffer[target] = y


def _template(struct, sources, casts):
    """Return a function that fills the tensors of a buffer into nested arguments."""
    places = iter(enumerate(sources))

    def read(leaf):
        if not _is_symbolic(leaf):
            return lambda buffer: leaf
        position, slot = next(places)
        dtype = casts.get(position)
        if dtype is None:
            return lambda buffer: buffer[slot]
        return lambda buffer: buffer[slot].to(dtype)

    readers = tree.map_structure(read, struct)
    return lambda buffer: tree.map_structure(lambda reader: reader(buffer), readers)


def _scoped(step: Step, dtype: str | None) -> Step:
    """Cast the variables of a layer, as Keras does under mixed precision."""

    def scoped(buffer, training):
        with AutocastScope(dtype):
            step(buffer, training)

    return scoped

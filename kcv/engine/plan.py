"""The flat plan: a functional graph as a list of calls, without Keras's work around each layer.

`Layer.__call__` costs 60 to 120 us a layer, and `Functional` keeps every map until the end. A plan
calls the layers' `call` one after the other, drops each tensor after its last use, and adds and
rectifies in place where nobody else reads the result. It is made only for graphs in which nothing
of what `Layer.__call__` does besides is needed; `make` says why not otherwise.
"""

from operator import attrgetter

import keras
import torch

from kcv.engine.chains import fold
from kcv.engine.graph import UncoveredError, flatten, parts
from kcv.engine.writer import Buffer, Writer

version_of = attrgetter("_version")


class Plan:
    """The calls of a graph with one input; `plan(x, training)` gives its outputs.

    Args:
        model: a functional model.
        predicts: whether it is to predict only; chains are folded then (`kcv.engine.chains`).

    Attributes:
        layers: (layer, dtype policy) of each call and of the layers inside, to see whether one of
            them has changed.
        folded: the calls that hold numbers made of weights.
        weights: what gives the calls their weights.
    """

    def __init__(self, model, predicts: bool = False):
        nodes, count, slot = flatten(model)
        outputs = [slot[id(t)] for t in model.outputs]
        if predicts:
            nodes, outputs = fold(nodes, outputs)
        self.single = len(outputs) == 1  # Keras unpacks a list of one
        (image,) = model.inputs
        self.shape, self.dtype = tuple(image.shape[1:]), getattr(torch, image.dtype)
        ops = [node.op for node in nodes]
        whole = [layer for op in ops if isinstance(op, keras.Layer) for layer in parts(op)]
        self.layers = [(layer, layer.dtype_policy) for layer in whole]
        writer = Writer(count, _readers(nodes, outputs), predicts)
        for node in nodes:
            writer.add(node)
        self.folded, self.weights = writer.folded, writer.weights
        self.outputs = [writer.find(output, "last") for output in outputs]
        self.slots = writer.count
        dead = _dead(writer.actions, self.outputs)
        self.steps = [(a.step, slots) for a, slots in zip(writer.actions, dead, strict=True)]

    def is_current(self) -> bool:
        """Return whether every layer is as it was: not quantised, no new regulariser."""
        return all(
            layer._dtype_policy is policy
            and layer.activity_regularizer is None
            and not getattr(layer, "lora_enabled", False)
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


class Predictor:
    """A plan that predicts, with folded numbers and turned or cast weights that are kept.

    A weight has changed where torch has counted a change, or where it lies elsewhere: writing
    through `.data` into the same memory is not seen, by this as by torch's own gradients.
    """

    def __init__(self, model):
        self.plan = Plan(model, predicts=True)
        self.kept = [r for r in self.plan.weights if r.dtype is not None or r.order is not None]
        self.sources = [v for call in self.plan.folded for v in call.variables()]
        self.sources += [reader.variable for reader in self.kept]
        self.stamp: list[int] = []

    def __call__(self, x, training: bool = False):
        values = [v._value for v in self.sources]
        stamp = [*map(version_of, values), *map(torch.Tensor.data_ptr, values)]
        if stamp != self.stamp:
            self._renew()
            self.stamp = stamp
        return self.plan(x, False)

    def _renew(self) -> None:
        """Let numbers be made anew, and weights turned and cast anew."""
        for call in self.plan.folded:
            call.packed = None
        for reader in self.kept:
            reader.leaf = None
            reader.leaf = reader().detach()


def make(model) -> tuple[Plan | None, str]:
    """Return (plan, "") of a functional model, or (None, why it has none)."""
    try:
        return Plan(model), ""
    except UncoveredError as reason:
        return None, str(reason)


def _readers(nodes, outputs) -> list[int]:
    """Count for each slot who reads it; the caller reads the outputs."""
    count = [0] * (1 + max([0, *(t for node in nodes for t in node.targets)]))
    for slot in [*outputs, *(s for node in nodes for s in node.sources)]:
        count[slot] += 1
    return count


def _dead(actions, outputs) -> list[tuple[int, ...]]:
    """Return for each call the slots that nobody reads after it."""
    last = {slot: i for i, a in enumerate(actions) for slot in [*a.targets, *a.sources]}
    dead: list[list[int]] = [[] for _ in actions]
    for slot, i in last.items():
        if slot not in outputs:
            dead[i].append(slot)
    return [tuple(slots) for slots in dead]

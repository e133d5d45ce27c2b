"""Chains of a graph that are one call where it only predicts.

A convolution, the normalisation behind it, the sum of a residual block and the activation become
one convolution with other numbers (`kcv.kernels.packed`): maps that are read once and gone are
never written.
"""

from collections import Counter
from typing import Any, NamedTuple

import keras

from kcv import kernels
from kcv import layers as own
from kcv.engine.graph import Node, casts

CONVOLUTIONS = (own.Conv2D, own.DepthwiseConv2D)
# What they give outside training is what they got, the tensor itself.
IDLE = (own.DropPath, keras.layers.Dropout)


class Chain(NamedTuple):
    """A convolution and what follows it.

    Attributes:
        conv: the convolution.
        norm: the normalisation behind it, or None.
        adds: whether a second map is added then.
        act: name of the activation at the end.
    """

    conv: Any
    norm: Any = None
    adds: bool = False
    act: str = "linear"


def fold(nodes: list[Node], outputs: list[int]) -> tuple[list[Node], list[int]]:
    """Return (nodes, outputs) in which every chain is one node, whose `op` is a `Chain`.

    Args:
        nodes: calls in order.
        outputs: slots of the graph's outputs.
    """
    nodes, outputs = _without_dropout(nodes, outputs)
    readers = Counter([*outputs, *(s for node in nodes for s in node.sources)])
    open_ends = {slot for slot, n in readers.items() if n == 1 and slot not in outputs}
    ends: dict[int, Node] = {}  # chains by the slot that they write
    for node in nodes:
        grown = _grown(node, {s: ends[s] for s in node.sources if s in ends and s in open_ends})
        (target, *_) = node.targets
        if grown is None:
            ends[target] = _begun(node) or node
            continue
        chain, end = grown
        del ends[end]
        ends[target] = chain
    return list(ends.values()), outputs


def _without_dropout(nodes, outputs) -> tuple[list[Node], list[int]]:
    """Leave out what does nothing in prediction."""
    same: dict[int, int] = {}
    kept = []
    for node in nodes:
        node = node._replace(sources=[same.get(slot, slot) for slot in node.sources])
        if isinstance(node.op, IDLE):
            same[node.targets[0]] = node.sources[0]
        else:
            kept.append(node)
    return kept, [same.get(slot, slot) for slot in outputs]


def _begun(node: Node) -> Node | None:
    """Return a chain of one convolution, None if the node is none that can be folded."""
    op = node.op
    if type(op) not in CONVOLUTIONS or casts(node) or node.kwargs:
        return None
    if getattr(op, "lora_enabled", False) or getattr(op, "depth_multiplier", 1) != 1:
        return None
    act = _name(op.activation)
    return None if act is None else node._replace(op=Chain(op, act=act))


def _grown(node: Node, ends: dict[int, Node]) -> tuple[Node, int] | None:
    """Return (chain with this node at its end, slot where it ended so far), None if it has none."""
    for end, before in reversed(ends.items()):
        if isinstance(before.op, Chain) and not casts(node) and not node.kwargs:
            others = [slot for slot in node.sources if slot != end]
            chain = _with(before.op, node)
            if chain is not None:
                tensors = [before.tensors[0], *node.tensors[:1]] if chain.adds else before.tensors
                sources = [*before.sources, *others]
                return Node(chain, tensors, (), {}, sources, node.targets), end
    return None


def _with(chain: Chain, node: Node) -> Chain | None:
    """Return the chain with one operation more, None if that cannot be."""
    op = node.op
    if chain.act != "linear":
        return None
    if type(op) is own.BatchNorm and chain.norm is None and not chain.adds:
        return None if op.renorm else chain._replace(norm=op)
    if type(op) is keras.layers.Add and not chain.adds:
        alike = len({(tuple(t.shape), t.dtype) for t in node.tensors}) == 1
        return chain._replace(adds=True) if alike and len(set(node.sources)) == 2 else None
    act = _activation(op)
    # oneDNN adds and rectifies in one go, and nothing else
    return None if act is None or (chain.adds and act != "relu") else chain._replace(act=act)


def _activation(op) -> str | None:
    """Return the name of an activation layer that can be fused."""
    if type(op) is keras.layers.ReLU and op.negative_slope == 0 and op.threshold == 0:
        return {None: "relu", 6: "relu6"}.get(op.max_value)
    return _name(op.activation) if type(op) is keras.layers.Activation else None


def _name(function) -> str | None:
    name = "linear" if function is None else getattr(function, "__name__", "")
    same = function is None or getattr(keras.activations, name, None) is function
    return name if same and name in kernels.packed.ACTIVATIONS else None

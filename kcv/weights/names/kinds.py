"""How one layer's tensors are written elsewhere: suffixes, layouts, packed and split tensors.

A *kind* is the first word of a row of a mapping table: `conv`, `norm`, `query` ... It says which
layer of kcv is meant, and for each of its variables the tensor's suffix and layout.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kcv.layers.window import relative_index


class Layout(NamedTuple):
    """Two functions of (array, layer): to kcv's layout, and from it."""

    enter: Callable[[np.ndarray, Any], np.ndarray]
    leave: Callable[[np.ndarray, Any], np.ndarray]


class Slot(NamedTuple):
    """One tensor of a layer.

    `piece` is (axis, index, count) where the tensor is the index-th of `count` equal parts of the
    variable along an axis of kcv's layout.
    """

    variable: str
    suffix: str
    layout: Layout
    piece: tuple[int, int, int] | None = None


class Kind(NamedTuple):
    """Which layer a row means, its tensors, and those that are made up when a file is written.

    A kind that is a `part` of a layer leaves the rest of it to other rows.
    """

    layers: tuple[str, ...]
    slots: tuple[Slot, ...]
    made: dict[str, Callable[[Any], np.ndarray]] = {}
    part: bool = False


def _axes(*order: int) -> Layout:
    """Return the layout whose axes are permuted: kcv's axis `i` is the reference's `order[i]`."""
    back = np.argsort(order)
    return Layout(lambda x, _: x.transpose(order), lambda x, _: x.transpose(back))


def _depth_enter(x, layer):
    m = layer.depth_multiplier
    return x.reshape(x.shape[0] // m, m, *x.shape[2:]).transpose(2, 3, 0, 1)


def _depth_leave(x, layer):
    return x.transpose(2, 3, 0, 1).reshape(-1, 1, *x.shape[:2])


def _map_shape(layer) -> tuple[int, int, int]:
    """Return (rows, columns, channels) of the map that was flattened for a dense layer."""
    before = layer.input._keras_history.operation
    while isinstance(before, keras.layers.Dropout):
        before = before.input._keras_history.operation
    return tuple(before.input.shape[1:])


def _flat_enter(x, layer):
    rows, columns, channels = _map_shape(layer)
    x = x.reshape(x.shape[0], channels, rows, columns)
    return x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0])


def _flat_leave(x, layer):
    return _flat_map(x, layer).reshape(x.shape[1], -1)


def _flat_map(x, layer):
    return x.reshape(*_map_shape(layer), x.shape[1]).transpose(3, 2, 0, 1)


def _reverse_colours(x):
    """Turn a first kernel from red-green-blue to blue-green-red, or back."""
    return x[:, :, ::-1] if x.shape[2] == 3 else x


def _from_unfold(x):
    """Reorder 2x2 squares in the last axis: (channel, row, column) to (column, row, channel)."""
    return x.reshape(*x.shape[:-1], -1, 2, 2).swapaxes(-1, -3).reshape(x.shape)


def _to_unfold(x):
    return x.reshape(*x.shape[:-1], 2, 2, -1).swapaxes(-1, -3).reshape(x.shape)


SAME = Layout(lambda x, _: x, lambda x, _: x)
SWAP = _axes(1, 0)
HWIO = _axes(2, 3, 1, 0)
DEPTH = Layout(_depth_enter, _depth_leave)
FLAT = Layout(_flat_enter, _flat_leave)
FLAT_CONV = Layout(_flat_enter, _flat_map)
POINT = Layout(lambda x, _: x[:, :, 0, 0].T, lambda x, _: x.T[:, :, None, None])
SWAP_LAST = _axes(0, 1, 3, 2)
CELL = Layout(lambda x, _: x[0, 0], lambda x, _: x[None, None])
BGR = Layout(lambda x, _: _reverse_colours(x), lambda x, _: _reverse_colours(x))
COLUMN = Layout(lambda x, _: x[:, 0, 0], lambda x, _: x[:, None, None])
UNFOLD = Layout(lambda x, _: _from_unfold(x), lambda x, _: _to_unfold(x))
UNFOLD_SWAP = Layout(lambda x, _: _from_unfold(x).T, lambda x, _: _to_unfold(x.T))

CONV, DEPTHWISE, LINEAR = ("Conv2D",), ("DepthwiseConv2D",), ("Linear", "AuxiliaryLogits")
ATTENTION = ("Attention", "WindowAttention")


def _weighted(layers, layout: Layout) -> Kind:
    return Kind(layers, (Slot("kernel", ".weight", layout), Slot("bias", ".bias", SAME)))


def _projection(name: str, piece=None, suffixes=(".weight", ".bias")) -> Kind:
    """Return the kind of a linear layer inside an attention layer, or of a third of it."""
    weight = Slot(f"{name}.kernel", suffixes[0], SWAP, piece and (1, *piece))
    bias = Slot(f"{name}.bias", suffixes[1], SAME, piece and (0, *piece))
    return Kind(ATTENTION, (weight, bias), part=True)


def _whole(layer: str, variable: str, layout: Layout = SAME, piece=None) -> Kind:
    """Return the kind of a variable whose tensor's name is the row's, with no suffix."""
    return Kind((layer,), (Slot(variable, "", layout, piece),), part=True)


def _norm(layer: str, *more: Slot, layout: Layout = SAME, **made) -> Kind:
    slots = Slot("gamma", ".weight", layout), Slot("beta", ".bias", layout), *more
    return Kind((layer,), slots, {f".{suffix}": make for suffix, make in made.items()})


def _index(layer) -> np.ndarray:
    return relative_index(layer.window).astype(np.int64)


STATISTICS = (
    Slot("moving_mean", ".running_mean", SAME),
    Slot("moving_variance", ".running_var", SAME),
)

# PyTorch's layers
TORCH = {
    "conv": _weighted(CONV, HWIO),
    "depthwise": _weighted(DEPTHWISE, DEPTH),
    "linear": _weighted(LINEAR, SWAP),
    "pointwise": _weighted(LINEAR, POINT),  # a 1x1 convolution there
    "flat": _weighted(LINEAR, FLAT),  # behind a flattened map
    "flat_conv": _weighted(LINEAR, FLAT_CONV),  # a convolution over the whole map there
    "unfold": _weighted(LINEAR, UNFOLD_SWAP),  # 2x2 squares in the order of torch's Unfold
    "norm": _norm("BatchNorm", *STATISTICS, num_batches_tracked=lambda _: np.zeros((), np.int64)),
    "layer_norm": _norm("LayerNormalization"),
    "unfold_norm": _norm("LayerNormalization", layout=UNFOLD),
    "scale": _whole("LayerScale", "gamma"),
    "scale_column": _whole("LayerScale", "gamma", COLUMN),
    "token": _whole("ClassToken", "token"),
    "class_token": _whole("ClassToken", "token", piece=(1, 0, 2)),
    "distillation_token": _whole("ClassToken", "token", piece=(1, 1, 2)),
    "position": _whole("PositionEmbedding", "position"),
    "table": _whole("WindowAttention", "table"),
    "index": Kind(("WindowAttention",), (), {"": _index}, part=True),
    "flat_index": Kind(
        ("WindowAttention",), (), {"": lambda layer: _index(layer).reshape(-1)}, part=True
    ),
    "qkv": _projection("qkv"),
    "in_proj": _projection("qkv", suffixes=("_weight", "_bias")),
    "query": _projection("qkv", (0, 3)),
    "key": _projection("qkv", (1, 3)),
    "value": _projection("qkv", (2, 3)),
    "proj": _projection("proj"),
}


def _keras(*names: tuple[str, str]) -> tuple[Slot, ...]:
    return tuple(Slot(ours, f"/{theirs}", SAME) for ours, theirs in names)


_NORM = (("gamma", "gamma"), ("beta", "beta"))
_MOVING = (("moving_mean", "moving_mean"), ("moving_variance", "moving_variance"))

# Keras's layers: equal layouts; a tensor is `layer/variable`
KERAS = {
    "conv": Kind(CONV, _keras(("kernel", "kernel"), ("bias", "bias"))),
    "depthwise": Kind(DEPTHWISE, _keras(("kernel", "depthwise_kernel"), ("bias", "bias"))),
    "linear": Kind(LINEAR, _keras(("kernel", "kernel"), ("bias", "bias"))),
    "pointwise": Kind(
        LINEAR, (Slot("kernel", "/kernel", CELL), Slot("bias", "/bias", SAME))
    ),  # a 1x1 convolution there
    "norm": Kind(("BatchNorm",), _keras(*_NORM, *_MOVING)),
    "layer_norm": Kind(("LayerNormalization",), _keras(*_NORM)),
    "scale": Kind(("LayerScale",), _keras(("gamma", "gamma"))),
    # its images are blue-green-red there
    "conv_bgr": Kind(CONV, (Slot("kernel", "/kernel", BGR), Slot("bias", "/bias", SAME))),
    # a grouped convolution there
    "depthwise_grouped": Kind(
        DEPTHWISE, (Slot("kernel", "/kernel", SWAP_LAST), Slot("bias", "/bias", SAME))
    ),
    # two layers here, one there
    "depthwise_half": Kind(DEPTHWISE, _keras(("kernel", "depthwise_kernel"))),
    "pointwise_half": Kind(CONV, _keras(("kernel", "pointwise_kernel"))),
}

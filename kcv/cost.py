"""What a network costs: parameters, multiply-adds, activation memory; it is never run.

figures = kcv.cost.cost(kcv.models.build("resnet50"))
figures.macs                # 4_089_184_256
figures.table()             # a line for each layer, as text
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import keras

from kcv.layers import Attention
from kcv.layers.window import WindowAttention
from kcv.multiply_adds import Shape, multiply_adds, padded_tokens

CONVENTION = """\
One image. Multiply-adds: convolutions, linear layers and both products of
attention count; norm, activation, pooling, bias do not. FLOPs = 2 x
multiply-adds. Parameters: what training changes; running statistics of batch
normalisation are apart. Activations: every layer's output as float32, and
inside attention q, k, v and their result; what only renames, reshapes or cuts
counts nothing. Of this, times the batch, training on torch keeps 0.6 (ResNets)
to 1.4 (ConvNeXts) for its backward pass."""

# these give back the memory that they were given
VIEWS = (
    *("Cropping1D", "Cropping2D", "ExpandDims", "Flatten", "GetItem", "Identity", "InputLayer"),
    *("Permute", "Reshape", "Split", "Squeeze", "Transpose", "Unstack"),
)
FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Row:
    """What one layer, or one stage, costs for one image.

    Attributes:
        name: of the layer; of a layer in a nested model `nested/layer`.
        type: class of the layer; of a stage, how many layers it has.
        output_shape: without the batch axis.
        parameters: trainable weights, frozen ones included; 0 where a layer is used again.
        statistics: weights that no gradient changes (batch normalisation's running statistics).
        macs: multiply-adds.
        activation_bytes: memory of its outputs in float32.
        stage: first named output (`stage1` ... `features`, `logits`) that it contributes to.
    """

    name: str
    type: str
    output_shape: Shape
    parameters: int
    statistics: int
    macs: int
    activation_bytes: int
    stage: str


@dataclass(frozen=True)
class Cost:
    """What a network costs for one image; `CONVENTION` says what is counted.

    Attributes:
        name: of the network.
        rows: layers in the order of computation.
        uncounted: `name (type)` of layers with products that no rule covers: their multiply-adds
            are missing from the total.
    """

    name: str
    rows: tuple[Row, ...]
    uncounted: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Return the number of trainable weights."""
        return sum(row.parameters for row in self.rows)

    @property
    def statistics(self) -> int:
        """Return the number of weights that no gradient changes."""
        return sum(row.statistics for row in self.rows)

    @property
    def macs(self) -> int:
        """Return the number of multiply-adds."""
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        """Return the number of floating-point operations, two for each multiply-add."""
        return 2 * self.macs

    @property
    def activation_bytes(self) -> int:
        """Return the memory of all outputs in float32, in bytes."""
        return sum(row.activation_bytes for row in self.rows)

    def stages(self) -> list[Row]:
        """Return one row for each stage: all layers between a named output and the next."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.stage, []).append(row)
        return [_joined(name, rows) for name, rows in groups.items()]

    def table(self) -> str:
        """Return a line for each layer and the total, with the convention beneath."""
        return self._text(self.rows, "")

    def summary(self) -> str:
        """Return a line for each stage and the total, with the convention beneath."""
        return self._text(self.stages(), "made of")

    def _text(self, rows: Iterable[Row], kind: str) -> str:
        # the name of a layer says its type, that of a stage does not say how many layers it has
        figures = ("parameters", "multiply-adds", "activation bytes")
        head = ("stage", kind, "output", *figures) if kind else ("layer", "output", *figures)
        total = ("total", *[""] * (len(head) - 4), *map(_number, self._totals()))
        cells = [_cells(row) if kind else (row.name, *_cells(row)[2:]) for row in rows]
        lines = aligned([head, *cells, total], left=len(head) - 3)
        if self.uncounted:
            missing = ", ".join(self.uncounted)
            lines.append(f"\nNot counted, no rule for their multiply-adds: {missing}.")
        return "\n".join([*lines, "", CONVENTION])

    def _totals(self) -> tuple[int, int, int]:
        return self.parameters, self.macs, self.activation_bytes


def cost(model) -> Cost:
    """Count what a network costs for one image, without running it.

    Args:
        model: a functional or sequential Keras model whose image size is fixed.

    Returns:
        Rows for every layer, and totals; equal to what PyTorch's operator counter finds.

    Raises:
        ValueError: if the model has no graph of layers, or a size in it is open.
    """
    graph = _graph(model)
    if graph is None:
        raise ValueError(
            "cost needs a functional or sequential model that is built. "
            f"Received: {type(model).__name__} {getattr(model, 'name', model)!r}."
        )
    uncounted: list[str] = []
    rows = tuple(_rows(graph, uncounted, set()))
    return Cost(model.name, rows, tuple(uncounted))


def _graph(model):
    """Return the model as a graph of nodes, None if it has none."""
    # a sequential model keeps its graph in a functional one
    model = getattr(model, "_functional", None) or model
    return model if hasattr(model, "_nodes_by_depth") else None


def _nodes(graph) -> Iterator:
    """Yield the calls of layers in the order of computation; a shared layer has several."""
    known = {id(node) for nodes in graph._nodes_by_depth.values() for node in nodes}
    for layer in graph.operations:
        yield from (node for node in layer._inbound_nodes if id(node) in known)


def _rows(graph, uncounted: list[str], seen: set[int], prefix: str = "") -> Iterator[Row]:
    nodes = list(_nodes(graph))
    stages = _stages(nodes)
    for node in nodes:
        layer, stage = node.operation, stages[id(node)]
        inner = _graph(layer)
        if inner is not None:
            nested = _rows(inner, uncounted, seen, f"{prefix}{layer.name}/")
            # a nested network keeps the stages that it names itself
            yield from (row if row.stage else replace(row, stage=stage) for row in nested)
            continue
        name = prefix + layer.name
        inputs = [_sizes(tensor, name) for tensor in node.input_tensors]
        outputs = [_sizes(tensor, name) for tensor in node.outputs]
        macs = multiply_adds(layer, inputs, outputs[0])
        if macs is None:
            uncounted.append(f"{name} ({type(layer).__name__})")
        counts = (0, 0) if id(layer) in seen else _weights(layer)
        seen.add(id(layer))
        kept = FLOAT32 * _activations(layer, outputs)
        yield Row(name, type(layer).__name__, outputs[0], *counts, macs or 0, kept, stage)


def _sizes(tensor, name: str) -> Shape:
    """Return the shape without the batch axis."""
    sizes = tuple(tensor.shape[1:])
    if None in sizes:
        raise ValueError(
            "cost needs a network of fixed sizes. "
            f"Received: a tensor {tuple(tensor.shape)} at layer {name!r}. "
            "Build it with its image size."
        )
    return sizes


def _stages(nodes: Sequence) -> dict[int, str]:
    """Return the stage of each node: the first named output that depends on it."""
    maker = {id(tensor): node for node in nodes for tensor in node.outputs}
    found: dict[int, str] = {}
    for end in [node for node in nodes if _is_named(node.operation)] + list(nodes[::-1]):
        queue = [end]
        name = end.operation.name if _is_named(end.operation) else ""
        while queue:
            node = queue.pop()
            if id(node) in found:
                continue
            found[id(node)] = name
            queue += [maker[id(x)] for x in node.input_tensors if id(x) in maker]
    return found


def _is_named(layer) -> bool:
    return layer.name.startswith(("stage", "features", "logits"))


def _weights(layer) -> tuple[int, int]:
    """Return (parameters, statistics) of a layer, the same whether it is frozen or not."""
    weights = getattr(layer, "weights", [])
    fixed = []
    if isinstance(layer, keras.layers.BatchNormalization):
        fixed = [layer.moving_mean, layer.moving_variance]
    elif weights and layer.trainable:
        fixed = layer.non_trainable_weights
    statistics = sum(math.prod(w.shape) for w in fixed)
    return sum(math.prod(w.shape) for w in weights) - statistics, statistics


def _activations(layer, outputs: list[Shape]) -> int:
    """Return how many numbers of a layer's work are kept for the backward pass."""
    if type(layer).__name__ in VIEWS:
        return 0
    count = sum(math.prod(shape) for shape in outputs)
    # fused attention keeps q, k, v and its result, but never the weights of all pairs
    if isinstance(layer, WindowAttention):
        count += 4 * padded_tokens(layer) * outputs[0][-1]
    elif isinstance(layer, Attention):
        count += 4 * count
    return count


def _joined(name: str, rows: list[Row]) -> Row:
    # layers are ordered by depth: a branch may come after the output that bears the name
    last = next((row for row in rows if row.name == name), rows[-1])
    names = ("parameters", "statistics", "macs", "activation_bytes")
    sums = {key: sum(getattr(row, key) for row in rows) for key in names}
    kind = f"{len(rows)} layer{'s' if len(rows) > 1 else ''}"
    return Row(name or "other", kind, last.output_shape, **sums, stage=name)


def _cells(row: Row) -> tuple[str, ...]:
    shape = " x ".join(map(str, row.output_shape))
    figures = (row.parameters, row.macs, row.activation_bytes)
    return (row.name, row.type, shape, *map(_number, figures))


def _number(value: int) -> str:
    return f"{value:,}"


def aligned(rows: Sequence[Sequence[str]], left: int = 3, last: str = "right") -> list[str]:
    """Return lines of equally wide columns: the first `left` flush left, the others flush right.

    `last="left"` sets the last column flush left too.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    flush = [index < left for index in range(len(widths))]
    flush[-1] = flush[-1] or last == "left"
    lines = []
    for row in rows:
        columns = zip(row, widths, flush, strict=True)
        cells = [cell.ljust(n) if at_left else cell.rjust(n) for cell, n, at_left in columns]
        lines.append("  ".join(cells).rstrip())
    return lines

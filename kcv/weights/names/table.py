"""From a mapping table to pairs of kcv's variables and the reference's tensors.

A table is a dict from a part of the network to rows `kind name`, several rows apart by commas:
`"block": "conv {at}.conv1, norm {at}.bn1"`, where `{at}` is the table's own `"at"`. The family's
function `parts` yields (part, place) in the order in which kcv makes its layers; `place` holds the
numbers that fill the names. The n-th row
of a kind of layer belongs to the n-th layer of that kind, whose automatic name counts up; a layer
with a name of its own is written behind an @: `linear@logits fc`.
"""

import operator
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from kcv.weights.names.kinds import Kind, Slot


class Row(NamedTuple):
    """One layer (or a part of one) of the reference."""

    part: str
    kind: str
    layer: str  # kcv's name of it, "" for an automatic one
    name: str


class Pair(NamedTuple):
    """One tensor of the reference and where it goes."""

    name: str
    layer: Any
    slot: Slot

    @property
    def variable(self):
        """The variable of kcv that the tensor is, or is a piece of."""
        return operator.attrgetter(self.slot.variable)(self.layer)

    def shape(self) -> tuple[int, ...]:
        """Return the shape that the reference's tensor must have."""
        return self.leave(np.broadcast_to(np.float32(0), tuple(self.variable.shape))).shape

    def leave(self, value: np.ndarray) -> np.ndarray:
        """Return the reference's tensor of a variable's value."""
        if self.slot.piece:
            axis, index, count = self.slot.piece
            value = np.split(value, count, axis)[index]
        return self.slot.layout.leave(value, self.layer)


class Names(NamedTuple):
    """The tensors of a network in a dialect: those that kcv has, and those it makes up."""

    pairs: list[Pair]
    made: dict[str, np.ndarray]


def rows(parts: Iterator[tuple[str, dict]], table: dict) -> list[Row]:
    """Expand a table into its rows.

    Raises:
        KeyError: if the table has no row for a part: this source has no such network.
    """
    found = []
    for part, place in parts:
        names = table[part].replace("{at}", table.get("at", "")).format(**place)
        for row in filter(None, names.split(", ")):
            kind, name = row.split(" ")
            kind, _, layer = kind.partition("@")
            found.append(Row(part, kind, layer, name))
    return found


def pair(model, found: list[Row], kinds: dict[str, Kind]) -> Names:
    """Find the layer of every row, in the order of the table.

    Raises:
        ValueError: if a row has no layer in this network, or a weight no row.
    """
    queues: dict[tuple, Iterator] = {}
    pairs: list[Pair] = []
    made: dict[str, np.ndarray] = {}
    for row in found:
        kind = kinds[row.kind]
        layer = _layer(model, row, kind, queues)
        for slot in kind.slots:
            if operator.attrgetter(slot.variable)(layer) is not None:
                pairs.append(Pair(row.name + slot.suffix, layer, slot))
        made |= {row.name + suffix: make(layer) for suffix, make in kind.made.items()}
    _check_whole(model, pairs)
    return Names(pairs, made)


def _layer(model, row: Row, kind: Kind, queues: dict[tuple, Iterator]):
    """Return the layer that a row means: the one of its name, or the next of its kind."""
    if row.layer:
        return model.get_layer(row.layer)
    # parts of one layer each have a queue of their own
    group = (row.kind,) if kind.part else kind.layers
    if group not in queues:
        queues[group] = iter(automatic(model, kind.layers))
    layer = next(queues[group], None)
    if layer is None:
        raise ValueError(
            f"{model.name} has {len(automatic(model, kind.layers))} layers of {kind.layers[0]}, "
            f"fewer than its table of names. Received: {row.name}."
        )
    return layer


def automatic(model, classes: tuple[str, ...]) -> list:
    """Return the layers of these classes that have automatic names, in the order of their making.

    `model.layers` is ordered by depth, which mixes parallel branches; the automatic names count up
    in the order of making, also in a network that was saved and read again.
    """
    numbered = {}
    for layer in model.layers:
        name = type(layer).__name__
        match = re.fullmatch(f"{_snake(name)}(?:_([0-9]+))?", layer.name)
        if name in classes and match:
            numbered[int(match[1] or 0)] = layer
    return [numbered[number] for number in sorted(numbered)]


def _snake(name: str) -> str:
    """Return the automatic name that Keras makes of a class: `BatchNorm` to `batch_norm`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _check_whole(model, pairs: list[Pair]) -> None:
    """Refuse a table that leaves a variable out, or gives it twice."""
    share = {id(variable): Fraction(0) for variable in model.weights}
    for one in pairs:
        share[id(one.variable)] += Fraction(1, one.slot.piece[2] if one.slot.piece else 1)
    wrong = [v.path for v in model.weights if share[id(v)] != 1]
    if wrong:
        raise ValueError(
            f"{model.name} is not the network of its table of names: {len(wrong)} of its weights "
            f"have none. Received: {', '.join(wrong[:10])}."
        )

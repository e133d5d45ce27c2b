"""The names that tensors have elsewhere: one mapping table per family, and loading by it.

A dialect is a way of naming: `"timm"`, `"torchvision"`, `"hf"` (transformers' files on the hub),
`"mmpretrain"`, `"keras"` (keras.applications, a tensor being `layer/variable`).
"""

import logging
from typing import Any, NamedTuple

import numpy as np

from kcv.weights.names import resize
from kcv.weights.names.families import (
    DIALECTS,
    FAMILIES,
    check,
    family_of,
    names_of,
    numbered,
    numerics,
    outer_layer,
    unused,
)
from kcv.weights.names.table import Pair

log = logging.getLogger("kcv")

__all__ = [
    "DIALECTS",
    "FAMILIES",
    "Report",
    "check",
    "dump",
    "family_of",
    "load",
    "numerics",
    "outer_layer",
    "shapes",
]


class Report(NamedTuple):
    """What `load` did with the tensors of a file.

    `loaded` were taken (those of `fitted` resized or summed), `unused` were not needed; `new` are
    the layers of kcv that keep their fresh weights, because the file scores other classes.
    """

    loaded: list[str]
    unused: list[str]
    fitted: list[str]
    new: list[str]


def load(model, tensors: dict[str, np.ndarray], dialect: str, needed=None) -> Report:
    """Give a network the weights of a checkpoint; nothing is changed if any tensor does not fit.

    Another number of classes leaves the scoring layer as it is, another image size resizes position
    tables by the dialect's rule, and one input channel takes the sum of the first kernel's three.

    Args:
        model: a network of `kcv.models.build`.
        tensors: the checkpoint's arrays by name.
        dialect: whose names they are.
        needed: arguments that the checkpoint needs (see `numerics`), compared with the network's.

    Raises:
        ValueError: if tensors are missing, unexpected or of the wrong shape (first 10 of each are
            named), or the network was built with other numerics.
    """
    check(model, needed or {})
    tensors = numbered(tensors, dialect)
    wanted = names_of(model, dialect).pairs
    new = _new_heads(wanted, tensors)
    spare = unused(model, dialect, tensors)
    values: list[tuple[Pair, Any]] = []
    fitted: list[str] = []
    misshapen: list[str] = []
    for one in wanted:
        if one.name not in tensors or one.layer.name in new:
            continue
        array: Any = tensors[one.name]
        if tuple(array.shape) != one.shape():
            array = _fit(one, array, dialect, first=one.layer is wanted[0].layer)
            fitted.append(one.name)
        if array is None:
            misshapen.append(f"{one.name} {tuple(tensors[one.name].shape)}, not {one.shape()}")
        values.append((one, array))
    names = {one.name for one in wanted}
    _refuse(
        f"These are not the weights of {model.name} in {dialect}'s names; nothing was loaded.",
        missing=[one.name for one in wanted if one.name not in tensors],
        unexpected=[name for name in tensors if name not in names and name not in spare],
        misshapen=misshapen,
    )
    _assign(values)
    if new:
        log.info("%s: other classes than those of the weights, %s is new", model.name, new)
    return Report([one.name for one, _ in values], spare, fitted, new)


def dump(model, dialect: str) -> dict[str, np.ndarray]:
    """Return a network's weights under a dialect's names, in its layouts: the reverse of `load`.

    Counters of batches are written as 0; index tables, where the reference keeps them, are written
    too, so that it loads the file strictly.

    Raises:
        ValueError: if the dialect is unknown or has no such network.
    """
    found = names_of(model, dialect)
    arrays: dict[int, np.ndarray] = {}
    answer = {}
    for one in found.pairs:
        variable = one.variable
        if id(variable) not in arrays:
            arrays[id(variable)] = np.asarray(variable.numpy())
        answer[one.name] = np.ascontiguousarray(one.leave(arrays[id(variable)]))
    return answer | found.made


def shapes(model, dialect: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a network under a dialect's names.

    Raises:
        ValueError: if the dialect is unknown or has no such network.
    """
    return {one.name: one.shape() for one in names_of(model, dialect).pairs}


def _new_heads(wanted: list[Pair], tensors) -> list[str]:
    """Return the scoring layers whose tensors differ in the number of classes, and only in it."""
    heads: dict[str, bool] = {}
    for one in wanted:
        if not one.layer.name.startswith("logits"):
            continue
        if one.name not in tensors:
            return []
        classes = -1 if one.name.endswith("/kernel") else 0
        ours, theirs = list(one.shape()), list(tensors[one.name].shape)
        differs = len(ours) == len(theirs) and ours.pop(classes) != theirs.pop(classes)
        name = one.layer.name
        heads[name] = heads.get(name, True) and differs and ours == theirs
    return [name for name, differs in heads.items() if differs]


def _fit(one: Pair, array: np.ndarray, dialect: str, first: bool) -> np.ndarray | None:
    """Return a tensor of another size as this network needs it, None if there is no rule."""
    wanted, has = one.shape(), tuple(array.shape)
    if one.slot.variable == "position" and len(has) == 3 and has[2] == wanted[2]:
        rows, columns = one.layer.grid
        return resize.positions(array, (rows, columns), wanted[1] - rows * columns, dialect)
    if one.slot.variable == "table" and len(has) == 2 and has[1] == wanted[1]:
        return resize.table(array, one.layer.window, dialect)
    channels = 2 if dialect == "keras" else 1
    if first and len(has) == 4 and has[channels] == 3 and wanted[channels] == 1:
        summed = array.sum(axis=channels, keepdims=True)
        return summed if summed.shape == wanted else None
    return None


def _refuse(sentence: str, **problems: list[str]) -> None:
    """Raise if there is any problem, with the first ten of each kind."""
    said = [
        f"{len(names)} {kind}: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"
        for kind, names in problems.items()
        if names
    ]
    if said:
        raise ValueError(f"{sentence} {'. '.join(said)}.")


def _assign(values: list[tuple[Pair, Any]]) -> None:
    """Write tensors into the variables; pieces of one variable are put together first."""
    pieces: dict[int, tuple[Any, int, dict[int, np.ndarray]]] = {}
    for one, array in values:
        value = one.slot.layout.enter(np.asarray(array), one.layer)
        if one.slot.piece is None:
            one.variable.assign(value)
            continue
        axis, index, _ = one.slot.piece
        pieces.setdefault(id(one.variable), (one.variable, axis, {}))[2][index] = value
    for variable, axis, parts in pieces.values():
        variable.assign(np.concatenate([parts[i] for i in sorted(parts)], axis=axis))

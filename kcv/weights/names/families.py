"""Which table of names belongs to a network, and which arguments a checkpoint needs."""

import importlib
import re
from typing import Any

from kcv.weights.names.kinds import KERAS, TORCH
from kcv.weights.names.table import Names, Row, pair, rows

DIALECTS = ("timm", "torchvision", "hf", "mmpretrain", "keras")
FAMILIES = (
    "alexnet",
    "convnext",
    "efficientnet",
    "googlenet",
    "inception_v3",
    "mnasnet",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "nasnet",
    "resnet",
    "shufflenet_v1",
    "shufflenet_v2",
    "squeezenet",
    "swin",
    "vgg",
    "vit",
)
AUTOMATIC = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?(?=/)")
# counters, index tables, and keras.applications' preprocessing (kcv's goes by `normalize`)
UNUSED = re.compile(
    r"num_batches_tracked$|relative_position_index$|attn_mask$|"
    r"^(\w+_prestem_)?normalization(_\d+)?/"
)


def family_of(name: str) -> str:
    """Return the family of a model's name: `"resnet"` of `"wide_resnet50_2"`.

    Raises:
        ValueError: if no family has a table of names.
    """
    word = re.sub("^(se|wide_)?res(net|next)", "resnet", name)
    word = re.sub("^deit", "vit", word)
    for family in FAMILIES:
        if word.startswith(family):
            return family
    raise ValueError(f"There is no table of names for {name!r}, only for {', '.join(FAMILIES)}.")


def numerics(name: str, source: str) -> dict[str, Any]:
    """Return the arguments of `kcv.models.build` that a published checkpoint needs.

    Args:
        name: a model of kcv or a family, `"efficientnet_b0"` or `"efficientnet"`.
        source: `"dialect/architecture"`, e.g. `"timm/tf_efficientnet_b0.ns_jft_in1k"`.

    Returns:
        Paddings, epsilons and the like, `{"padding": "same", "bn_epsilon": 0.001}`; the same keys
        for every source of a family.

    Raises:
        ValueError: if the dialect or the family is unknown.
    """
    known(source.partition("/")[0])
    for pattern, changes in getattr(table_of(family_of(name)), "NUMERICS", {}).items():
        if re.fullmatch(pattern, source):
            return dict(changes)
    return {}


def check(model, needed: dict[str, Any]) -> None:
    """Refuse a network that was built with other numerics than a checkpoint needs.

    Raises:
        ValueError: with both values of every argument that differs.
    """
    built = arguments_of(model)
    differ = [f"{k}={v!r}, not {built.get(k)!r}" for k, v in needed.items() if built.get(k) != v]
    if differ:
        raise ValueError(
            f"These weights need another {model.name}: {'; '.join(differ)}. "
            "Build it with these arguments, or let build(name, weights=...) do it."
        )


def known(dialect: str) -> None:
    """Refuse a dialect that kcv does not know."""
    if dialect not in DIALECTS:
        raise ValueError(f"dialect must be one of {', '.join(DIALECTS)}. Received: {dialect!r}.")


def arguments_of(model) -> dict[str, Any]:
    """Return the arguments with which a network was built.

    Raises:
        ValueError: if `kcv.models.build` did not make it.
    """
    arguments = getattr(model, "arguments", None)
    if not arguments:
        raise ValueError(
            f"Only networks of kcv.models.build have a table of names. Received: {model.name}."
        )
    return dict(arguments)


def table_of(family: str):
    """Return the module with a family's tables."""
    return importlib.import_module(f"kcv.weights.names.{family}")


def rows_of(model, dialect: str) -> list[Row]:
    """Return the rows of a network's table, with the head's whether or not it has one.

    Raises:
        ValueError: if the dialect is unknown or has no such network.
    """
    known(dialect)
    arguments = arguments_of(model)
    module = table_of(family_of(arguments["family"]))
    if dialect not in module.TABLES:
        raise ValueError(
            f"kcv knows no {arguments['family']} of {dialect}, but of {', '.join(module.TABLES)}. "
            f"Received: {model.name}."
        )
    try:
        return rows(module.parts(arguments), module.TABLES[dialect])
    except KeyError as error:
        raise ValueError(
            f"kcv knows no such {arguments['family']} of {dialect}: its table has no row for "
            f"{error}. Received: {model.name}."
        ) from None


def numbered(tensors: dict[str, Any], dialect: str) -> dict[str, Any]:
    """Return a checkpoint's tensors, automatic names of Keras counting from the first.

    Keras counts through a session: what was built second there begins at `conv2d_94`.
    """
    if dialect != "keras":
        return tensors
    found = {match[0]: match for match in map(AUTOMATIC.match, tensors) if match}
    counted: dict[str, int] = {}
    renamed = {}
    for layer in sorted(found, key=lambda name: int(found[name][2] or 0)):
        kind = found[layer][1]
        count = counted[kind] = counted.get(kind, -1) + 1
        renamed[layer] = f"{kind}_{count}" if count else kind
    return {
        renamed.get(layer, layer) + "/" + variable: value
        for (layer, _, variable), value in ((n.partition("/"), v) for n, v in tensors.items())
    }


def outer_layer(model, layer: str) -> str:
    """Return the layer of keras.applications' model that a layer stands in, or itself."""
    inside = getattr(table_of(arguments_of(model)["family"]), "KERAS_INSIDE", {})
    for pattern, outer in inside.items():
        match = re.fullmatch(pattern, layer)
        if match:
            return match.expand(outer)
    return layer


def names_of(model, dialect: str) -> Names:
    """Return the tensors of a network in a dialect."""
    found = rows_of(model, dialect)
    if arguments_of(model)["num_classes"] is None:
        found = [row for row in found if not row.part.startswith("head")]
    return pair(model, found, KERAS if dialect == "keras" else TORCH)


def unused(model, dialect: str, tensors) -> list[str]:
    """Return the names of tensors that a network has no use for, though its table knows them.

    Counters and index tables, heads for training where the network has none, and the scoring layer
    of a network without one.
    """
    arguments = arguments_of(model)
    prefixes = () if arguments.get("aux") else getattr(table_of(arguments["family"]), "UNUSED", ())
    if arguments["num_classes"] is None:
        heads = [row for row in rows_of(model, dialect) if row.part.startswith("head")]
        prefixes += tuple(row.name + ("/" if dialect == "keras" else ".") for row in heads)
    return [name for name in tensors if UNUSED.search(name) or name.startswith(prefixes)]

"""What `kcv list` and `kcv show` print: the zoo in a table, a network drawn in stages."""

import csv
import functools
import re
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import keras

from kcv import kernels, models, recipes, weights
from kcv.cost import Cost, Row, aligned, cost
from kcv.layers.init import postponed

# Rows that have a paper of their own; all others have the first one that their file names.
PAPERS = {
    "alexnet": "Krizhevsky 2014",
    "deit_small_distilled_16": "Touvron et al. 2020",
    "deit_tiny_distilled_16": "Touvron et al. 2020",
    "resnet101d": "He et al. 2018",
    "resnet152d": "He et al. 2018",
    "resnet18d": "He et al. 2018",
    "resnet34d": "He et al. 2018",
    "resnet50c": "He et al. 2018",
    "resnet50d": "He et al. 2018",
    "resnext101_32x4d": "Xie et al. 2016",
    "resnext101_32x8d": "Xie et al. 2016",
    "resnext101_64x4d": "Xie et al. 2016",
    "resnext50_32x4d": "Xie et al. 2016",
    "seresnet101": "Hu et al. 2017",
    "seresnet152": "Hu et al. 2017",
    "seresnet18": "Hu et al. 2017",
    "seresnet34": "Hu et al. 2017",
    "seresnet50": "Hu et al. 2017",
    "seresnext50_32x4d": "Hu et al. 2017",
    "wide_resnet50_2": "Zagoruyko and Komodakis 2016",
}
CITATION = re.compile(r"[A-Z]\w+(?: et al\.| and [A-Z]\w+)? (?:19|20)\d\d")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
SORTS = ("name", "parameters", "macs")
COLUMNS = """\
G m-adds: thousand millions of multiply-adds for one image of px x px pixels.
kcv show NAME draws the stages and prints the recipe, kcv list NAME --weights
names published weights, kcv profile NAME counts by stage and measures."""
BAR = 12  # characters for all multiply-adds of a network


class Figures(NamedTuple):
    """A row of `models/figures.csv`, which `scripts/make_figures.py` writes."""

    name: str
    parameters: int
    bn_statistics: int
    macs: int
    image_size: int


class Entry(NamedTuple):
    """What the list says of a name; `macs` are those of one image of `image_size`."""

    name: str
    parameters: int
    macs: int
    image_size: int
    paper: str
    recipe: bool
    weights: bool


@functools.cache
def figures() -> dict[str, Figures]:
    """Return {name: figures} of every network, as counted when the table was last made."""
    text = resources.files("kcv.models").joinpath("figures.csv").read_text(encoding="utf-8")
    rows = csv.reader(text.splitlines()[1:])
    return {name: Figures(name, *map(int, numbers)) for name, *numbers in rows}


def sketch(name: str, **changes):
    """Build a network to look at: on torch its weights have shapes but neither values nor memory.

    Arguments and errors are those of `kcv.models.build`.
    """
    with postponed(), keras.device("meta" if kernels.TORCH else "cpu"):
        return models.build(name, **changes)


def count(name: str) -> Figures:
    """Build a network at its native size and count it: its row of the table of figures."""
    counted, size = cost(sketch(name)), models.fields(name)["image_size"]
    return Figures(name, counted.parameters, counted.statistics, counted.macs, size)


def paper(name: str) -> str:
    """Return authors and year of the paper behind a model name: `"He et al. 2015"`."""
    if name in PAPERS:
        return PAPERS[name]
    about = sys.modules[models.VARIANTS[name].func.__module__].__doc__ or ""
    # a citation may be broken over two lines
    found = CITATION.search(" ".join(about.split()))
    return found.group() if found else ""


def number(text: str | int) -> int:
    """Return a count as people write it: `"5M"`, `"1.5G"`, `"800k"`, `"5,000,000"`.

    Raises:
        ValueError: if it is none, or negative.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)", str(text).replace(",", "").upper())
    if not found:
        raise ValueError(f"A count needs a number such as 5M, 800K or 1.5G. Received: {text!r}.")
    return round(float(found.group(1)) * UNITS[found.group(2)])


def entries(
    pattern: str = "*", *, sort: str = "name", max_parameters: str | int | None = None
) -> list[Entry]:
    """Return the networks that match, in order.

    Args:
        pattern: shell pattern of names.
        sort: `"name"`, `"parameters"` or `"macs"`, from small to large.
        max_parameters: leave larger networks out; a number or a text such as `"5M"`.

    Raises:
        ValueError: if nothing matches, or an argument is not one of the above.
    """
    if sort not in SORTS:
        raise ValueError(f"sort must be one of {', '.join(SORTS)}. Received: sort={sort!r}.")
    limit = float("inf") if max_parameters is None else number(max_parameters)
    found = [_entry(name) for name in models.list(pattern)]
    found = [entry for entry in found if entry.parameters <= limit]
    if not found:
        bound = "" if max_parameters is None else f" with at most {max_parameters} parameters"
        raise ValueError(f"No model name matches{bound}. Received: {pattern!r}.")
    return sorted(found, key=lambda entry: (getattr(entry, sort), entry.name))


def has_weights(name: str) -> bool:
    """Return whether trained weights are published for a model name."""
    return bool(weights.list(name))


def weights_table(pattern: str = "*") -> str:
    """Return the published checkpoints that match, as text.

    Args:
        pattern: shell pattern of sources (`"timm/*in1k"`) or of model names (`"resnet*"`).

    Raises:
        ValueError: if nothing matches.
    """
    found = weights.list(pattern)
    if not found:
        raise ValueError(f"No checkpoint or model name matches. Received: {pattern!r}.")
    head = ("weights", "model", "licence", "pixels", "classes", "top-1 %", "MiB")
    lines = aligned([head, *map(_checkpoint_cells, found)], left=3)
    note = (
        f"{len(found)} checkpoints, used as kcv.models.build(MODEL, weights=NAME). Accuracies are "
        "those that the publisher states; - where none, or no licence, is stated."
    )
    return "\n".join([*lines, "", note])


def _checkpoint_cells(row: weights.Row) -> tuple[str, ...]:
    top1 = "-" if row.top1 is None else f"{row.top1:.1f}"
    size = "-" if row.mib is None else str(row.mib)
    numbers = (str(row.size), str(row.classes), top1, size)
    return (row.source, row.model, row.license or "-", *numbers)


def _entry(name: str) -> Entry:
    row, known = figures()[name], (name in recipes.RECIPES, has_weights(name))
    return Entry(name, row.parameters, row.macs, row.image_size, paper(name), *known)


def table(found: Sequence[Entry]) -> str:
    """Return the list as text: a line for each network, and what the columns mean."""
    head = ("name", "parameters", "G m-adds", "px", "recipe", "weights", "paper")
    lines = aligned([head, *map(_cells, found)], left=1, last="left")
    networks = "1 network" if len(found) == 1 else f"{len(found)} networks"
    return "\n".join([*lines, "", f"{networks}.", COLUMNS])


def _cells(entry: Entry) -> tuple[str, ...]:
    recipe, weights = ("yes" if here else "-" for here in (entry.recipe, entry.weights))
    counts = (f"{entry.parameters:,}", f"{entry.macs / 1e9:.4f}", str(entry.image_size))
    author, year = entry.paper.split()[0], entry.paper.split()[-1]
    return (entry.name, *counts, recipe, weights, f"{author} {year}")


def stages(model) -> str:
    """Draw a network stage by stage: sizes, costs, a bar for the share of the multiply-adds.

    A stage is what lies between two named outputs: `stage1` ... `stage5`, `features`, `logits`.
    The line beneath says what it is made of: layers that multiply, sums and concatenations.

    Args:
        model: a network of `kcv.models.build`, or any that `kcv.cost.cost` counts.
    """
    counted = cost(model)
    head = ("stage", "output", "parameters", "multiply-adds", "share", "")
    parameters, macs = f"{counted.parameters:,}", f"{counted.macs:,}"
    found = counted.stages()
    drawn = [_drawn(stage, counted) for stage in found]
    total = ("total", "", parameters, macs, "", "")
    first, *lines, last = aligned([head, *drawn, total], left=2, last="left")
    beneath = [_made(stage, counted) for stage in found]
    pairs = [text for pair in zip(lines, beneath, strict=True) for text in pair if text]
    size = " x ".join(map(str, counted.rows[0].output_shape))
    return "\n".join([f"{model.name}, one image of {size}", "", first, *pairs, last])


def _drawn(stage: Row, counted: Cost) -> tuple[str, ...]:
    shape = " x ".join(map(str, stage.output_shape))
    share = stage.macs / max(counted.macs, 1)
    sums = (f"{stage.parameters:,}", f"{stage.macs:,}", f"{share:.1%}")
    return (stage.name, shape, *sums, "#" * round(BAR * share))


def _made(stage: Row, counted: Cost) -> str:
    """Return what a stage is made of, indented; empty if of nothing that counts."""
    inside = [row for row in counted.rows if (row.stage or "other") == stage.name]
    kinds = Counter(row.type for row in inside if row.macs or row.type in ("Add", "Concatenate"))
    made = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"    {made}" if made else ""

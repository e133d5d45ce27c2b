"""``show``: a page of images as the network will see them, step by step through the pipeline."""

import copy
import os
import re
from collections.abc import Sequence
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from kcv import weights
from kcv.data import draws
from kcv.data.augment import Operation
from kcv.data.dataset import Data
from kcv.data.images import ImageError
from kcv.data.mix import Mixed
from kcv.data.samples import Samples, sized
from kcv.data.sampling import growing_epochs
from kcv.data.specs import load
from kcv.report import markup, pictures
from kcv.report.style import CSS
from kcv.version import __version__

# What a recipe says about the images, by its names and those of ``load``.
FIELDS = ("batch_size", "seed", "augment", "val_fraction", "sampling", "repeats", "class_weights")
SIZES = ("image_size", "channels")  # 0 takes the data's own
ROWS, EPOCHS, MOST_COLUMNS, LABELS = 3, 6, 8, 4
MORE_CSS = """
.tiles { grid-template-columns: 2fr 1fr; }
.steps { display: grid; gap: 14px 12px;
  grid-template-columns: repeat(var(--steps), minmax(0, 144px)); }
.steps figure { margin: 0; min-width: 0; break-inside: avoid; }
.steps img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  background: var(--page); border: 1px solid var(--grid); border-radius: 6px; }
.steps .pixels { image-rendering: pixelated; }
.steps figcaption { margin-top: 5px; font-size: 13px; line-height: 1.35; overflow-wrap: anywhere; }
.narrow figcaption { font-size: 11px; }
.steps small { display: block; color: var(--muted); font-size: 11px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
"""


def show(
    spec: Any = "fashion_mini",
    recipe: Any = None,
    *,
    out: str | os.PathLike = "show.html",
    count: int = 6,
    epoch: int = 0,
    **options: Any,
) -> Path:
    """Write one self-contained HTML page of training images on their way to the network.

    Args:
        spec: what ``kcv.data.load`` takes; a ``Data`` is shown as it is.
        recipe: a ``kcv.recipes.Recipe``, or anything with fields of its names, whose image sizes,
            channels, augmentation, sampling, repeats, mixing, seed and way of resizing (that of its
            ``weights``) hold; None for those of ``load``. Beside a ``Data``, what made it.
        out: the file to write, or a folder for ``show.html``.
        count: number of images that are followed.
        epoch: the epoch whose random changes are shown, from 0.
        **options: arguments of ``load`` that hold instead of the recipe's, e.g.
            ``augment="crop+flip+randaugment"``; not with a ``Data``.

    Returns:
        The path of the page.

    Raises:
        ValueError: ``count`` or ``epoch`` out of range, options beside a ``Data``, or what ``load``
            refuses.
    """
    if count < 1 or epoch < 0:
        raise ValueError(f"show needs count >= 1 and epoch >= 0. Received: {count=}, {epoch=}")
    if isinstance(spec, Data) and options:
        raise ValueError(f"show takes a Data as it is. Received: {', '.join(options)}.")
    data = spec if isinstance(spec, Data) else load(spec, **_arguments(recipe) | options)
    batches = data.train
    chosen = draws.order(len(batches.source), 0, purpose=draws.STATISTICS)[: 4 * count].tolist()
    followed = _readable(batches.dataset, chosen, epoch, count)
    augment = options.get("augment", getattr(recipe, "augment", None))
    body = (
        _headline(data, augment, epoch)
        + _steps(data, followed)
        + _epochs(data, [index for index, _ in followed[:3]], epoch)
        + _batch(data, recipe, epoch)
    )
    title = escape(f"kcv data show: {data.spec}")
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{CSS}{MORE_CSS}</style></head>\n<body><main>\n{body}"
        f"<footer>Written by kcv {__version__}</footer>\n</main></body></html>\n"
    )
    path = Path(out)
    path = path / "show.html" if path.is_dir() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page.encode("utf-8", "xmlcharrefreplace"))
    return path


def _arguments(recipe: Any) -> dict[str, Any]:
    """Return what a recipe says about the images, as arguments of ``load``."""
    given = {name: getattr(recipe, name) for name in FIELDS if hasattr(recipe, name)}
    given |= {name: getattr(recipe, name, 0) or None for name in SIZES}
    if getattr(recipe, "start_size", 0):
        given["growing"] = (recipe.start_size, growing_epochs(recipe.epochs))
    if getattr(recipe, "weights", ""):
        seen = weights.checkpoints.locate(recipe.weights).preprocessing
        given["resize"] = None if seen is None else seen.resize
    return given


def steps_of(samples: Samples, index: int, epoch: int) -> list[tuple[str, str, np.ndarray]]:
    """Return (name, settings, image) of each step of a training image, the file first.

    Raises:
        ImageError: the image cannot be read.
    """
    samples = _in_epoch(samples, epoch)
    image, _ = samples.source[index]
    steps = [("as read", "", image)]
    operations = samples.operations
    if not operations or not getattr(operations[0], "resizes", False):
        resized = samples.resized(image)
        if resized is not image:
            steps.append(("resized", "", resized))
            image = resized
    rng = draws.generator(samples.seed, epoch, index)
    for operation in operations:
        image = operation(image, rng)
        steps.append((_name(operation), repr(operation), image))
    return steps


def _in_epoch(samples: Samples, epoch: int) -> Samples:
    """Return the samples with the image size of an epoch, for images that grow."""
    found = copy.copy(samples)
    found.size = samples.sizes(epoch) if samples.sizes else samples.size
    found.operations = sized(samples.operations, found.size)
    return found


def _readable(
    samples: Samples, indices: Sequence[int], epoch: int, count: int
) -> list[tuple[int, list[tuple[str, str, np.ndarray]]]]:
    found: list[tuple[int, list[tuple[str, str, np.ndarray]]]] = []
    for index in indices:
        if len(found) == count:
            break
        try:
            found.append((index, steps_of(samples, index, epoch)))
        # Named by data check; here it would only take the place of a picture.
        except ImageError:
            continue
    return found


def _headline(data: Data, augment: str | Sequence[Operation] | None, epoch: int) -> str:
    samples = _in_epoch(data.train.dataset, epoch)
    height, width = samples.size
    # With room around the plus, a long text is broken between its parts.
    parts = augment.split("+") if isinstance(augment, str) else map(_name, samples.operations)
    text = " + ".join(parts)
    counts = f"{len(data.train.source):,} training images, {data.num_classes} classes"
    if samples.size != data.image_size:
        counts = f"growing to {' x '.join(map(str, data.image_size))}; {counts}"
    return (
        f"<header><p>kcv data show</p><h1>{escape(data.spec)}</h1></header>"
        '<div class="tiles">'
        + markup.tile("random changes", text or "none", f"epoch {epoch}", "main")
        + markup.tile("the network sees", f"{height} x {width} x {data.channels}", counts)
        + "</div>\n"
    )


def _steps(data: Data, followed: list) -> str:
    figures, columns = [], max((len(steps) for _, steps in followed), default=1) + 1
    for index, steps in followed:
        source = data.train.source
        label = _label(data, source.labels[index])
        name = source.name(index)
        for number, (step, settings, image) in enumerate(steps):
            caption = f"{_breakable(step)}<small>{_size(image)}</small>"
            if number == 0:
                file, size = escape(os.path.basename(name)), _size(image)
                caption = f"<b>{escape(label)}</b><small>{file}</small><small>{size}</small>"
            figures.append(_figure(image, caption, settings or name))
        blank = columns - 1 - len(steps)
        figures += ["<figure></figure>"] * blank
        plain = data.train.images([index])[0]
        figures.append(_figure(plain, f"for evaluation<small>{_size(plain)}</small>", name))
    text = (
        "From the file to the network: each column is a step of the pipeline, in its order, with "
        "the random draws of this epoch. The last column is the same image as it is evaluated."
    )
    return markup.section("Step by step", text, _grid(figures, columns), "long")


def _epochs(data: Data, indices: list[int], epoch: int) -> str:
    samples, figures = data.train.dataset, []
    for index in indices:
        for number in range(epoch, epoch + EPOCHS):
            image = steps_of(samples, index, number)[-1][2]
            caption = f"epoch {number}<small>{_size(image)}</small>"
            figures.append(_figure(image, caption, ""))
    text = "The same images in the epochs that follow. What must stay recognisable, has to be here."
    return markup.section("One image, several epochs", text, _grid(figures, EPOCHS), "long")


def _batch(data: Data, recipe: Any, epoch: int) -> str:
    batches: Any = data.train
    repeats = batches.sampler.repeats
    mixing, lasting = _mixing(recipe), getattr(recipe, "mix_epochs", 0)
    text = "The first images of the first batch, as the network is given them."
    if mixing and lasting and epoch >= lasting:
        text += f" Mixing has ended: it lasts {lasting} epochs."
    elif mixing:
        batches = Mixed(batches, data.num_classes, **mixing, seed=batches.dataset.seed)
        text = (
            "The first images of the first batch, mixed in pairs by "
            f"{' or by '.join(mixing)}, with the labels they are given. "
            "One share is drawn for the whole batch."
        )
    if repeats > 1:
        text += f" Each image comes {repeats} times in a row, with other random changes."
    # As many columns as show the repeats of an image side by side.
    columns = repeats * (EPOCHS // repeats) or min(repeats, MOST_COLUMNS)
    figures = [
        _figure(image, escape(_label(data, label)), "")
        for image, label in _first(batches, epoch, ROWS * columns)
    ]
    return markup.section("A batch", text, _grid(figures, columns), "long")


def _mixing(recipe: Any) -> dict[str, Any]:
    """Return the alpha of each kind of mixing that a recipe has."""
    alphas = {name: getattr(recipe, name, 0.0) for name in ("mixup", "cutmix")}
    return {name: alpha for name, alpha in alphas.items() if alpha}


def _first(batches: Any, epoch: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the first images, uint8, and labels of an epoch; the batches stay where they were."""
    before = batches.epoch
    batches.epoch = epoch
    try:
        with closing(iter(batches)) as given:
            images, labels, *_ = next(given)
    finally:
        batches.epoch = before
    # Mixed on the GPU, where there is one, to fractions of grey levels.
    pixels = images[:count].cpu().numpy()
    shown = np.rint(pixels).astype(np.uint8)
    return list(zip(shown, labels[:count].cpu().numpy(), strict=True))


def _grid(figures: Sequence[str], columns: int) -> str:
    kind = "steps narrow" if columns > MOST_COLUMNS else "steps"
    return f'<div class="{kind}" style="--steps:{columns}">{"".join(figures)}</div>'


def _figure(image: np.ndarray, caption: str, title: str) -> str:
    kind = "pixels" if max(image.shape[:2]) <= pictures.SMALL else "photo"
    return (
        f'<figure title="{escape(title)}"><img class="{kind}" alt="" '
        f'src="{pictures.thumbnail(image)}"><figcaption>{caption}</figcaption></figure>'
    )


def _label(data: Data, label: np.ndarray) -> str:
    """Return the class of a label, or its classes with their shares."""
    if np.ndim(label) == 0:
        return data.class_names[int(label)]
    largest = [int(number) for number in np.argsort(-label, kind="stable") if label[number] > 0]
    names = [data.class_names[number] for number in largest]
    # A no-break space keeps a share beside its class.
    if not np.allclose(label[largest], 1):
        shares = label[largest].tolist()
        names = [f"{name}\xa0{share:.2f}" for name, share in zip(names, shares, strict=True)]
    more = [f"and {len(names) - LABELS} more"] if len(names) > LABELS else []
    return ", ".join(names[:LABELS] + more) or "no class"


def _breakable(name: str) -> str:
    """Return a name that a narrow column breaks before its capitals."""
    return "<wbr>".join(escape(part) for part in re.split("(?<=[a-z])(?=[A-Z])", name))


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"


def _name(operation: Any) -> str:
    return getattr(operation, "__name__", type(operation).__name__)

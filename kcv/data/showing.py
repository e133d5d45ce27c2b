"""``show``: a page of images as the network will see them, step by step through the pipeline."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from kcv.data import draws
from kcv.data.augment import Operation
from kcv.data.dataset import Data
from kcv.data.images import ImageError
from kcv.data.mix import Mixed
from kcv.data.samples import Samples
from kcv.data.specs import load
from kcv.report import markup, pictures
from kcv.report.style import CSS
from kcv.version import __version__

# What a recipe says about the images, by the names of its fields and of those of ``load``.
FIELDS = ("image_size", "channels", "batch_size", "seed", "augment", "val_fraction")
MIXED, EPOCHS = 18, 6
MORE_CSS = """
.tiles { grid-template-columns: 2fr 1fr; }
.steps { display: grid; gap: 14px 12px;
  grid-template-columns: repeat(var(--steps), minmax(0, 1fr)); }
.steps figure { margin: 0; min-width: 0; break-inside: avoid; }
.steps img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  background: var(--page); border: 1px solid var(--grid); border-radius: 6px; }
.steps .pixels { image-rendering: pixelated; }
.steps figcaption { margin-top: 5px; font-size: 13px; line-height: 1.35; overflow-wrap: anywhere; }
.steps small { display: block; color: var(--muted); font-size: 11px; }
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
        spec: what ``kcv.data.load`` takes.
        recipe: a ``kcv.recipes.Recipe``, or anything with fields of its names, whose image size,
            channels, augmentation, mixing and seed hold; None for those of ``load``.
        out: the file to write, or a folder for ``show.html``.
        count: number of images that are followed.
        epoch: the epoch whose random changes are shown, from 0.
        **options: arguments of ``load`` that hold instead of the recipe's, e.g.
            ``augment="crop+flip+randaugment"``.

    Returns:
        The path of the page.

    Raises:
        ValueError: ``count`` or ``epoch`` out of range, or what ``load`` refuses.
    """
    if count < 1 or epoch < 0:
        raise ValueError(f"show needs count >= 1 and epoch >= 0. Received: {count=}, {epoch=}")
    given = {name: getattr(recipe, name) for name in FIELDS if hasattr(recipe, name)}
    # In a recipe, 0 takes the data's own.
    given = {name: value or None for name, value in given.items() if name in FIELDS[:2]} | {
        name: value for name, value in given.items() if name not in FIELDS[:2]
    }
    data = load(spec, **given | options)
    batches = data.train
    chosen = draws.order(len(batches.source), 0, purpose=draws.STATISTICS)[: 4 * count].tolist()
    followed = _readable(batches.dataset, chosen, epoch, count)
    augment = (given | options).get("augment", ())
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


def steps_of(samples: Samples, index: int, epoch: int) -> list[tuple[str, str, np.ndarray]]:
    """Return (name, settings, image) of each step of a training image, the file first.

    Raises:
        ImageError: the image cannot be read.
    """
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


def _headline(data: Data, augment: str | Sequence[Operation], epoch: int) -> str:
    height, width = data.image_size
    # With room around the plus, a long text is broken between its parts.
    parts = augment.split("+") if isinstance(augment, str) else map(_name, augment)
    text = " + ".join(parts)
    counts = f"{len(data.train.source):,} training images, {data.num_classes} classes"
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
            size = f"{image.shape[1]} x {image.shape[0]}"
            caption = f"{escape(step)}<small>{size}</small>"
            if number == 0:
                caption = (
                    f"<b>{escape(label)}</b><small>{escape(os.path.basename(name))}, {size}</small>"
                )
            figures.append(_figure(image, caption, settings or name))
        blank = columns - 1 - len(steps)
        figures += ["<figure></figure>"] * blank
        figures.append(
            _figure(data.train.images([index])[0], "for evaluation<small></small>", name)
        )
    text = (
        "From the file to the network: each column is a step of the pipeline, in its order, with "
        "the random draws of this epoch. The last column is the same image as it is evaluated."
    )
    grid = f'<div class="steps" style="--steps:{columns}">{"".join(figures)}</div>'
    return markup.section("Step by step", text, grid, "long")


def _epochs(data: Data, indices: list[int], epoch: int) -> str:
    samples, figures = data.train.dataset, []
    for index in indices:
        for number in range(epoch, epoch + EPOCHS):
            image = steps_of(samples, index, number)[-1][2]
            figures.append(_figure(image, f"epoch {number}", ""))
    text = "The same images in the epochs that follow. What must stay recognisable, has to be here."
    grid = f'<div class="steps" style="--steps:{EPOCHS}">{"".join(figures)}</div>'
    return markup.section("One image, several epochs", text, grid, "long")


def _batch(data: Data, recipe: Any, epoch: int) -> str:
    mixup, cutmix = (getattr(recipe, name, 0.0) for name in ("mixup", "cutmix"))
    batches: Any = data.train
    text = "The first images of the first batch, as the network is given them."
    if mixup or cutmix:
        batches = Mixed(batches, data.num_classes, mixup=mixup, cutmix=cutmix, seed=recipe.seed)
        text = (
            "The first images of the first batch, mixed in pairs, with the labels they are given."
        )
    batches.epoch = epoch
    images, labels, *_ = next(iter(batches))
    figures = [
        _figure(image.numpy().astype(np.uint8), escape(_label(data, label.numpy())), "")
        for image, label in zip(images[:MIXED], labels[:MIXED], strict=True)
    ]
    grid = f'<div class="steps" style="--steps:{EPOCHS}">{"".join(figures)}</div>'
    return markup.section("A batch", text, grid, "long")


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
    if len(largest) == 1:
        return data.class_names[largest[0]]
    shares = (f"{data.class_names[number]} {label[number]:.2f}" for number in largest[:4])
    return ", ".join(shares) or "no class"


def _name(operation: Any) -> str:
    return getattr(operation, "__name__", type(operation).__name__)

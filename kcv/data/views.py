"""Several views of a test image, over which a model's answers are averaged."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kcv import bars
from kcv.data.batches import Batches
from kcv.data.beforehand import map_ahead
from kcv.data.resizing import covering, middle, resize_image

VIEWS = {"one": 1, "flip": 2, "three": 3, "six": 6, "ten": 10}
"""Kind -> number of views: ``one``, the centre crop; ``flip``, that and its mirror image; ``three``
squares along the longer edge, as large as the shorter one; ``six``, those and their mirror images;
``ten``, four corners and the centre of the image and of its mirror image (Krizhevsky et al. 2012;
torchvision's ``TenCrop``)."""


def views(
    image: np.ndarray,
    size: tuple[int, int],
    kind: str = "ten",
    crop_pct: float = 0.875,
    interpolation: str = "bilinear",
    mode: str = "crop",
) -> np.ndarray:
    """Return the views of an image ``(H, W, C)``, uint8: ``(V, height, width, C)``.

    Of an image that evaluation squashes, there are the image and, but for ``one`` and ``three``,
    its mirror image: there is nothing to cut.

    Args:
        image: the image at its own size.
        size: ``(height, width)`` of a view.
        kind: a key of ``VIEWS``.
        crop_pct: share of the resized image that a view keeps, as in ``kcv.data.resize_image``;
            ``three`` and ``six`` keep all of the shorter edge whatever it says.
        interpolation, mode: likewise.

    Raises:
        ValueError: an unknown kind.
    """
    check_kind(kind)
    if kind in ("one", "flip") or mode.startswith("squash"):
        return with_mirror(resize_image(image, size, mode, crop_pct, interpolation), kind)
    inner = (math.floor(size[0] / crop_pct), math.floor(size[1] / crop_pct))
    whole = covering(image, inner if kind == "ten" else size, interpolation)
    down, right = whole.shape[0] - size[0], whole.shape[1] - size[1]
    centre = (middle(down, mode), middle(right, mode))
    if kind == "ten":
        corners = [(0, 0), (0, right), (down, 0), (down, right), centre]
    else:
        corners = [(0, 0), centre, (down, right)]
    # The corners of the mirror image, in torchvision's order.
    pictures = [whole] if kind == "three" else [whole, whole[:, ::-1]]
    return np.stack([one[y : y + size[0], x : x + size[1]] for one in pictures for y, x in corners])


def check_kind(kind: str) -> None:
    """Refuse a word that is not a kind of views."""
    if kind not in VIEWS:
        raise ValueError(f"views needs to be one of {', '.join(VIEWS)}. Received: {kind!r}")


def with_mirror(image: np.ndarray, kind: str) -> np.ndarray:
    """Return the views of an image that leaves nothing to cut: itself, and its mirror image."""
    return np.stack([image, image[:, ::-1]][: 1 if kind in ("one", "three") else 2])


def batches_of(
    batches: Batches, kind: str = "ten", count: int = 32
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield views ``(B, V, H, W, C)``, uint8, and labels of the images of a part, in order.

    Args:
        batches: the part, e.g. ``data.test``; its image size and ``resize`` hold.
        kind: a key of ``VIEWS``.
        count: B.

    Raises:
        ImageError: an image cannot be read.
    """
    check_kind(kind)

    def of(index: int) -> np.ndarray:
        return views(batches.source[index][0], batches.image_size, kind, **batches.resize)

    # Decoding gives the interpreter to others.
    with ThreadPoolExecutor(max(1, batches.workers)) as threads:
        for indices, found in map_ahead(threads, of, range(len(batches.source)), count):
            yield np.stack(found), batches.labels[np.asarray(indices)]


def predict(
    model: Any,
    batches: Batches,
    kind: str = "ten",
    batch_size: int = 128,
    *,
    scores: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return mean probabilities ``(N, K)`` over the views of each image.

    Args:
        model: a model with ``predict_on_batch``, from images to logits.
        batches: the part to predict, e.g. ``data.test``.
        kind: a key of ``VIEWS``.
        batch_size: views in a call of the model.
        scores: turns logits ``(B, K)`` into probabilities.
    """
    means = []
    looked = batches_of(batches, kind, max(1, batch_size // VIEWS.get(kind, 1)))
    with bars.bar(f"Scoring part {batches.part!r}", total=len(batches.source)) as bar:
        for images, _ in looked:
            flat = images.reshape(-1, *images.shape[2:])
            found = scores(np.asarray(model.predict_on_batch(flat), np.float64))
            means.append(found.reshape(*images.shape[:2], -1).mean(axis=1))
            bar.update(len(images))
    return np.concatenate(means)

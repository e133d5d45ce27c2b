"""Stratified, seeded splits."""

from collections.abc import Sequence

import numpy as np

from kcv.data import draws
from kcv.data.sources import Source, Subset

# A share of its own, and not a function of the seed: runs with different seeds, or a run that
# fine-tunes another one, must neither be compared on different test images nor train on them.
TEST_FRACTION = 0.1
TEST_SEED = "test"


def split(
    source: Source, class_names: Sequence[str], fraction: float, seed: int | str
) -> tuple[Subset, Subset]:
    """Split off a share of every class.

    An image's place depends on its name inside the data set and on the seed, so images that are
    added later move hardly any other image.

    Args:
        source: the images.
        class_names: for the error text.
        fraction: share of each class that is split off: at least one image, at most all but one.
        seed: decides which.

    Returns:
        The rest, and the share split off, both in the order of the source.

    Raises:
        ValueError: a class has fewer than two images. Where images have several classes, a class
            with one image stays with the rest instead.
    """
    scores = draws.scores([source.key(index) for index in range(len(source))], seed)
    if source.labels.ndim == 2:
        chosen = _choose_several(source.labels > 0, scores, fraction)
        return Subset(source, np.flatnonzero(~chosen)), Subset(source, np.flatnonzero(chosen))
    chosen = np.zeros(len(source), bool)
    for label, name in enumerate(class_names):
        members = np.flatnonzero(source.labels == label)
        if len(members) < 2:
            raise ValueError(
                f"A class needs at least 3 images to be split into train, val and test, or 2 for "
                f"train and val. Received: too few in class {name!r}"
            )
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        chosen[members[np.argsort(scores[members], kind="stable")[:count]]] = True
    return Subset(source, np.flatnonzero(~chosen)), Subset(source, np.flatnonzero(chosen))


def _choose_several(labels: np.ndarray, scores: np.ndarray, fraction: float) -> np.ndarray:
    """Return which rows of ``(N, K)`` are split off, such that each class gives its share.

    The rarest class is dealt with first, as in Sechidis et al. 2011, "On the stratification of
    multi-label data", https://doi.org/10.1007/978-3-642-23808-6_10, whose folds are two here; what
    later classes still lack is counted after what earlier ones have brought along.
    """
    chosen, decided = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    counts = labels.sum(0)
    none = ~labels.any(1)
    groups = [labels[:, label] for label in np.argsort(counts, kind="stable")] + [none]
    for group in groups:
        wanted = round(fraction * int(group.sum())) - int((group & chosen).sum())
        members = np.flatnonzero(group & ~decided)
        members = members[np.argsort(scores[members], kind="stable")]
        chosen[members[: max(0, min(wanted, len(members)))]] = True
        decided |= group
    # An image at least on each side, of however few there are.
    if not chosen.any() and len(chosen) > 1:
        chosen[np.argmin(scores)] = True
    return chosen

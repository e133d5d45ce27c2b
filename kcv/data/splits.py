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
        ValueError: a class has fewer than two images.
    """
    scores = draws.scores([source.key(index) for index in range(len(source))], seed)
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

"""What a check has found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kcv.data.inspection.duplicates import Group
from kcv.data.inspection.looks import Look
from kcv.data.sources import FileSource, Joined, Source, Subset, count_classes


class Suspect(NamedTuple):
    """An image whose label contradicts its looks: its number, the class it resembles, and
    the chance that the label is wrong."""

    image: int
    suggested: int
    chance: float


@dataclass(frozen=True)
class Findings:
    """What ``kcv.data.check`` returns. Images are numbered through all parts.

    Attributes:
        spec: what was checked.
        class_names: names of the classes.
        source: all images.
        parts: name of the part of each image.
        given: parts that the data came in; the others ``kcv.data.load`` makes out of them.
        looks: what was seen of each image.
        groups: exact and near duplicates.
        suspects: suspicious labels, the worst first.
        accuracy: share of the labels that the quick embedding finds; NaN where it was not asked.
        passed_over: extension -> number of files that may be images and are not read.
        seconds: time that the check took.
    """

    spec: str
    class_names: list[str]
    source: Source
    parts: list[str]
    given: tuple[str, ...]
    looks: list[Look]
    groups: list[Group]
    suspects: list[Suspect]
    accuracy: float
    passed_over: Mapping[str, int]
    seconds: float

    @property
    def unreadable(self) -> list[int]:
        """Images that cannot be read."""
        return [at for at, look in enumerate(self.looks) if look.reason]

    @property
    def in_files(self) -> bool:
        """Whether each image is a file of its own, which a list can name."""
        return in_files(self.source)

    @property
    def leaks(self) -> list[Group]:
        """Groups of duplicates that lie in more than one part."""
        return [one for one in self.groups if len({self.parts[at] for at in one.members}) > 1]

    @property
    def conflicts(self) -> list[Group]:
        """Groups of duplicates whose labels differ."""
        return [one for one in self.groups if len({self.label(at) for at in one.members}) > 1]

    def came_in_parts(self, groups: list[Group]) -> bool:
        """Return whether one of the groups lies in several of the parts that the data came in."""
        return any(
            len({self.parts[at] for at in group.members} & set(self.given)) > 1 for group in groups
        )

    def label(self, index: int) -> tuple[str, ...]:
        """Return the names of the classes of an image."""
        label = self.source.labels[index]
        numbers = np.flatnonzero(label) if self.source.labels.ndim == 2 else [label]
        return tuple(self.class_names[int(number)] for number in numbers)

    def removable(self) -> dict[int, str]:
        """Return the images that a cleaned list leaves out, and why.

        Unreadable images; of duplicates all but one, which is kept in the test part if it is there,
        else in the validation part; all duplicates whose labels differ, because nobody knows which
        one is right. Suspicious labels stay: a person has to look at them.
        """
        found = {at: self.looks[at].reason for at in self.unreadable}
        for group in self.groups:
            kept, *others = sorted(group.members, key=self._worth)
            if len({self.label(at) for at in group.members}) > 1:
                found[kept] = f"has another label than its duplicate {self.source.name(others[0])}"
            for at in others:
                what = "has another label than its duplicate" if kept in found else "duplicates"
                found[at] = f"{what} {self.source.name(kept)}"
        return found

    def _worth(self, index: int) -> tuple[int, int, int]:
        """Return what sorts the copy to keep to the front: test, val, train; then the largest."""
        order = {"test": 0, "val": 1}.get(self.parts[index], 2)
        return order, -self.looks[index].height * self.looks[index].width, index

    def counts(self) -> dict[str, list[int]]:
        """Return the number of images of each class in each part."""
        parts = np.array(self.parts)
        return {
            part: count_classes(self.source.labels[parts == part], len(self.class_names)).tolist()
            for part in dict.fromkeys(self.parts)
        }

    def imbalance(self) -> float:
        """Return how many times larger the largest class of the training part is than the least."""
        counts = self.counts()["train"]
        return max(counts) / max(1, min(counts))

    def sizes(self) -> np.ndarray:
        """Return height and width of each readable image, ``(N, 2)``, in pixels."""
        return np.array([(one.height, one.width) for one in self.looks if not one.reason])

    def shares(self, attribute: str) -> dict[str, int]:
        """Return how many readable images have each ``mode`` or ``form``, the most first."""
        found = Counter(getattr(one, attribute) for one in self.looks if not one.reason)
        return dict(found.most_common())


def in_files(source: Source) -> bool:
    """Return whether each image is a file of its own, which a list can name."""
    if isinstance(source, Joined):
        return all(map(in_files, source.sources))
    if isinstance(source, Subset):
        return in_files(source.source)
    return isinstance(source, FileSource)

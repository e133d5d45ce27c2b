"""What findings mean, and which changes of a recipe they advise: sentences for people."""

from collections.abc import Iterator

import numpy as np

from kcv.data.folder import count_others, way_out
from kcv.data.inspection.findings import Findings

IMBALANCE = 3.0  # largest class over smallest, from which accuracy hides the small ones
FEW = 20  # training images of a class below which a network from scratch learns little of it
# Aspect ratio that a centre crop spoils, and share of the images from which it is worth a word.
LONG, LONG_SHARE = 2.0, 0.1
# Shorter edge in pixels: of the smallest photographs, of most recipes, and too large to read often.
SMALLEST, USUAL, LARGE = 32, 224, 1000
DOUBTFUL = 0.5  # accuracy of the quick embedding below which its doubts say little


def verdict(findings: Findings) -> str:
    """Return the answer in one sentence."""
    if findings.leaks and not any(group.exact for group in findings.leaks):
        return (
            "Look at the leaks before you trust a test score: very similar pictures, or the same."
        )
    if findings.leaks:
        return "Do not trust a test score yet: the same pictures lie in several parts."
    if findings.unreadable or findings.groups:
        return "Clean it first: some files cannot be read or are there twice."
    if findings.suspects:
        return "Usable; have a look at the suspicious labels."
    if findings.passed_over:
        return "Usable, without the files that are not taken for images."
    return "Nothing stands in the way of training."


def text(findings: Findings) -> str:
    """Return verdict, facts and advice as lines for a terminal."""
    lines = [f"{findings.spec}: {counted(len(findings.looks), 'image')}. {verdict(findings)}"]
    lines += [f"- {one}" for one in facts(findings)]
    return "\n".join(lines + [f"> {one}" for one in advice(findings)])


def facts(findings: Findings) -> list[str]:
    """Return what was found, a sentence for each kind."""
    return [*_faults(findings), *_shape(findings)]


def _faults(findings: Findings) -> Iterator[str]:
    total = len(findings.looks)
    if findings.unreadable:
        yield f"{counted(len(findings.unreadable), 'image')} of {total:,} cannot be read."
    exact = sum(len(one.members) - 1 for one in findings.groups if one.exact)
    near = sum(len(one.members) - 1 for one in findings.groups if not one.exact)
    if exact and near:
        many = counted(exact + near, "image")
        yield f"{many} too many: {exact:,} by exact copies, {near:,} by near duplicates."
    elif exact or near:
        cause = "exact copies" if exact else "near duplicates"
        yield f"{counted(exact + near, 'image')} too many by {cause}."
    if findings.leaks:
        made = "" if findings.came_in_parts(findings.leaks) else ", as kcv splits this data"
        yield f"{counted(len(findings.leaks), 'group')} of duplicates in more than one part{made}."
    if findings.conflicts:
        yield f"{counted(len(findings.conflicts), 'group')} of duplicates under different labels."
    if findings.suspects:
        count = len(findings.suspects)
        yield (
            f"{counted(count, 'label')} look{'s' * (count == 1)} wrong. The quick embedding finds "
            f"{findings.accuracy:.0%} of all labels"
            + (", so its word is worth little here." if findings.accuracy < DOUBTFUL else ".")
        )
    if findings.source.labels.ndim == 2:
        yield "Labels were not judged: images may have several classes."
    if findings.passed_over:
        yield count_others(findings.passed_over)


def _shape(findings: Findings) -> Iterator[str]:
    counts = findings.counts()
    if findings.imbalance() >= IMBALANCE:
        yield (
            f"The largest class has {findings.imbalance():.1f} times as many training images as "
            f"the smallest, {findings.class_names[int(np.argmin(counts['train']))]!r}."
        )
    for part, found in counts.items():
        absent = [name for name, one in zip(findings.class_names, found, strict=True) if not one]
        if absent:
            such = "" if len(absent) == 1 else "such as "
            classes = counted(len(absent), "class", "classes")
            yield f"The part {part!r} has no image of {classes}, {such}{absent[0]!r}."
    sizes = findings.sizes()
    if len(sizes):
        long = (sizes.max(1) / sizes.min(1) > LONG).mean()
        if long >= LONG_SHARE:
            yield f"{long:.0%} of the images are more than twice as long as wide."


def advice(findings: Findings) -> list[str]:
    """Return what to do, the most important first."""
    return list(_advice(findings))


def _advice(findings: Findings) -> Iterator[str]:
    if (findings.unreadable or findings.groups) and findings.in_files:
        yield (
            "Run kcv data check again with --fix, and train on the cleaned list that it writes. No "
            "file is deleted."
        )
    elif findings.unreadable or findings.groups:
        yield "The images are no files of their own: findings.csv names those to leave out."
    if findings.suspects:
        yield (
            "Look at the suspicious labels below and correct those that are wrong. Where that is "
            "too much work, label_smoothing=0.1 makes wrong labels weigh less."
        )
    if findings.imbalance() >= IMBALANCE:
        several = findings.source.labels.ndim == 2
        yield (
            "Balance the classes in training by --set class_weights=balanced"
            + ("" if several else " or --set sampling=balanced")
            + ", and read recall per class instead of accuracy."
        )
    if min(findings.counts()["train"]) < FEW:
        yield (
            f"Some classes have fewer than {FEW} training images: fine-tune trained weights "
            "instead of training from scratch."
        )
    if findings.passed_over:
        yield way_out(findings.passed_over)
    yield from _of_sizes(findings)


def _of_sizes(findings: Findings) -> Iterator[str]:
    sizes, modes = findings.sizes(), findings.shares("mode")
    # Arrays and tiny images have the right size and colours already.
    if not len(sizes) or np.median(sizes.min(1)) < SMALLEST:
        return
    if set(modes) <= {"1", "L", "I;16"}:
        yield "All images are grey: channels=1 saves a part of the first layer's work."
    edge = int(np.median(sizes.min(1)))
    if edge < USUAL:
        fitting = edge // SMALLEST * SMALLEST
        yield (
            f"The median shorter edge is {edge} pixels: image_size={fitting} shows all there is, "
            f"and {USUAL} costs {(USUAL / fitting) ** 2:.1f} times as much."
        )
    elif edge > LARGE:
        yield (
            f"The median shorter edge is {edge:,} pixels: copies with an edge of 512, written "
            "once, are read much faster in every epoch."
        )
    if (sizes.max(1) / sizes.min(1) > LONG).mean() >= LONG_SHARE:
        yield "The centre crop of evaluation cuts the ends off long images: cut or pad them."


def counted(count: int, one: str, more: str = "") -> str:
    """Return a number with its noun, whose plural is ``more``, or has an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"

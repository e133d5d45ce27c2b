"""``check``: what is wrong with a data set, before anything is trained on it."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kcv.data.found import Found
from kcv.data.inspection import duplicates, labels, lists, page
from kcv.data.inspection.findings import Findings, Suspect, in_files
from kcv.data.inspection.looks import Look, scan
from kcv.data.sources import Joined, Source
from kcv.data.specs import find, in_parts

__all__ = ["Findings", "check"]


def check(
    spec: str | Sequence[np.ndarray] = "fashion_mini",
    out: str | os.PathLike | None = None,
    *,
    fix: bool = False,
    workers: int | None = None,
) -> Findings:
    """Look for unreadable files, duplicates, leaks between parts and suspicious labels.

    Every file is read and decoded once, in several processes. Nothing is changed or deleted.

    Args:
        spec: what ``kcv.data.load`` takes.
        out: folder for ``check.html``, ``findings.json`` and ``findings.csv``; None writes nothing.
        fix: also write ``clean.csv`` there, which leaves out unreadable files and duplicates.
        workers: number of processes that decode, and are replaced if a file ends them; None for one
            a core. With 0, such a file ends this process.

    Raises:
        ValueError: ``fix`` without ``out`` or for data that is not in image files, or data that
            cannot be listed at all; see ``kcv.data.load``.
        FileNotFoundError: there is no such data.
    """
    if fix and out is None:
        raise ValueError("check needs a folder to write the cleaned list to. Received: out=None")
    if workers is not None and workers < 0:
        raise ValueError(f"check needs workers >= 0 or None. Received: {workers=}")
    started = time.perf_counter()
    found = find(spec)
    parts = _parts(found)
    source = Joined(list(parts.values()))
    spec = spec if isinstance(spec, str) else "arrays"
    if fix and not in_files(source):
        raise ValueError(
            "A cleaned list needs data in image files (folder:, csv: or jsonl:). Received: "
            f"{spec!r}. Without fix, findings.csv names what is wrong with it."
        )
    looks = scan(source, workers)
    groups = _groups(looks)
    suspects, accuracy = _suspects(looks, source.labels, len(found.class_names))
    findings = Findings(
        spec=spec,
        class_names=found.class_names,
        source=source,
        parts=[part for part, one in parts.items() for _ in range(len(one))],
        given=tuple(part for part in found.parts if part != "all"),
        looks=looks,
        groups=groups,
        suspects=suspects,
        accuracy=accuracy,
        passed_over=found.passed_over,
        seconds=time.perf_counter() - started,
    )
    if out is not None:
        _write(findings, Path(out), fix)
    return findings


def _parts(found: Found) -> dict[str, Source]:
    try:
        return in_parts(found, val_fraction=0.1, seed=0)
    # A class too small to split is a finding, not a reason to look at nothing.
    except ValueError:
        return {"train" if part == "all" else part: one for part, one in found.parts.items()}


def _groups(looks: list[Look]) -> list[duplicates.Group]:
    exact = duplicates.exact([(look.content, look.pixels) for look in looks])
    copies = {at for group in exact for at in group.members[1:]}
    single = [at for at, look in enumerate(looks) if look.small is not None and at not in copies]
    pairs = duplicates.near(_stack(looks, single)) if single else []
    numbered = [(single[one], single[other], likeness) for one, other, likeness in pairs]
    return duplicates.join(exact, numbered, len(looks))


def _stack(looks: list[Look], chosen: list[int]) -> np.ndarray:
    return np.stack([np.asarray(looks[at].small) for at in chosen])


def _suspects(
    looks: list[Look], targets: np.ndarray, num_classes: int
) -> tuple[list[Suspect], float]:
    readable = np.array([at for at, look in enumerate(looks) if look.small is not None], np.int64)
    if targets.ndim == 2 or len(readable) < 2 * labels.NEIGHBOURS:
        return [], float("nan")
    found = labels.suspicious(_stack(looks, readable.tolist()), targets[readable], num_classes)
    numbers = readable[found.indices].tolist(), found.suggested.tolist(), found.chances.tolist()
    return [Suspect(*one) for one in zip(*numbers, strict=True)], found.accuracy


def _write(findings: Findings, folder: Path, fix: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # File names that are not Unicode must not cost the page.
    text = page.html(findings).encode("utf-8", "xmlcharrefreplace")
    (folder / "check.html").write_bytes(text)
    lists.write(findings, folder)
    if fix:
        lists.write_clean(findings, folder)

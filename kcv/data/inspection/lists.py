"""What a check writes for machines: findings as JSON and CSV, and a cleaned list of files."""

import csv
import json
import os
from pathlib import Path

from kcv.data import rows
from kcv.data.folder import count_others
from kcv.data.inspection import advice
from kcv.data.inspection.findings import Findings
from kcv.data.rows import Row, Table
from kcv.data.tables import CLASSES

COLUMNS = ("kind", "path", "part", "label", "detail")


def entries(findings: Findings) -> list[dict[str, str]]:
    """Return a line for each image that something is wrong with, and for each thing that is.

    Files that are passed over have a line for each kind.
    """
    found = [
        _entry(findings, "unreadable", at, findings.looks[at].reason) for at in findings.unreadable
    ]
    leaks = {group.members for group in findings.leaks}
    for number, group in enumerate(findings.groups, 1):
        kind = "exact duplicate" if group.exact else "near duplicate"
        kind = f"leak, {kind}" if group.members in leaks else kind
        found += [_entry(findings, kind, at, f"group {number}") for at in group.members]
    found += [
        _entry(findings, "suspicious label", one.image, findings.class_names[one.suggested])
        for one in findings.suspects
    ]
    for kind, count in findings.passed_over.items():
        values = ("passed over", f"*{kind}", "", "", count_others({kind: count}))
        found.append(dict(zip(COLUMNS, values, strict=True)))
    return found


def _entry(findings: Findings, kind: str, index: int, detail: str) -> dict[str, str]:
    label = rows.SEPARATOR.join(findings.label(index))
    values = (kind, findings.source.name(index), findings.parts[index], label, detail)
    return dict(zip(COLUMNS, values, strict=True))


def write(findings: Findings, folder: Path) -> None:
    """Write ``findings.json`` and ``findings.csv``."""
    found = entries(findings)
    summary = {
        "spec": findings.spec,
        "images": len(findings.looks),
        "seconds": round(findings.seconds, 1),
        "verdict": advice.verdict(findings),
        "facts": advice.facts(findings),
        "advice": advice.advice(findings),
        "class_names": findings.class_names,
        "counts": findings.counts(),
        "modes": findings.shares("mode"),
        "formats": findings.shares("form"),
        "passed_over": dict(findings.passed_over),
        "findings": found,
    }
    with open(folder / "findings.json", "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(summary, file, ensure_ascii=False, indent=1)
    with open(
        folder / "findings.csv", "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(found)


def write_clean(findings: Findings, folder: Path) -> None:
    """Write ``clean.csv`` with the files that are in order, and ``classes.txt`` beside it.

    The images must be files of their own.
    """
    left_out = findings.removable()
    source, root = findings.source, folder.resolve()
    kept = [
        Row(
            at,
            os.path.relpath(os.path.abspath(source.name(at)), root).replace(os.sep, "/"),
            findings.label(at),
            findings.parts[at] if findings.parts[at] in findings.given else "train",
            1.0 if source.weights is None else float(source.weights[at]),
        )
        for at in range(len(source))
        if at not in left_out
    ]
    several, weighted = source.labels.ndim == 2, source.weights is not None
    path = os.fspath(folder / "clean.csv")
    rows.write(path, Table(kept, several, bool(findings.given), weighted))
    # The order of the classes is that of the class numbers, which "10" and "9" would change.
    names = "".join(f"{name}\n" for name in findings.class_names)
    (folder / CLASSES).write_text(names, encoding="utf-8", errors="surrogateescape")

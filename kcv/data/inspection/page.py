"""The page of a check: findings go in, one self-contained HTML file comes out."""

from collections.abc import Iterable
from html import escape

import numpy as np

from kcv.data.images import ImageError, open_image
from kcv.data.inspection import advice
from kcv.data.inspection.duplicates import Group
from kcv.data.inspection.findings import Findings
from kcv.data.reading import read_image
from kcv.report import markup, pictures
from kcv.report.style import CSS

LISTED, GROUPS, COPIES, SUSPECTS, CLASSES = 100, 18, 2, 36, 100
# Three groups of two pictures in a line of six.
MORE_CSS = """
.tiles { grid-template-columns: repeat(4, 1fr); }
section > .verdict { font-size: 19px; font-weight: 600; color: var(--ink); }
.groups { display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px 24px; }
.groups .gallery { grid-template-columns: 1fr 1fr; }
.groups p { margin: 6px 0 0; font-size: 13px; color: var(--muted); }
.groups h3 { margin: 0 0 6px; font-weight: 600; overflow-wrap: anywhere; }
@media (max-width: 700px) { .groups { grid-template-columns: 1fr; } }
"""


def html(findings: Findings) -> str:
    """Return the page."""
    title = escape(f"kcv data check: {findings.spec}")
    sections = (_headline, _meaning, _leaks, _duplicates, _suspects, _unreadable, _classes, _shape)
    body = "".join(section(findings) for section in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{CSS}{MORE_CSS}</style></head>\n<body><main>\n{body}"
        f"<footer>Written by kcv data check in {markup.duration(findings.seconds)}. Nothing was "
        "changed or deleted.</footer>\n</main></body></html>\n"
    )


def _headline(findings: Findings) -> str:
    total, copies = len(findings.looks), sum(len(one.members) - 1 for one in findings.groups)
    parts = ", ".join(f"{name} {sum(p == name for p in findings.parts):,}" for name in (
        dict.fromkeys(findings.parts)))  # fmt: skip
    classes = advice.counted(len(findings.class_names), "class", "classes")
    accuracy = findings.accuracy
    judged = "not judged" if np.isnan(accuracy) else f"{len(findings.suspects):,}"
    return (
        f"<header><p>kcv data check</p><h1>{escape(findings.spec)}</h1></header>"
        '<div class="tiles">'
        + markup.tile("images", f"{total:,}", f"{classes}; {parts}", "main")
        + markup.tile(
            "unreadable", f"{len(findings.unreadable):,}", _of(findings.unreadable, total)
        )
        + markup.tile(
            "copies too many", f"{copies:,}", f"groups across parts: {len(findings.leaks):,}"
        )
        + markup.tile("suspicious labels", judged, "by a quick embedding")
        + "</div>\n"
    )


def _of(some: list[int], total: int) -> str:
    return f"{len(some) / max(1, total):.1%} of all"


def _meaning(findings: Findings) -> str:
    facts, advised = advice.facts(findings), advice.advice(findings)
    body = f'<p class="verdict">{escape(advice.verdict(findings))}</p>'
    body += markup.bullets(facts) if facts else ""
    if advised:
        body += f"<h3>What to do</h3>{markup.bullets(advised)}"
    return markup.section("Verdict", "", body, "note" if facts else "")


def _leaks(findings: Findings) -> str:
    if not findings.leaks:
        return ""
    made = (
        ""
        if findings.came_in_parts(findings.leaks)
        else " The parts are those that kcv.data.load makes, seed 0."
    )
    text = (
        "The same picture in training and in validation or test: a network can learn it by heart, "
        f"and the score rises without being true.{made}"
    )
    return markup.section("Leaks between parts", text, _groups(findings, findings.leaks))


def _duplicates(findings: Findings) -> str:
    leaks = {group.members for group in findings.leaks}
    conflicts = {group.members for group in findings.conflicts}
    groups = [group for group in findings.groups if group.members not in leaks]
    if not groups:
        return ""
    # Those with two labels first: one of the labels is wrong.
    groups.sort(key=lambda group: group.members not in conflicts)
    text = "The same picture several times in one part. Pictures with different labels stand first."
    return markup.section("Duplicates", text, _groups(findings, groups))


def _groups(findings: Findings, groups: list[Group]) -> str:
    shown = [
        f"<div><h3>{'exact' if group.exact else 'near'}, {len(group.members)} images</h3>"
        + _gallery(findings, [(at, "") for at in _spread(findings, group)])
        + _more(len(group.members), COPIES, "image", "in findings.csv")
        + "</div>"
        for group in groups[:GROUPS]
    ]
    return f'<div class="groups">{"".join(shown)}</div>{_more(len(groups), GROUPS, "group")}'


def _spread(findings: Findings, group: Group) -> list[int]:
    """Return an image of a group and one of another part, else of another label."""
    first, *others = group.members
    part, label = findings.parts[first], findings.label(first)
    others.sort(key=lambda at: (findings.parts[at] == part, findings.label(at) == label))
    return [first, *others[: COPIES - 1]]


def _suspects(findings: Findings) -> str:
    if not findings.suspects:
        return ""
    shown = [
        (one.image, f"{findings.class_names[one.suggested]}? {one.chance:.0%}")
        for one in findings.suspects[:SUSPECTS]
    ]
    text = (
        "What a linear classifier that has not seen the image and its nearest neighbours hold it "
        "for, and the chance that its label is wrong; the worst first. Some are rare, not wrong: a "
        "person decides."
    )
    more = _more(len(findings.suspects), SUSPECTS, "label", "in findings.csv")
    return markup.section("Suspicious labels", text, _gallery(findings, shown) + more)


def _gallery(findings: Findings, shown: Iterable[tuple[int, str]]) -> str:
    return f'<div class="gallery">{"".join(_figure(findings, *one) for one in shown)}</div>'


def _figure(findings: Findings, index: int, doubt: str) -> str:
    name = escape(findings.source.name(index))
    file = escape(findings.source.key(index).rsplit("/", 1)[-1])
    label = escape(", ".join(findings.label(index)) or "no class")
    note = f'<span class="wrong">{escape(doubt)}</span>' if doubt else findings.parts[index]
    picture = _picture(findings, index)
    if picture is None:
        image = '<div class="empty">unreadable</div>'
    else:
        kind = ' class="pixels"' if max(picture.shape[:2]) <= pictures.SMALL else ""
        image = f'<img{kind} alt="{label}" src="{pictures.thumbnail(picture)}">'
    return (
        f'<figure title="{name}">{image}<figcaption>{label}<br>{note}'
        f"<small>{file}</small></figcaption></figure>"
    )


def _picture(findings: Findings, index: int) -> np.ndarray | None:
    try:
        encoded = findings.source.encoded(index)
        if isinstance(encoded, np.ndarray):
            return encoded
        with open_image(encoded, "") as picture:
            picture.draft(None, (2 * pictures.SIDE, 2 * pictures.SIDE))
            return read_image(picture)
    except (OSError, ImageError):
        return None


def _unreadable(findings: Findings) -> str:
    if not findings.unreadable:
        return ""
    lines = [
        f"{findings.source.name(at)} {findings.looks[at].reason}"
        for at in findings.unreadable[:LISTED]
    ]
    more = _more(len(findings.unreadable), LISTED, "file")
    text = "Training passes over such files; validation and test leave them out."
    return markup.section("Unreadable files", text, markup.bullets(lines) + more, "long")


def _classes(findings: Findings) -> str:
    counts = findings.counts()
    largest = max(counts["train"])
    order = np.argsort(-np.array(counts["train"]), kind="stable").tolist()
    if len(order) > CLASSES:
        order = order[: CLASSES // 2] + order[-CLASSES // 2 :]
    rows = [
        [
            findings.class_names[at],
            markup.rate(counts["train"][at] / largest, 1 / advice.IMBALANCE),
            *(counts[part][at] for part in counts),
        ]
        for at in order
    ]
    heads = ["class", "of the largest class", *counts]
    left = len(findings.class_names) - len(order)
    between = f"{advice.counted(left, 'class', 'classes')} between the largest and the smallest"
    more = f"<p>{between} {'is' if left == 1 else 'are'} left out.</p>" if left else ""
    return markup.section(
        "Classes", "", markup.table(heads, rows, numbers=len(counts)) + more, "long"
    )


def _shape(findings: Findings) -> str:
    sizes = findings.sizes()
    if not len(sizes):
        return ""
    levels = (0, 0.05, 0.5, 0.95, 1)
    measures = {
        "width": sizes[:, 1],
        "height": sizes[:, 0],
        "width / height": sizes[:, 1] / sizes[:, 0],
    }
    rows = [
        [name, *(_figure_of(value) for value in np.quantile(values, levels))]
        for name, values in measures.items()
    ]
    heads = ["in pixels", "least", "5 %", "median", "95 %", "most"]
    total = len(sizes)
    kinds = {
        f"{what} {name}": f"{count:,} ({count / total:.1%})"
        for what, attribute in (("format", "form"), ("mode", "mode"))
        for name, count in findings.shares(attribute).items()
    }
    body = markup.table(heads, rows, numbers=5) + f"<h3>Files</h3>{markup.fields(kinds)}"
    return markup.section("Sizes and colours", "", body)


def _figure_of(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.2f}"


def _more(count: int, shown: int, what: str, where: str = "") -> str:
    left = advice.counted(count - shown, f"more {what}") + (f", {where}" if where else "")
    return f"<p>and {left}.</p>" if count > shown else ""

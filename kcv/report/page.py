"""The page of a run: everything that one wants to know of it, in one file that needs no other."""

import os
from html import escape
from pathlib import Path
from typing import Any

from kcv.report import answers, folder, plots, sections
from kcv.report.style import CSS

SECTIONS = (
    sections.headline,
    sections.problems,
    sections.comparison,
    sections.curves,
    answers.confusion,
    answers.galleries,
    answers.classes,
    sections.skipped,
    sections.recipe,
    sections.environment,
)


def write(run: Any, out: str | os.PathLike | None = None) -> Path:
    """Write the report of a run as one self-contained HTML file, and ``curves.png`` beside it.

    Parts of the run that are missing (a run that was interrupted has no predictions) are named in
    the report, with the reason as far as the folder shows it.

    Args:
        run: Path of a run folder, or an object with a ``path``.
        out: The file to write, or a folder for ``report.html``; by default the run folder.

    Returns:
        The path of the HTML file.

    Raises:
        FileNotFoundError: If there is no such run folder.
        ValueError: If the folder holds nothing of a run.
    """
    contents = folder.read(run)
    path = Path(out) if out is not None else contents.path
    if path.is_dir():
        path = path / "report.html"
    title = escape(f"kcv report: {contents.path.resolve().name}")
    body = "".join(section(contents) for section in SECTIONS)
    version = escape(str(contents.environment.get("kcv", "")))
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{CSS}</style></head>\n<body><main>\n{body}"
        f"<footer>Written by kcv {version} from {escape(str(contents.path))}</footer>\n"
        "</main></body></html>\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if contents.log:
        plots.curves(contents).savefig(path.with_name("curves.png"))
    # Written aside and renamed: a full disk does not cost the report that is there.
    draft = path.with_name(path.name + ".part")
    # File names that are not Unicode must not cost the report either.
    draft.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
    os.replace(draft, path)
    return path

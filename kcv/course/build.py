"""Make the notebooks from their text: `python -m kcv.course.build [--check] [FOLDER]`.

`NN_name.py` (py:percent) is the truth; `NN_name.ipynb`, without outputs, is made from it, byte for
byte the same each time.
"""

import argparse
import hashlib
import re
import sys
from pathlib import Path

SOURCES = "[0-9][0-9]_*.py"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(source: Path) -> str:
    """Return the text of the `.ipynb` of a py:percent file.

    Raises:
        ImportError: if jupytext is not installed.
    """
    import jupytext
    import nbformat

    made = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    made.metadata = nbformat.from_dict(METADATA)
    made.nbformat, made.nbformat_minor = 4, 5
    for index, cell in enumerate(made.cells):
        # jupytext draws random names: every build would then change every cell
        cell["id"] = hashlib.sha1(f"{source.stem}:{index}".encode()).hexdigest()[:8]
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k == "tags"}
    nbformat.validate(made)
    text = nbformat.writes(made, version=4, indent=1, ensure_ascii=False)
    return text.rstrip("\n") + "\n"


def stale(folder: Path) -> list[Path]:
    """Return the notebooks that are missing or differ from what their text makes."""
    wanted = {source.with_suffix(".ipynb"): notebook(source) for source in _sources(folder)}
    extra = [p for p in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if p not in wanted]
    return extra + [
        path
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def build(folder: Path) -> list[Path]:
    """Write the notebook of every text in a folder."""
    made = []
    for source in _sources(folder):
        path = source.with_suffix(".ipynb")
        path.write_text(notebook(source), encoding="utf-8")
        made.append(path)
    return made


def _sources(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.glob(SOURCES) if re.match(r"\d\d_\w+\.py$", p.name))
    if not found:
        raise FileNotFoundError(f"The folder needs notebooks NN_name.py. Received: {folder}.")
    return found


def main(argv: list[str] | None = None) -> int:
    """Build the notebooks, or with `--check` return 1 if one of them is stale."""
    parser = argparse.ArgumentParser(prog="kcv.course.build", description="Make the notebooks.")
    parser.add_argument("folder", nargs="?", default="notebooks", type=Path)
    parser.add_argument("--check", action="store_true", help="only say which ones are stale")
    args = parser.parse_args(argv)
    paths = stale(args.folder) if args.check else build(args.folder)
    for path in paths:
        sys.stdout.write(f"{'stale' if args.check else 'made'}: {path}\n")
    return int(args.check and bool(paths))


if __name__ == "__main__":
    sys.exit(main())

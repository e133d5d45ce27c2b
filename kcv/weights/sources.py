"""What `weights=` may be: a word such as `timm/resnet50.a1_in1k`, a file or a folder."""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

from kcv.weights import catalogue, files

HUBS = ("timm", "hf")
SITES = ("torchvision", "mmpretrain", "keras")
FORMS = (
    "timm/NAME.TAG, hf/ORG/NAME, torchvision/NAME.TAG, mmpretrain/NAME, keras/NAME, "
    "a file, or a run folder"
)


class Source(NamedTuple):
    """What a user wrote, taken apart.

    `kind` is `"timm"`, `"hf"`, `"torchvision"`, `"mmpretrain"`, `"keras"`, `"file"`, `"run"`, or
    `"folder"` for one with a config.json; `name` is what stands behind it, or the path.
    """

    kind: str
    name: str
    revision: str | None = None


def parse(text: str | os.PathLike) -> Source:
    """Take a source apart; nothing is fetched.

    Raises:
        ValueError: if it is none of the known forms, or an unknown checkpoint of a known site.
        FileNotFoundError: if it looks like a file and is none.
    """
    word = os.fspath(text)
    kind, _, name = word.partition("/")
    if kind in (*HUBS, *SITES) and name:
        if kind in HUBS:
            name, _, revision = name.partition("@")
            return _on_hub(word, kind, name, revision or None)
        return Source(kind, _known(word).source.partition("/")[2])
    path = Path(word).expanduser()
    if path.is_dir():
        inside = {"run": "model.json", "folder": "config.json"}
        for kind, file in inside.items():
            if (path / file).is_file():
                return Source(kind, str(path))
        raise ValueError(
            f"A folder of weights needs model.json (a run of kcv) or config.json. Received: {word}."
        )
    if path.is_file():
        return Source("file", str(path))
    if path.suffix.lower() in files.SUFFIXES or word.startswith((".", "/", "~")):
        raise FileNotFoundError(f"There is no file of weights {word}.")
    raise ValueError(f"weights must be {FORMS}. Received: {word!r}.{_hint(word)}")


def _on_hub(word: str, kind: str, name: str, revision: str | None) -> Source:
    if kind == "hf":
        if name.count("/") != 1 or not all(name.split("/")):
            raise ValueError(f"weights from the hub are hf/ORG/NAME. Received: {word!r}.")
        return Source("hf", name, revision)
    if "/" in name:
        raise ValueError(f"weights of timm are timm/NAME.TAG. Received: {word!r}.{_hint(word)}")
    if "." not in name:
        name = _known(word).source.partition("/")[2]
    return Source("timm", name, revision)


def _known(word: str) -> catalogue.Row:
    """Return the row of a source; a tag may be left out where there is one only."""
    rows = catalogue.rows()
    word = word.partition("@")[0]
    tags = [source for source in rows if source.startswith(f"{word}.")]
    if word in rows or len(tags) == 1:
        return rows[word if word in rows else tags[0]]
    if tags:
        raise ValueError(
            f"There are {len(tags)} checkpoints of this name. Received: {word!r}. "
            f"Choose one of {', '.join(sorted(tags))}."
        )
    raise ValueError(f"There is no checkpoint of this name. Received: {word!r}.{_hint(word)}")


def _hint(word: str) -> str:
    near = catalogue.near(word) or difflib.get_close_matches(
        word, [source.partition("/")[2] for source in catalogue.rows()], n=3
    )
    return f" Did you mean {', '.join(near)}?" if near else " kcv list --weights shows many."

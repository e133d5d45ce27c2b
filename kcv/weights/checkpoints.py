"""From a source to a checkpoint on this machine, with all that is known of it."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kcv.weights import catalogue, download, files, hub, places
from kcv.weights.preprocessing import Preprocessing, from_hf, from_timm
from kcv.weights.sources import HUBS, SITES, Source, parse

TENSORS = ("model.safetensors", "pytorch_model.bin")


class Checkpoint(NamedTuple):
    """A checkpoint on this machine.

    Attributes:
        path: the file of its tensors.
        dialect: whose names they have, `""` if only they themselves can tell.
        origin: `"dialect/architecture.tag"`, by which its numerics are known.
        model: kcv's name of the network, None if it is not known.
        classes: how many it scores, None if it is not known.
        preprocessing: how its images are prepared, None if it is not known.
        arguments: all arguments of the network, where kcv wrote them into the file.
    """

    path: Path
    dialect: str
    origin: str
    model: str | None = None
    classes: int | None = None
    preprocessing: Preprocessing | None = None
    arguments: dict[str, Any] | None = None


def locate(text: str | os.PathLike) -> Checkpoint:
    """Return a checkpoint on this machine, fetched if it is not here yet.

    Raises:
        ValueError, FileNotFoundError: as `parse`, and if files are damaged or missing.
        ConnectionError: if the network is needed and there is none.
        ImportError: if huggingface_hub is needed and not installed.
    """
    source = parse(text)
    if source.kind in SITES:
        return _from_site(catalogue.rows()[f"{source.kind}/{source.name}"])
    if source.kind in HUBS:
        return _from_hub(source)
    if source.kind == "run":
        return _from_run(Path(source.name))
    path = Path(source.name)
    return _from_folder(path) if path.is_dir() else _from_file(path)


def _from_site(row: catalogue.Row) -> Checkpoint:
    kind, _, _ = row.source.partition("/")
    name = Path(urlsplit(row.place).path).name
    algorithm, _, digits = row.hash.partition(":")
    digest = download.Digest(algorithm, digits) if digits else download.digest_in(name)
    path = download.fetch(row.place, places.cache() / kind / name, digest)
    return _of_row(row, path)


def _of_row(row: catalogue.Row, path: Path) -> Checkpoint:
    dialect = row.source.partition("/")[0]
    return Checkpoint(path, dialect, row.source, row.model, row.classes, row.preprocessing)


def _from_hub(source: Source) -> Checkpoint:
    repo = f"timm/{source.name}" if source.kind == "timm" else source.name
    config = hub.fetch(repo, ("config.json",), source.revision)
    path = hub.fetch(repo, TENSORS, source.revision)
    if path is None:
        raise FileNotFoundError(f"{repo} has none of {', '.join(TENSORS)} on the hub.")
    row = catalogue.rows().get(f"timm/{source.name}") if source.kind == "timm" else None
    if config is None and row is not None:
        return _of_row(row, path)
    if config is None:
        raise FileNotFoundError(f"{repo} has no config.json, which says what its weights are.")
    about = _read_json(config)
    processor = None
    if "architecture" not in about:
        processor = hub.fetch(repo, ("preprocessor_config.json",), source.revision)
    checkpoint = _described(path, about, processor, config)
    return checkpoint if row is None else checkpoint._replace(origin=row.source, model=row.model)


def _from_folder(folder: Path) -> Checkpoint:
    path = next((folder / name for name in TENSORS if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{folder} has none of {', '.join(TENSORS)}.")
    return _beside(path)


def _beside(path: Path) -> Checkpoint:
    """Return a checkpoint that the config.json in its folder describes."""
    config, processor = path.with_name("config.json"), path.with_name("preprocessor_config.json")
    return _described(path, _read_json(config), processor if processor.is_file() else None, config)


def _from_file(path: Path) -> Checkpoint:
    """Return a file's checkpoint: described beside it, known by its name, or in itself."""
    if path.name in TENSORS and path.with_name("config.json").is_file():
        return _beside(path)
    for row in catalogue.rows().values():
        if row.place and row.place.endswith(f"/{path.name}"):
            return _of_row(row, path)
    said = files.note(path)
    return Checkpoint(path, "", "") if said is None else _of_note(path, said)


def _of_note(path: Path, said: dict) -> Checkpoint:
    """Return what `kcv.weights.save` wrote into a file."""
    try:
        given = _arguments(said["arguments"])
        seen = said["preprocessing"]
        return Checkpoint(
            path,
            said["dialect"],
            f"{said['dialect']}/{said['model']}",
            said["model"],
            given["num_classes"],
            Preprocessing.from_dict(seen) if seen else None,
            given,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The note of kcv in {path} lacks or mistakes {error}.") from None


def _arguments(content: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a network as they were before JSON, which knows no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}


def _described(path: Path, about: dict, processor: Path | None, config: Path) -> Checkpoint:
    """Return a checkpoint of timm's or transformers' form, as its config.json says."""
    if "architecture" in about:
        word = about["architecture"]
        tag = about.get("pretrained_cfg", about).get("tag", "")
        origin = f"timm/{word}.{tag}" if tag else f"timm/{word}"
        classes = about.get("num_classes", about.get("pretrained_cfg", {}).get("num_classes"))
        seen = from_timm(about)
        if not seen.class_names and classes == 1000:
            seen = Preprocessing(**{**seen.__dict__, "class_names": catalogue.imagenet()})
        return Checkpoint(path, "timm", origin, catalogue.model_of(word), classes, seen)
    if "model_type" in about:
        seen = from_hf(about, _read_json(processor) if processor else None)
        classes = len(seen.class_names) or about.get("num_labels")
        word = about["model_type"]
        if "window_size" in about:  # as timm writes it into its names
            word += f"_window{about['window_size']}_"
        return Checkpoint(path, "hf", f"hf/{word}", None, classes, seen)
    raise ValueError(f"{config} needs an architecture (timm) or a model_type (transformers).")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a table of names and values.")
    return content


def _from_run(folder: Path) -> Checkpoint:
    path, about = folder / "model.keras", _read_json(folder / "model.json")
    if not path.is_file():
        raise FileNotFoundError(
            f"A run folder needs model.keras to give weights. Received: {folder}."
        )
    try:
        names = tuple(map(str, about["class_names"]))
        height, width = about["image_size"]
        resize = about.get("resize", {})
        seen = Preprocessing(
            tuple(value / 255 for value in about["mean"]),
            tuple(value / 255 for value in about["std"]),
            height if height == width else (height, width),
            resize.get("interpolation", "bilinear"),
            resize.get("crop_pct", 0.875),
            resize.get("mode", "crop"),
            names,
        )
        model, noted = str(about["model"]), about.get("arguments")
        given = None if noted is None else _arguments(noted)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / 'model.json'} lacks or mistakes {error}.") from None
    return Checkpoint(path, "kcv", str(folder), model, len(names), seen, given)

"""Prediction: from images in nearly any form to class names with scores.

results = kcv.predict("runs/flowers", "photos/")
# [{"pred_class": "rose", "pred_label": 3, "pred_score": 0.98, "top": [...], "path": ...}, ...]
"""

import csv
import json
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kcv.models  # noqa: F401  # the layers of kcv can be loaded only once they are registered
from kcv import bars, inputs
from kcv.data.beforehand import map_ahead
from kcv.data.images import ImageError
from kcv.data.views import VIEWS, check_kind

log = logging.getLogger("kcv")

COLUMNS = ("path", "pred_class", "pred_label", "pred_score", "error")
SEPARATOR = "|"  # between the classes of an image, as `csv:` data has it


def predict(
    model: Any,
    images: Any,
    *,
    top: int = 5,
    batch_size: int = 64,
    class_names: Sequence[str] | None = None,
    views: str = "one",
    threshold: float = 0.5,
) -> list[dict[str, Any]]:
    """Classify images.

    Files, Pillow images and arrays of another size than the model's are prepared as the model was
    evaluated (``resize`` in model.json); an array that has the model's size is taken as it is. An
    image that cannot be read costs only itself: its result says why, and the log names it.

    Args:
        model: A run folder, or the model.keras in it, an object with ``.model`` and ``.path``
            (what training returns), or a Keras model ``(B, H, W, C) -> (B, K)`` that takes pixels
            of 0..255 and gives logits, or scores if it ends in a softmax.
        images: A file, a folder (all images below it, sorted), an array ``(H, W)``, ``(H, W, C)``
            or ``(B, H, W, C)``, a Pillow image, or a list of these. Arrays hold grey levels 0..255,
            best as uint8; other numbers are rounded; channels come last.
        top: How many classes to name, at most all.
        batch_size: Images, or views of images, that the model is given at once.
        class_names: Names of the classes; by default those of the run, or "0", "1", ...
        views: Over which views of an image the scores are averaged: ``"one"`` (as evaluated),
            ``"flip"``, ``"three"``, ``"six"`` or ``"ten"``, see ``kcv.data.views.VIEWS``. An array
            that has the model's size is taken as it is, or with its mirror image.
        threshold: Where images have several classes, the score from which a class is said.

    Returns:
        A dict per image, in order: ``{"pred_class": name, "pred_label": number, "pred_score": 0..1,
        "top": [{"class", "label", "score"}, ...], "path": path or None}``, or ``{"path": ...,
        "error": sentence}``. Of a run whose images have several classes, ``pred_classes`` lists
        the names of all that reach the threshold, the surest first; there may be none.

    Raises:
        FileNotFoundError: If the run folder, or its model, does not exist.
        ValueError: If an argument is not one of the above, or pixels are not in 0..255.
    """
    for name, value in (("top", top), ("batch_size", batch_size)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"predict needs {name} >= 1. Received: {name}={value!r}.")
    if not 0 < threshold < 1:
        raise ValueError(f"predict needs 0 < threshold < 1. Received: threshold={threshold!r}.")
    check_kind(views)
    network, info = _model_and_info(model, class_names)
    several = bool(info.get("multi_label"))
    items = list(inputs.items(images))
    results: list[dict[str, Any]] = []
    count, read = max(1, batch_size // VIEWS[views]), partial(_pixels_or_reason, info, views)
    shown = bars.bar("Classifying", total=len(items))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads, shown:
        for chunk, pixels in map_ahead(threads, read, items, count):
            scores = _means(network, [x for x in pixels if not isinstance(x, str)], several)
            for item, x in zip(chunk, pixels, strict=True):
                answer = x if isinstance(x, str) else next(scores)
                result = _result(item, answer, info["class_names"], top)
                if several and not isinstance(answer, str) and "error" not in result:
                    result["pred_classes"] = _said(answer, info["class_names"], threshold)
                results.append(result)
            shown.update(len(chunk))
    return results


def load_run(path: str | os.PathLike) -> tuple[keras.Model, dict[str, Any]]:
    """Load the model of a run folder, and what its model.json says.

    Args:
        path: A run folder with model.keras and model.json.

    Returns:
        The model (not compiled), and the contents of model.json: ``class_names``, ``image_size``
        ``[height, width]``, ``channels``, ``resize`` and more.

    Raises:
        FileNotFoundError: If the folder or one of the two files is missing.
        ValueError: If one of them is damaged, or the two do not belong together.
    """
    folder = Path(path)
    if not folder.is_dir():
        inside = f", but lies in one: give {folder.parent}" if _is_model_of_run(folder) else ""
        raise FileNotFoundError(
            f"load_run needs a run folder. Received: {folder} is not a folder{inside}."
        )
    if not (folder / "model.keras").is_file():
        hint = "Is it a run folder?"
        if any(folder.glob("checkpoints/*")):
            hint = f"Its training did not end: kcv train MODEL --resume {folder} goes on with it."
        raise FileNotFoundError(
            f"load_run needs a folder with model.keras. Received: {folder}, which has none. {hint}"
        )
    info = _read_info(folder)
    try:
        model = keras.saving.load_model(folder / "model.keras", compile=False)
    # A damaged archive raises whatever its first broken part meets: BadZipFile, OSError, TypeError.
    except Exception as error:
        raise ValueError(
            f"{folder / 'model.keras'} cannot be loaded: {_first_line(error)}"
        ) from error
    _check_classes(model, info["class_names"], f"model.json of {folder}")
    return model, info


def save_csv(results: Sequence[dict[str, Any]], path: str | os.PathLike) -> None:
    """Write the results of `predict` as a table: path, class, label, score, error; UTF-8.

    Of several classes there is a column `pred_classes` beside `path`, with `|` between the names.
    """
    # surrogateescape gives file names that are not Unicode back as they are on the disk.
    several = any("pred_classes" in result for result in results)
    columns = [*COLUMNS[:1], *["pred_classes"] * several, *COLUMNS[1:]]
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        table.writeheader()
        for result in results:
            joined = {"pred_classes": SEPARATOR.join(result.get("pred_classes", []))}
            table.writerow({**result, **joined})


def save_json(results: Sequence[dict[str, Any]], path: str | os.PathLike) -> None:
    """Write the results of `predict` as JSON, with the further classes; UTF-8."""
    text = json.dumps(list(results), ensure_ascii=False, indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits ``(..., K)`` into scores that sum to one, in float64, without overflow."""
    logits = np.asarray(logits, dtype="float64")
    with np.errstate(invalid="ignore"):  # infinite logits give NaN, which the caller sees
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn logits into scores between 0 and 1, each for itself, in float64, without overflow."""
    powers = np.exp(-np.abs(np.asarray(logits, dtype="float64")))
    return np.where(np.asarray(logits) < 0, powers, 1.0) / (1 + powers)


def _model_and_info(model: Any, class_names: Sequence[str] | None) -> tuple[Any, dict[str, Any]]:
    """Return the Keras model, and class names, image size, channels and resizing for it."""
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        network, info = load_run(path.parent if _is_model_of_run(path) else path)
    elif isinstance(model, keras.Model):
        network, info = model, _info_of(model)
    elif isinstance(getattr(model, "model", None), keras.Model) and hasattr(model, "path"):
        network, info = model.model, _read_info(Path(model.path))
    else:
        raise ValueError(
            "predict needs a run folder, an object with .model and .path, or a Keras model. "
            f"Received: model={model!r}."
        )
    if class_names is not None:
        info = info | {"class_names": [str(name) for name in class_names]}
    _check_classes(network, info["class_names"], "class_names")
    return network, info


def _is_model_of_run(path: Path) -> bool:
    return path.name == "model.keras" and path.is_file() and (path.parent / "model.json").is_file()


def _info_of(model: keras.Model) -> dict[str, Any]:
    """Return for a bare Keras model what model.json says of a run."""
    shapes = [getattr(model, name, None) for name in ("input_shape", "output_shape")]
    image, scores = (shape if isinstance(shape, tuple) else () for shape in shapes)
    if len(image) != 4 or None in image[1:] or len(scores) != 2 or scores[1] is None:
        raise ValueError(
            "predict needs a model with one input (B, H, W, C) of fixed size and one output "
            f"(B, K). Received: input shape {shapes[0]}, output shape {shapes[1]}."
        )
    info = {"image_size": list(image[1:3]), "channels": image[3]}
    seen = getattr(model, "preprocessing", None)  # of pretrained weights
    names = list(seen.class_names) if seen is not None else []
    info["class_names"] = names or [str(i) for i in range(scores[1])]
    return info if seen is None else info | {"resize": seen.resize}


def _read_info(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"A run folder needs model.json beside its model. Received: {folder}."
        )
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("class_names", "image_size", "channels") if key not in info]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if missing:
        raise ValueError(f"{path} needs class_names, image_size and channels. It lacks: {missing}.")
    return info


def _check_classes(model: Any, class_names: Sequence[str], source: str) -> None:
    outputs = model.output_shape[-1]
    if outputs != len(class_names):
        raise ValueError(
            f"The model has {outputs} outputs, and there must be as many class names. "
            f"Received: {len(class_names)} names from {source}."
        )


def _pixels_or_reason(info: dict[str, Any], kind: str, item: inputs.Item) -> np.ndarray | str:
    """Return views (V, H, W, C) of the model's size, or the sentence why there are none."""
    height, width = info["image_size"]
    resize = info.get("resize") or {}
    try:
        return inputs.prepare_views(item.image, (height, width), info["channels"], resize, kind)
    except ImageError as error:
        return str(error)


def _means(model: Any, images: list[np.ndarray], several: bool) -> Iterator[np.ndarray]:
    """Yield the mean scores (K,) over the views (V, H, W, C) of each image."""
    if not images:
        return
    outputs = np.asarray(model.predict_on_batch(np.concatenate(images)))
    if not _ends_in_softmax(model):
        outputs = sigmoid(outputs) if several else softmax(outputs)
    for scores in np.split(outputs, np.cumsum([len(one) for one in images])[:-1]):
        yield scores.mean(axis=0) if len(scores) > 1 else scores[0]


def _said(scores: np.ndarray, names: Sequence[str], threshold: float) -> list[str]:
    order = np.argsort(-scores, kind="stable").tolist()
    return [names[label] for label in order if scores[label] >= threshold]


def _ends_in_softmax(model: Any) -> bool:
    last = model.layers[-1]
    softmaxed = getattr(last, "activation", None) is keras.activations.softmax
    return softmaxed or isinstance(last, keras.layers.Softmax)


def _result(
    item: inputs.Item, answer: np.ndarray | str, names: Sequence[str], top: int
) -> dict[str, Any]:
    if not isinstance(answer, str) and not np.isfinite(answer).all():
        answer = f"{item.path or 'The image'} got scores that are not finite: the model is broken."
    if isinstance(answer, str):
        log.warning("No prediction: %s", answer)
        return {"path": item.path, "error": answer}
    order = np.argsort(-answer, kind="stable")[:top].tolist()
    best = [{"class": names[i], "label": i, "score": float(answer[i])} for i in order]
    return {
        "pred_class": best[0]["class"],
        "pred_label": best[0]["label"],
        "pred_score": best[0]["score"],
        "top": best,
        "path": item.path,
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__

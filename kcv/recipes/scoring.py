"""Loss and accuracies of a trained network, from one pass over the data."""

from pathlib import Path

import keras
import numpy as np

from kcv import bars, report
from kcv.callbacks.progress import PredictionProgress
from kcv.data import views as looks
from kcv.inference import sigmoid, softmax
from kcv.report import scores


def score(model: keras.Model, batches, save: Path | None = None, views: str = "one") -> dict:
    """Return loss and accuracies of a model over batches, computed from one pass of `predict`.

    Args:
        save: where to write probabilities, labels, names and thumbnails (`predictions.npz`).
        views: over which views of an image its probabilities are averaged, a key of
            `kcv.data.views.VIEWS`.

    Returns:
        `loss`, `accuracy`, `top5_accuracy` (with more than five classes), `count`, `skipped` (files
        of this part that could not be read); where images have several classes `loss`,
        `mean_average_precision` and `f1` (means over the classes that occur), `f1_all` (of all
        answers together), `exact` (share of images with every class right), `count`, `skipped`.

    Raises:
        ValueError: if the data has other classes than the model scores, or a view is unknown.
    """
    labels = np.asarray(batches.labels)
    _check_classes(model.output_shape[-1], labels)
    several = labels.ndim == 2
    to_scores = sigmoid if several else softmax
    if views == "one":
        with bars.bar(f"Scoring part {batches.part!r}", total=len(labels)) as bar:
            progress = PredictionProgress(bar, batches.batch_size)
            probabilities = to_scores(model.predict(batches, verbose=0, callbacks=[progress]))
    else:
        probabilities = looks.predict(model, batches, views, scores=to_scores)
    measure = _several_classes if several else _one_class
    result = measure(probabilities, labels)
    result |= {"count": len(labels), "skipped": batches.skipped.of_part(batches.part)}
    if save is not None:
        _save_predictions(save, probabilities.astype(np.float32), labels, batches)
    return result


def _check_classes(scored: int, labels: np.ndarray) -> None:
    if labels.ndim == 2 and labels.shape[1] != scored:
        raise ValueError(
            f"The data has {labels.shape[1]} classes, the model scores {scored}. Give data with "
            "the classes of the run."
        )
    if labels.ndim == 1 and scored <= labels.max():
        raise ValueError(
            f"The data has a class number {labels.max()}, the model scores {scored} "
            "classes only. Give data with the classes of the run."
        )


def _one_class(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    right = probabilities[np.arange(len(labels)), labels]
    rank = (probabilities > right[:, None]).sum(1)
    result = {
        "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
    }
    if probabilities.shape[1] > 5:
        result["top5_accuracy"] = float((rank < 5).mean())
    return result


def _several_classes(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    said = probabilities >= 0.5
    of_truth = np.where(labels > 0, probabilities, 1 - probabilities)
    right = (said & (labels > 0)).sum()
    return {
        "loss": float(-np.log(np.maximum(of_truth, 1e-12)).mean()),
        "mean_average_precision": float(
            np.nanmean(scores.average_precision(probabilities, labels))
        ),
        "f1": float(np.nanmean(scores.label_scores(said, labels).f1)),
        "f1_all": float(2 * right / max(1, said.sum() + (labels > 0).sum())),
        "exact": float((said == (labels > 0)).all(1).mean()),
    }


def _save_predictions(path: Path, probabilities, labels, batches) -> None:
    choose = scores.label_examples if labels.ndim == 2 else report.examples
    best, worst = choose(probabilities, labels)
    shown = np.unique(np.concatenate([best, worst])).astype(np.int64)
    aside = path.with_name(f".aside-{path.name}")
    try:
        np.savez_compressed(
            aside,
            probabilities=probabilities,
            labels=labels if labels.ndim == 1 else labels.astype(np.uint8),
            names=np.array([batches.name(i) for i in range(len(labels))]),
            split=np.array(batches.part),
            best=best,
            worst=worst,
            thumbnails=batches.images(shown),
            thumbnail_index=shown,
        )
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)

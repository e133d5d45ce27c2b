"""Loss and accuracies of a trained network, from one pass over the data."""

from pathlib import Path

import keras
import numpy as np

from kcv import report
from kcv.inference import softmax


def score(model: keras.Model, batches, save: Path | None = None, batch_size: int = 0) -> dict:
    """Return loss and accuracies of a model over batches, computed from one pass of `predict`.

    Args:
        save: where to write probabilities, labels, names and thumbnails (`predictions.npz`).

    Returns:
        `loss`, `accuracy`, `top5_accuracy` (with more than five classes), `count`, `skipped`.
    """
    logits = np.asarray(model.predict(batches, verbose=0), np.float64)
    labels = np.asarray(batches.labels)
    if logits.shape[-1] <= labels.max():
        raise ValueError(
            f"The data has a class number {labels.max()}, the model scores {logits.shape[-1]} "
            "classes only. Give data with the classes of the run."
        )
    probabilities = softmax(logits)
    right = probabilities[np.arange(len(labels)), labels]
    rank = (probabilities > right[:, None]).sum(1)
    result = {
        "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
    }
    if logits.shape[-1] > 5:
        result["top5_accuracy"] = float((rank < 5).mean())
    result |= {"count": len(labels), "skipped": len(batches.skipped)}
    if save is not None:
        _save_predictions(save, probabilities.astype(np.float32), labels, batches)
    return result


def _save_predictions(path: Path, probabilities, labels, batches) -> None:
    best, worst = report.examples(probabilities, labels)
    shown = np.unique(np.concatenate([best, worst])).astype(np.int64)
    aside = path.with_name(f".aside-{path.name}")
    try:
        np.savez_compressed(
            aside,
            probabilities=probabilities,
            labels=labels,
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

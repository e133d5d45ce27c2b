"""Losses and metrics that need one torch call instead of a dozen."""

import keras
import numpy as np
from keras import ops

from kcv import kernels
from kcv.losses import Accuracy, BinaryCrossEntropy, CrossEntropy


def check_arrays(model, *labels) -> None:
    """Refuse arrays of labels that do not fit a model with one of kcv's losses.

    Once for all batches: on a GPU, and where batches are traced, no batch can be looked at.

    Raises:
        ValueError: if shapes or class numbers do not belong to the scores.
    """
    loss, outputs = getattr(model, "loss", None), getattr(model, "outputs", None)
    known = isinstance(loss, CrossEntropy | BinaryCrossEntropy)
    if not known or not outputs or len(outputs[0].shape) != 2:
        return
    for one in labels:
        if isinstance(one, np.ndarray):
            kernels.check_labels(type(loss).__name__, one, outputs[0])


def fast_loss(model):
    """Return `loss(labels, scores)` of a model with one plain cross-entropy, None for any other."""
    loss = model.loss
    if not type(model).compute_loss.__module__.startswith("kcv.engine") or model.has_auxiliary:
        return None
    if model._compile_loss is None or model._compile_loss._user_loss_weights is not None:
        return None
    if any(w.regularizer is not None for w in model.trainable_weights):
        return None
    if len(model.outputs[0].shape) != 2:  # classes stand last, for torch second
        return None
    smoothing = _smoothing(loss)
    if smoothing is None or loss.reduction != "sum_over_batch_size" or loss.dtype != "float32":
        return None

    def mean(labels, scores):
        labels = labels[0] if isinstance(labels, list | tuple) and len(labels) == 1 else labels
        if scores.device.type != "cpu":  # which would end the process
            kernels.check_labels(type(loss).__name__, labels, scores)
        try:
            return kernels.mean_cross_entropy(scores, ops.convert_to_tensor(labels), smoothing)
        except (IndexError, RuntimeError, ValueError):  # torch has looked, and says it in its words
            kernels.check_labels(type(loss).__name__, labels, scores)
            raise

    return mean


def _smoothing(loss) -> float | None:
    """Return the label smoothing of a cross-entropy from logits, None for any other loss."""
    if type(loss) is CrossEntropy:
        return loss.label_smoothing
    if type(loss) is keras.losses.SparseCategoricalCrossentropy:
        plain = loss.from_logits and loss.ignore_class is None and loss._fn_kwargs["axis"] == -1
        return 0.0 if plain else None
    return None


def fast_accuracies(metrics) -> list:
    """Return the metrics of a compiled model if all are the plain accuracy, else an empty list."""
    found = metrics.metrics
    weighted = any(m is not None for m in metrics._flat_weighted_metrics)
    if weighted or not all(_is_accuracy(m) for m in found):
        return []
    return found


def _is_accuracy(metric) -> bool:
    if type(metric) is Accuracy:
        return metric.top == 1
    return type(metric) is keras.metrics.SparseCategoricalAccuracy

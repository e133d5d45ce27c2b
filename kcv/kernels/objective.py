"""Cross-entropy and accuracy in one or two calls."""

from keras import ops

from kcv.kernels.backend import TORCH

if TORCH:
    import torch.nn.functional as F


def cross_entropy(logits, labels, smoothing: float = 0.0):
    """Return the softmax cross-entropy `(B,)` in float32 of labels `(B,)` or `(B, K)`."""
    classes = logits.shape[-1]
    logits = ops.cast(logits, "float32")
    hard = len(labels.shape) < len(logits.shape) or labels.shape[-1] != classes
    if TORCH:
        labels = labels.reshape(-1).long() if hard else labels.to(logits.dtype)
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    if hard:
        labels = _one_hot(labels, classes)
    labels = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / classes
    return -ops.sum(labels * ops.log_softmax(logits), axis=-1)


def _one_hot(labels, classes: int):
    """Return class numbers as `(B, K)`; outside the classes as NaN, so that the loss shows it."""
    hot = ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), classes, dtype="float32")
    return hot / ops.sum(hot, axis=-1, keepdims=True)


def binary_cross_entropy(logits, labels, smoothing: float = 0.0, positive_weights=None):
    """Return the mean over K of the sigmoid cross-entropies, `(B,)` in float32.

    Args:
        logits: `(B, K)`.
        labels: `(B, K)`, or class numbers `(B,)`.
        smoothing: share of each label that is moved to one half.
        positive_weights: weight of each class's yes `(K,)`, None for 1.
    """
    logits = ops.cast(logits, "float32")
    if len(labels.shape) < len(logits.shape) or labels.shape[-1] != logits.shape[-1]:
        labels = _one_hot(labels, logits.shape[-1])
    labels = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / 2
    weights = None
    if positive_weights is not None:
        weights = ops.convert_to_tensor(positive_weights, "float32")
    if TORCH:
        losses = F.binary_cross_entropy_with_logits(
            logits, labels, reduction="none", pos_weight=weights
        )
        return losses.mean(-1)
    yes = ops.softplus(-logits) if weights is None else weights * ops.softplus(-logits)
    return ops.mean(labels * yes + (1 - labels) * ops.softplus(logits), axis=-1)


def mean_cross_entropy(logits, labels, smoothing: float = 0.0):
    """Return the mean of `cross_entropy` over the batch, in one torch call."""
    if not TORCH:
        return ops.mean(cross_entropy(logits, labels, smoothing))
    hard = labels.ndim < logits.ndim or labels.shape[-1] != logits.shape[-1]
    labels = labels.reshape(-1).long() if hard else labels.to(logits.dtype)
    return F.cross_entropy(logits.float(), labels, label_smoothing=smoothing)


def hits(scores, labels):
    """Count the samples whose best score `(B, K)` is their class number `(B,)` or `(B, 1)`."""
    if TORCH:
        return (scores.argmax(-1) == labels.reshape(-1).long()).sum()
    best = ops.argmax(scores, -1)
    return ops.sum(ops.equal(best, ops.cast(ops.reshape(labels, (-1,)), best.dtype)))

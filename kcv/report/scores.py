"""The figures of a report, from probabilities and labels: NumPy only."""

from typing import NamedTuple

import numpy as np


class Examples(NamedTuple):
    """Positions of the images that say most about a model, the most telling first."""

    best: np.ndarray
    worst: np.ndarray


class ClassScores(NamedTuple):
    """Scores of every class, each (K,): 0 to 1, NaN where undefined; support is a count."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


class Confusion(NamedTuple):
    """Two classes that are mixed up: how many images, and their share of the true class."""

    true: int
    predicted: int
    images: int
    share: float


def examples(probabilities: np.ndarray, labels: np.ndarray, count: int = 12) -> Examples:
    """Choose the images to show: the most confident mistakes and the most confident right answers.

    The right answers go round the classes (the surest of every class first, then the second
    ones), since otherwise one easy class would fill the whole row. Whoever writes the run folder
    stores the thumbnails of exactly these.

    Args:
        probabilities: (N, K) scores that sum to one in each row.
        labels: (N,) true classes.
        count: How many of either kind; fewer come back where there are fewer.

    Returns:
        `Examples` with ``best`` and ``worst``, int64 positions in 0 .. N - 1.

    Raises:
        ValueError: If the two arrays do not belong together, or ``count`` is negative.
    """
    probabilities, labels = _checked(probabilities, labels)
    if count < 0:
        raise ValueError(f"examples needs count >= 0. Received: count={count}.")
    predicted = probabilities.argmax(axis=1)
    score = probabilities.max(axis=1)
    by_score = np.argsort(-score, kind="stable")
    right = predicted[by_score] == labels[by_score]
    worst, best = by_score[~right], by_score[right]
    turn = np.zeros(len(best), dtype=np.int64)
    for c in np.unique(predicted[best]):
        of_class = predicted[best] == c
        turn[of_class] = np.arange(of_class.sum())
    best = best[np.argsort(turn, kind="stable")]
    return Examples(best=best[:count], worst=worst[:count])


def label_examples(probabilities: np.ndarray, labels: np.ndarray, count: int = 12) -> Examples:
    """Choose the images to show where images have several classes.

    A right answer has every class right; how sure it was is the mean logarithm of what it said of
    the truth. The most confident mistakes are those that said least of the truth.

    Args:
        probabilities: (N, K) scores between 0 and 1, a yes from 0.5 on.
        labels: (N, K) of 0 and 1.
        count: How many of either kind; fewer come back where there are fewer.
    """
    said = np.where(labels > 0, probabilities, 1 - probabilities)
    sure = np.log(np.maximum(said, 1e-12)).mean(1)
    right = ((probabilities >= 0.5) == (labels > 0)).all(1)
    order = np.argsort(sure, kind="stable")
    worst, best = order[~right[order]], order[right[order]][::-1]
    return Examples(best=best[:count], worst=worst[:count])


def average_precision(scored: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the area under precision over recall of each class, (K,): NaN without any image.

    The mean of the precision down to each image of the class, the images sorted by their score;
    images of one score stand together, as in scikit-learn's ``average_precision_score``.

    Args:
        scored: (N, K), higher for a surer yes.
        labels: (N, K) of 0 and 1.
    """
    areas = np.full(labels.shape[1], np.nan)
    for c in np.flatnonzero(labels.any(axis=0)):
        order = np.argsort(-scored[:, c], kind="stable")
        found = np.cumsum(labels[order, c] > 0)
        # the last image of each score: with it come all others of this score
        last = np.flatnonzero(np.append(np.diff(scored[order, c]) != 0, True))
        gained = np.diff(found[last], prepend=0)
        areas[c] = (gained * found[last] / (last + 1)).sum() / found[-1]
    return areas


def label_scores(said: np.ndarray, labels: np.ndarray) -> ClassScores:
    """Return precision, recall, F1 and support of the classes of (N, K) answers and labels."""
    said, labels = said > 0, labels > 0
    right, chosen, support = (said & labels).sum(0), said.sum(0), labels.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ClassScores(
            precision=right / chosen,
            recall=right / support,
            f1=np.where(support > 0, 2 * right / (support + chosen), np.nan),
            support=support,
        )


def confusion_matrix(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Count images by true class (row) and predicted class (column): (N,), (N,) -> (K, K)."""
    cells = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def class_scores(matrix: np.ndarray) -> ClassScores:
    """Return precision, recall, F1 and support of every class of a (K, K) confusion matrix."""
    right = np.diag(matrix).astype("float64")
    support, chosen = matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ClassScores(
            precision=right / chosen,
            recall=right / support,
            f1=2 * right / (support + chosen),
            support=support,
        )


def most_confused(matrix: np.ndarray, count: int = 10) -> list[Confusion]:
    """List the largest off-diagonal cells of a (K, K) confusion matrix, largest first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    support = matrix.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [
        Confusion(int(i), int(j), int(wrong[i, j]), float(wrong[i, j] / support[i]))
        for i, j in zip(rows, columns, strict=True)
        if wrong[i, j]
    ]


def wilson_interval(accuracy: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share measured on ``count`` images.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927,
    https://doi.org/10.1080/01621459.1927.10502953

    Args:
        accuracy: Share of right answers, 0 to 1.
        count: Number of images, at least 1.

    Raises:
        ValueError: If there is no image, or the accuracy is outside 0 to 1.
    """
    if count < 1 or not 0 <= accuracy <= 1:
        raise ValueError(
            "wilson_interval needs 0 <= accuracy <= 1 and count >= 1. "
            f"Received: accuracy={accuracy}, count={count}."
        )
    z2 = 1.959964**2
    centre = accuracy + z2 / (2 * count)
    spread = (z2 * (accuracy * (1 - accuracy) / count + z2 / (4 * count**2))) ** 0.5
    low, high = ((centre + sign * spread) / (1 + z2 / count) for sign in (-1, 1))
    return max(low, 0.0), min(high, 1.0)


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            "examples needs probabilities (N, K) and labels (N,). "
            f"Received: shapes {probabilities.shape} and {labels.shape}."
        )
    return probabilities, labels

"""What an order of architectures is worth: rank correlation, and the front of accuracy and cost."""

from collections.abc import Sequence

import numpy as np


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the rank correlation of two scores of the same things, -1..1.

    1 means that a cheap score puts them into the very order of the true one, 0 that it says
    nothing. Equal values share their mean rank. NaN if all values of one side are equal.

    Raises:
        ValueError: if there are not as many of both, fewer than two, or one is NaN.

    Source: Spearman 1904, "The proof and measurement of association between two things".
    """
    x, y = np.asarray(first, float), np.asarray(second, float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2 or np.isnan([*x, *y]).any():
        raise ValueError(
            "A rank correlation needs two lists of the same length, two or more, without NaN. "
            f"Received: {x.tolist()} and {y.tolist()}."
        )
    x, y = _ranks(x), _ranks(y)
    x, y = x - x.mean(), y - y.mean()
    norm = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1; equal values get the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return which points no other beats in cost and score at once, by rising cost.

    Of equal points the first one counts.

    Raises:
        ValueError: if there are not as many costs as scores.
    """
    if len(costs) != len(scores):
        raise ValueError(
            "A front needs as many costs as scores. "
            f"Received: {len(costs)} costs and {len(scores)} scores."
        )
    best, chosen = -np.inf, []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i], i)):
        if scores[index] > best:
            best = scores[index]
            chosen.append(index)
    return chosen

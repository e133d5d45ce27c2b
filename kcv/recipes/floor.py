"""The floor that every network must beat clearly: a linear classifier on pixels."""

import numpy as np

from kcv.data import ImageError

SIDE, IMAGES = 64, 20_000  # larger images or sets are not worth the seconds


def linear_accuracy(data) -> dict | None:
    """Return the test accuracy of multinomial logistic regression on pixels.

    Full-batch gradient descent with Nesterov's momentum on standardised pixels and a little
    weight decay; seconds in NumPy.

    Returns:
        `{"name", "accuracy"}`, or None for images over 64 pixels, more than 20,000 of them, data
        without a test part, or images of several classes.
    """
    if data.test is None or data.multi_label:
        return None
    if max(data.image_size) > SIDE or len(data.train.labels) > IMAGES:
        return None
    x, y = _pixels(data.train)
    mean, std = x.mean(0), x.std(0) + 1.0
    weights = _fit((x - mean) / std, y, data.num_classes)
    tests, labels = _pixels(data.test)
    scores = _with_one((tests - mean) / std) @ weights
    accuracy = float((scores.argmax(1) == labels).mean())
    return {"name": "linear classifier on pixels", "accuracy": accuracy}


def _pixels(batches):
    """Return pixels `(N, H W C)` and labels of the images that can be read."""
    images, labels = [], []
    for index, label in enumerate(batches.labels):
        try:
            images.append(batches.images([index])[0].reshape(-1))
        except ImageError:
            continue  # training has named it already
        labels.append(label)
    return np.stack(images).astype(np.float32), np.array(labels)


def _with_one(x):
    return np.concatenate([x, np.ones((len(x), 1), np.float32)], axis=1)


def _fit(x, y, classes: int, steps: int = 150, rate: float = 0.02, decay: float = 1e-3):
    x, target = _with_one(x), np.eye(classes, dtype=np.float32)[y]
    weights = np.zeros((x.shape[1], classes), np.float32)
    speed = np.zeros_like(weights)
    for _ in range(steps):
        ahead = weights + 0.9 * speed
        scores = x @ ahead
        scores = np.exp(scores - scores.max(1, keepdims=True))
        scores /= scores.sum(1, keepdims=True)
        gradient = x.T @ (scores - target) / len(x) + decay * ahead
        speed = 0.9 * speed - rate * gradient
        weights = weights + speed
    return weights

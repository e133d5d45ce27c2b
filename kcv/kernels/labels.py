"""Whether labels belong to the logits beside them, said before a backend says it in its own way."""

import numpy as np

from kcv.kernels.backend import TORCH

if TORCH:
    import torch


def check_labels(owner: str, labels, logits) -> None:
    """Refuse labels that do not fit logits `(B, K)`.

    Shapes are looked at always. Class numbers are where that waits for no device: in NumPy arrays,
    and in torch tensors on the CPU outside `torch.compile`.

    Args:
        owner: who needs them, the first word of the error.
        labels: `(B,)` or `(B, 1)` of class numbers, or `(B, K)` of shares.
        logits: `(B, K)`; B may be unknown.

    Raises:
        ValueError: if the shapes do not belong together, or a number is outside 0 to K - 1.
    """
    shape, (images, classes) = tuple(labels.shape), tuple(logits.shape)
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] not in (1, classes, None)):
        width = f"num_classes={shape[-1]}" if len(shape) == 2 else "as many classes as labels have"
        raise ValueError(
            f"{owner} needs labels (B,), or (B, K) for logits (B, K): build the network with "
            f"{width}, or give class numbers. "
            f"Received: labels {shape}, logits {(images, classes)}."
        )
    if None not in (images, shape[0]) and images != shape[0]:
        raise ValueError(
            f"{owner} needs one label, or one row of labels, for each image. "
            f"Received: labels {shape}, logits {(images, classes)}."
        )
    if len(shape) == 1 or shape[1] != classes:
        _check_numbers(owner, labels, classes)


def _check_numbers(owner: str, labels, classes: int) -> None:
    low, high = _ends(labels) or (0, 0)
    if low >= 0 and high < classes:
        return
    remedy = f"build the network with num_classes={high + 1:.0f}, or " if high >= classes else ""
    if classes == 1:
        remedy = "give labels of no and yes as (B, 1), or "
    raise ValueError(
        f"{owner} needs class numbers from 0 to {classes - 1} for logits of {classes} classes: "
        f"{remedy}number the classes from 0. Received: labels from {low:.9g} to {high:.9g}."
    )


def _ends(labels) -> tuple[float, float] | None:
    """Return the lowest and the highest number, None where there is none to be read here."""
    if TORCH and isinstance(labels, torch.Tensor):
        labels = _as_array(labels)
    if not isinstance(labels, np.ndarray) or not labels.size or labels.dtype.kind not in "biuf":
        return None
    return labels.min().item(), labels.max().item()


def _as_array(labels) -> np.ndarray | None:
    """Return a tensor of the CPU as an array on its memory, None where it has no values to read."""
    if labels.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    try:
        return labels.detach().numpy()
    except (RuntimeError, TypeError):  # in a transform of torch.func; of a type NumPy lacks
        return None

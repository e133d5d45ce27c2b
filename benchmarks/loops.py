"""What is timed: `fit` and `predict` of kcv, and the loops that do the same in PyTorch by hand."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import torch
import torch.nn.functional as F

Run = Callable[[int], object]
"""Takes a number of steps, returns what training or prediction gives."""


class Data(NamedTuple):
    """Images `(N, H, W, 3)` and class numbers `(N,)`, as arrays for kcv."""

    images: np.ndarray
    labels: np.ndarray


def make_data(count: int, size: int, classes: int) -> Data:
    """Return random images and labels."""
    rng = np.random.default_rng(0)
    own = max(2, min(count, 2**25 // (3 * size * size)))  # more would take longer than the timing
    images = np.resize(rng.standard_normal((own, size, size, 3), "float32"), (count, size, size, 3))
    return Data(images, rng.integers(0, classes, count))


def fit(model, data: Data, batch: int) -> Run:
    """Train a compiled network of kcv by `fit`, as users do."""

    def run(steps: int):
        n = steps * batch
        return model.fit(
            data.images[:n], data.labels[:n], batch_size=batch, shuffle=False, verbose=0
        ).history

    return run


def predict(model, data: Data, batch: int) -> Run:
    """Answer by `predict`, from array to array."""
    return lambda steps: model.predict(data.images[: steps * batch], batch, verbose=0)


def _batches(tensors, batch: int, steps: int, device):
    for start in range(0, steps * batch, batch):
        yield [t[start : start + batch].to(device, non_blocking=True) for t in tensors]


def tensors(data: Data, channels_last: bool, device):
    """Return images `(N, 3, H, W)` in the given memory order, and labels; pinned for a GPU."""
    order = torch.channels_last if channels_last else torch.contiguous_format
    images = torch.from_numpy(data.images).permute(0, 3, 1, 2).contiguous(memory_format=order)
    both = [images, torch.from_numpy(data.labels)]
    return both if device.type == "cpu" else [t.pin_memory() for t in both]


def _precision(device):
    """Return a maker of contexts: autocast where Keras' policy is mixed."""
    kind = keras.config.dtype_policy().compute_dtype
    if kind == keras.config.dtype_policy().variable_dtype:
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, getattr(torch, kind))


def torch_fit(
    network, optimizer, data: Data, batch: int, channels_last: bool = False, ready=None
) -> Run:
    """Train by hand: mean loss and accuracy are summed on the device and read at the end.

    Args:
        ready: what `tensors` made of the data, if it was made before.
    """
    device = next(network.parameters()).device
    ready = ready or tensors(data, channels_last, device)
    cast = _precision(device)

    def run(steps: int):
        network.train()
        total, right = (torch.zeros((), device=device) for _ in range(2))
        for images, labels in _batches(ready, batch, steps, device):
            optimizer.zero_grad(set_to_none=True)
            with cast():
                logits = network(images)
                loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += (logits.argmax(1) == labels).sum()
        return {"loss": total.item() / steps, "accuracy": right.item() / (steps * batch)}

    return run


def torch_predict(network, data: Data, batch: int, channels_last: bool = False, ready=None) -> Run:
    """Answer by hand in inference mode, from array to array; `ready` as in `torch_fit`."""
    device = next(network.parameters()).device
    ready = (ready or tensors(data, channels_last, device))[:1]
    cast = _precision(device)

    def run(steps: int):
        network.eval()
        with torch.inference_mode(), cast():
            batches = _batches(ready, batch, steps, device)
            answers = [network(images) for (images,) in batches]
            return torch.cat(answers).float().cpu().numpy()

    return run

"""How fast a network answers on the device at hand."""

import statistics
import time
from dataclasses import dataclass

import numpy as np

from kcv import kernels


@dataclass(frozen=True)
class Profile:
    """Measured times of `model.predict_on_batch`.

    Attributes:
        name: of the network.
        input_shape: of one image, `(H, W, C)`.
        batch_size: images in a call.
        milliseconds: each measured call, in order.
        device: what `kcv.kernels.device()` says: backend, version, device, threads.
    """

    name: str
    input_shape: tuple[int, ...]
    batch_size: int
    milliseconds: tuple[float, ...]
    device: dict

    @property
    def latency(self) -> float:
        """Return the median time of a call in milliseconds."""
        return statistics.median(self.milliseconds)

    @property
    def spread(self) -> tuple[float, float]:
        """Return the 10th and the 90th percentile of the times, in milliseconds."""
        low, high = np.percentile(self.milliseconds, (10, 90))
        return float(low), float(high)

    @property
    def images_per_second(self) -> float:
        """Return the images answered in a second at the median time."""
        return 1000 * self.batch_size / self.latency

    def table(self) -> str:
        """Return the figures as text, with what they were measured on."""
        about, (low, high) = self.device, self.spread
        threads = f", threads: {about['threads']}" if about["threads"] else ""
        shape = " x ".join(map(str, (self.batch_size, *self.input_shape)))
        lines = (
            f"latency     {self.latency:,.2f} ms for a batch of {shape}, median",
            f"spread      {low:,.2f} to {high:,.2f} ms, 10th to 90th percentile of "
            f"{len(self.milliseconds)} calls",
            f"throughput  {self.images_per_second:,.1f} images/s",
            f"device      {about['device']}, {about['backend']} {about['version']}".rstrip()
            + threads,
        )
        return "\n".join(lines)


def profile(model, batch_size: int = 1, rounds: int = 20, warmup: int = 3) -> Profile:
    """Measure how long a network takes for a batch, from numpy array to numpy array.

    Args:
        model: a Keras model with one input of fixed size.
        batch_size: images in a call.
        rounds: calls that are measured.
        warmup: calls before them, in which the backend compiles and chooses its kernels.

    Raises:
        ValueError: if a number is below its least, or the size of the images is open.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("rounds", rounds, 1),
        ("warmup", warmup, 0),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"profile needs {name} >= {least}. Received: {name}={value!r}.")
    shape = model.input_shape[1:]
    if not all(isinstance(n, int) for n in shape):
        raise ValueError(
            "profile needs a model with one input of fixed size. "
            f"Received: input shape {model.input_shape}. Build it with its image size."
        )
    images = np.random.default_rng(0).random((batch_size, *shape), "float32")
    for _ in range(warmup):
        model.predict_on_batch(images)
    times = tuple(_milliseconds(model, images) for _ in range(rounds))
    return Profile(model.name, tuple(shape), batch_size, times, kernels.device())


def _milliseconds(model, images) -> float:
    start = time.perf_counter()
    model.predict_on_batch(images)  # answers as numpy: the device has finished when it returns
    return 1000 * (time.perf_counter() - start)

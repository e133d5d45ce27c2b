"""Initialisers of the papers.

A Keras initialiser draws its seed when it is made and then always returns the same numbers for the
same shape. Constants of a module must therefore be cloned for each layer: `fresh` does it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import keras

# He et al. 2015, https://arxiv.org/abs/1502.01852, in the fan-out form of the ResNet code. The fan
# of a depthwise kernel is its window here; PyTorch counts all channels, and starts it smaller.
HE = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=0)
# Standard deviation 0.02, as in the code of DeiT and the transformers after it. Keras cuts
# normals at two standard deviations, which leaves 0.8796 of one; theirs is cut far outside.
SMALL_NORMAL = keras.initializers.TruncatedNormal(stddev=0.02 / 0.8796, seed=0)


def fresh(init):
    """Return a copy of an initialiser (or of the one named) that draws a seed of its own."""
    config = keras.initializers.get(init).get_config()
    if "seed" in config:
        config["seed"] = None
    return type(keras.initializers.get(init)).from_config(config)


_POSTPONED = ContextVar("postponed", default=False)


@contextmanager
def postponed() -> Iterator[None]:
    """Build layers without drawing their kernels, for weights that are loaded next.

    Drawing and laying out was a third of the time that a ResNet-50 takes to load. Such a kernel
    holds whatever was in memory: it is to be loaded, or made up for with `draw`.
    """
    token = _POSTPONED.set(True)
    try:
        yield
    finally:
        _POSTPONED.reset(token)


def draw(layer) -> None:
    """Give a layer that was built `postponed` the kernel it would have had."""
    kernel = layer.kernel
    kernel.assign(layer.kernel_initializer(kernel.shape, kernel.dtype))


def is_postponed() -> bool:
    """Return whether layers are built without drawing their kernels at present."""
    return _POSTPONED.get()


class Postponable:
    """For a layer whose kernel is drawn at random, unless that is `postponed`."""

    def add_weight(self, *args, **options):
        if is_postponed() and str(options.get("name")).endswith("kernel"):
            options["initializer"] = _empty
        return super().add_weight(*args, **options)  # type: ignore[misc]


def _empty(shape, dtype=None):
    return keras.ops.empty(shape, dtype)

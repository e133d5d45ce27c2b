"""Copies and averages of a model's variables, and which of them are batch-norm statistics."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kcv import kernels


def floats(model) -> list:
    """Return the weights that can be averaged: all but counters, flags and random seeds."""
    return [v for v in model.weights if keras.backend.is_float_dtype(v.dtype)]


def norm_layers(model) -> list:
    """Return every built layer that keeps batch-norm statistics, at any depth.

    Found by what they have, so that subclasses and other people's layers count too.
    """
    needed = ("moving_mean", "moving_variance", "momentum")
    # Keras has no public way to layers inside of layers
    every = model._flatten_layers(include_self=True, recursive=True)
    return [layer for layer in every if all(hasattr(layer, name) for name in needed)]


def statistics(model) -> list:
    """Return the moving means and variances of all batch-norm layers."""
    layers = norm_layers(model)
    return [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]


def copies(variables: Sequence) -> list:
    """Return the values as tensors of their own, in at least single precision."""
    values = [ops.stop_gradient(ops.copy(v.value)) for v in variables]
    return [ops.cast(x, keras.backend.result_type(x.dtype, "float32")) for x in values]


def arrays(tensors: Sequence) -> list[np.ndarray]:
    """Return variables or tensors as NumPy arrays of their own, in C order."""
    return [np.array(ops.convert_to_numpy(x), order="C") for x in tensors]


def assign(variables: Sequence, values: Sequence) -> None:
    """Give each variable its value; the value itself stays untouched by later training."""
    for variable, value in zip(variables, values, strict=True):
        # JAX hands the arrays of a model over to the next step, which then deletes them
        variable.assign(ops.copy(value) if keras.backend.backend() == "jax" else value)


def tensors(values: Sequence[np.ndarray], variables: Sequence) -> list:
    """Return arrays as tensors, in the type and memory order that `copies(variables)` has."""
    result = []
    for value, variable in zip(values, variables, strict=True):
        dtype = keras.backend.result_type(variable.dtype, "float32")
        tensor = ops.zeros_like(variable.value, dtype=dtype)
        tensor += ops.convert_to_tensor(value, dtype=dtype)
        result.append(tensor)
    return result


def move(averages: list, variables: Sequence, share: float) -> None:
    """Move each average towards its variable by `share` of the difference, in place."""
    if kernels.updates.lerp(averages, variables, share):
        return
    for i, variable in enumerate(variables):
        average = averages[i]
        average += share * (ops.stop_gradient(variable.value) - average)
        averages[i] = average  # a new array on backends whose arrays do not change

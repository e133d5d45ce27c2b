"""Batch-norm statistics of weights that no step of training ever had."""

import keras
from keras import ops

from kcv.callbacks import weights


def reestimate(model, data, batches: int | None = None, batch_size: int = 128) -> int:
    """Measure the batch-norm statistics of a model anew, by a pass over training data.

    Every moving mean and variance becomes the mean of those of the batches, weighted by their rows.
    The pass runs in training mode, as the statistics are used in it; nothing else in the model
    changes, random seeds included. Layers that are frozen (`trainable=False`) keep what they have.
    Izmailov et al. 2018, https://arxiv.org/abs/1803.05407, section 3.2.

    Args:
        model: a built Keras model; it needs no optimizer.
        data: an array `(N, H, W, C)`, a tuple whose first entry is one, a `PyDataset`, or any
            iterable of batches as `fit` takes them. An endless one needs `batches`.
        batches: use only that many batches.
        batch_size: rows of a batch cut from an array.

    Returns:
        How many rows were seen; 0 if the model has no such layer.

    Raises:
        ValueError: if `data` gives no batch. The statistics are then as before, as they are after
            any other exception in the pass.
    """
    layers = [layer for layer in weights.norm_layers(model) if layer.trainable]
    if not layers:
        return 0
    measured = [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]
    own = {id(v) for v in measured}
    others = [v for v in model.non_trainable_variables if id(v) not in own]
    old, kept = weights.arrays(measured), weights.arrays(others)
    momenta = [layer.momentum for layer in layers]
    try:
        for variable in measured:
            # the first batch takes all the weight, but 0 * NaN would stay NaN
            variable.assign(ops.zeros_like(variable.value))
        return _pass(model, layers, _inputs(data, batches, batch_size))
    except BaseException:
        weights.assign(measured, old)
        raise
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        weights.assign(others, kept)


def _pass(model, layers, inputs) -> int:
    rows = 0
    for x in inputs:
        count = keras.tree.flatten(x)[0].shape[0]
        rows += count
        for layer in layers:
            layer.momentum = 1.0 - count / rows
        model(x, training=True)
    if not rows:
        raise ValueError("Batch-norm statistics need at least one batch. Received: no data.")
    return rows


def _inputs(data, batches, batch_size):
    """Yield the inputs of at most `batches` batches."""
    for i, batch in enumerate(_batches(data, batch_size)):
        if batches is not None and i >= batches:
            return
        yield keras.utils.unpack_x_y_sample_weight(batch)[0]


def _batches(data, batch_size):
    if isinstance(data, tuple):
        data = data[0]
    if hasattr(data, "shape"):
        return (data[i : i + batch_size] for i in range(0, data.shape[0], batch_size))
    if isinstance(data, keras.utils.PyDataset):
        return (data[i] for i in range(len(data)))  # Python would index one beyond the end
    return iter(data)

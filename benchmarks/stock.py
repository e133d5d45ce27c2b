"""The networks of kcv with the layers, optimizers, loss and metric that Keras itself has.

Window attention, layer scale, and class and position tokens have no counterpart in Keras: they stay
kcv's, so Swin gains less here than it would against attention written by hand.
"""

import keras

from benchmarks import cases
from kcv import layers


class _Attention(keras.layers.Layer):
    """Self-attention through `keras.layers.MultiHeadAttention`."""

    def __init__(self, num_heads, width, **kwargs):
        super().__init__(**kwargs)
        self.attention = keras.layers.MultiHeadAttention(num_heads, width // num_heads)

    def build(self, input_shape):
        self.attention.build(input_shape, input_shape)

    def call(self, inputs):
        return self.attention(inputs, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


def rebuild(model) -> keras.Model:
    """Return the same network, new weights, made of stock layers wherever Keras has one."""
    copy = keras.models.clone_model(model, clone_function=_stock)
    return keras.Model(copy.inputs, copy.outputs, name=f"stock_{model.name}")


def compile_stock(model, optimizer: str) -> None:
    """Compile with what Keras has."""
    rate = cases.RATES[optimizer]
    sgd = optimizer == "sgd"
    made = keras.optimizers.SGD(rate, 0.9) if sgd else keras.optimizers.AdamW(rate, 0.01)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(made, loss, metrics=["accuracy"])


def _stock(layer):
    """Return the stock layer of the same function, or a copy of what has none."""
    config = layer.get_config()
    if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
        kind = keras.layers.DepthwiseConv2D
        kind = kind if isinstance(layer, kind) else keras.layers.Conv2D
        return _padded(kind, layer.pad, layer.kernel_size, layer.strides, config)
    if isinstance(layer, layers.MaxPool2D):
        plain = {key: config[key] for key in ("name", "dtype", "pool_size", "strides")}
        return _padded(keras.layers.MaxPooling2D, layer.padding, None, None, plain)
    if isinstance(layer, layers.BatchNorm):
        return keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon)
    if isinstance(layer, layers.Linear):
        return keras.layers.Dense.from_config(config)
    if isinstance(layer, layers.Attention):
        return _Attention(layer.num_heads, layer.proj.units)
    return type(layer).from_config(config)


def _padded(kind, pad, kernel, stride, config):
    """Return a layer with integer padding: `same` where that is equal, a padding layer else."""
    pads = (pad, pad) if isinstance(pad, int) else pad
    if pads in ((0, 0), "valid", "same"):
        word = pads if isinstance(pads, str) else "valid"
        return kind.from_config({**config, "padding": word})
    if stride == (1, 1) and all(k == 2 * p + 1 for k, p in zip(kernel, pads, strict=True)):
        return kind.from_config({**config, "padding": "same"})
    inner = kind.from_config({**config, "padding": "valid"})
    return keras.Sequential([keras.layers.ZeroPadding2D(pads), inner])

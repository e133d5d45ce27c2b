"""What single layers are in one torch call, for the flat plan.

A map has two forms: `last`, as Keras sees it, `(B, H, W, C)`, and `first`, as torch does,
`(B, C, H, W)`; both are views of the same memory. Chains of convolutions stay in `first`: a change
of form costs little, but twice a layer, there and back, in both directions of a training step.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import torch
import torch.nn.functional as F

from kcv import kernels
from kcv import layers as own
from kcv.engine.chains import Chain
from kcv.engine.folded import Folded, padding
from kcv.engine.leaves import Reader


class Call(NamedTuple):
    """One layer as a function of tensors.

    Attributes:
        run: `run(tensor, training)`, or `run(tensors, training)` of a layer that takes several.
        form: in which form it takes maps: `"first"`, `"last"` or `"any"`, all alike.
        flat: whether the output is no map any more.
        pure: whether its backward pass needs no output, so that the next layer may overwrite it.
        readers: what gives it its weights.
    """

    run: Callable[[Any, bool], Any]
    form: str
    flat: bool = False
    pure: bool = False
    readers: tuple[Reader, ...] = ()


# Elementwise functions: they do not care where the channels are. What torch has under one name and
# Keras under another is called directly: Keras looks first what it was given.
ELEMENTWISE = {
    keras.activations.relu: F.relu,
    keras.activations.relu6: kernels.relu6,
    keras.activations.gelu: F.gelu,
    keras.activations.silu: F.silu,
    keras.activations.sigmoid: keras.activations.sigmoid,  # leaves its scores behind for the loss
    keras.activations.tanh: torch.tanh,
    keras.activations.elu: F.elu,
    keras.activations.leaky_relu: keras.activations.leaky_relu,  # another slope than torch's
    keras.activations.hard_sigmoid: F.hardsigmoid,
    keras.activations.hard_silu: F.hardswish,
    keras.activations.linear: keras.activations.linear,
}


def make(node, predicts: bool) -> Call | None:
    """Return the call of a node whose tensors need no cast, None if it has no short form."""
    kind = MAKERS.get(type(node.op))
    kind = PREDICTING.get(type(node.op), kind) if predicts else kind
    return kind(node.op, node.tensors) if kind is not None and not node.kwargs else None


def _read(layer, variable, order=None) -> Reader:
    """Return what gives a weight, in the type in which the layer computes."""
    same = layer.compute_dtype == layer.variable_dtype
    return Reader(variable, None if same else getattr(torch, layer.compute_dtype), order)


def _activated(layer, run, form: str, readers) -> Call | None:
    """Add the layer's own activation, if it has one."""
    act = layer.activation
    if act is None or act is keras.activations.linear:
        return Call(run, form, pure=True, readers=readers)
    if form == "first" and act not in ELEMENTWISE:
        return None
    act = ELEMENTWISE.get(act, act)
    return Call(lambda x, training: act(run(x, training)), form, readers=readers)


def _conv(layer, tensors) -> Call | None:
    """`Conv2D` and `DepthwiseConv2D`."""
    (image,) = tensors
    depthwise = isinstance(layer, own.DepthwiseConv2D)
    if getattr(layer, "lora_enabled", False) or (depthwise and layer.depth_multiplier != 1):
        return None
    variable = layer.kernel if depthwise else layer._kernel
    groups = image.shape[-1] if depthwise else layer.groups
    if kernels.corrupts(image.shape[-1], layer.kernel_size, layer.strides, groups):
        return None
    apart, inside = padding(layer, image)
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    readers = (_read(layer, variable, order), _read(layer, layer.bias))
    kernel, bias = (reader.get for reader in readers)
    places = (layer.strides, inside, layer.dilation_rate, groups)

    def run(x, training):
        x = x if apart is None else F.pad(x, apart)
        # products are for training on a CPU only
        convolve = kernels.conv_first if training and x.is_cpu else torch.conv2d
        return convolve(x, kernel(), bias(), *places)

    return _activated(layer, run, "first", readers)


def _batch_norm(layer, tensors) -> Call | None:
    (image,) = tensors
    if len(image.shape) != 4 or layer.renorm:
        return None
    gamma, beta = layer.gamma, layer.beta
    mean, variance = layer.moving_mean, layer.moving_variance

    def run(x, training):
        training = training and layer.trainable
        if training and x.numel() == x.shape[1]:  # one value a channel, which torch refuses
            return kernels.batch_norm(x.permute(0, 2, 3, 1), layer, True).permute(0, 3, 1, 2)
        return torch.batch_norm(
            x,
            None if gamma is None else gamma._value,
            None if beta is None else beta._value,
            mean._value,
            variance._value,
            training,
            1.0 - layer.momentum,
            layer.epsilon,
            torch.backends.cudnn.enabled,
        )

    return Call(run, "first", pure=True)


def _pool(layer, tensors) -> Call | None:
    (image,) = tensors
    pad = kernels.pads(layer.padding, image.shape[1:3], layer.pool_size, layer.strides)
    if any(before != after for before, after in pad):
        return None
    size, stride, inside = layer.pool_size, layer.strides, (pad[0][0], pad[1][0])
    ceil = layer.ceil
    if isinstance(layer, own.MaxPool2D):
        run = lambda x, _: F.max_pool2d(x, size, stride, inside, 1, ceil)  # noqa: E731
    else:
        count = layer.count_pad
        run = lambda x, _: F.avg_pool2d(x, size, stride, inside, ceil, count)  # noqa: E731
    return Call(run, "first")


def _product(layer, turned: bool) -> tuple[Callable, tuple[Reader, ...]]:
    """Return the product of a `Linear` as a function of a tensor, and what gives it its weights.

    Turned, the kernel has torch's order, and the product is one operation outside training; in
    training torch would turn it back again.
    """
    order = (1, 0) if turned else None
    readers = (_read(layer, layer._kernel, order), _read(layer, layer.bias))
    kernel, bias = (reader.get for reader in readers)
    multiply = F.linear if turned else kernels.linear
    return (lambda x, training=False: multiply(x, kernel(), bias())), readers


def _linear(layer, tensors, turned: bool = False) -> Call | None:
    if layer.lora_enabled:
        return None
    product, readers = _product(layer, turned)
    return _activated(layer, product, "last", readers)


def _layer_norm(layer, tensors) -> Call | None:
    axis = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    (x,) = tensors
    last = [a % len(x.shape) for a in axis] == [len(x.shape) - 1]
    # in half precision torch keeps the sums in float32, as Keras does by casts there and back
    if not last or layer.rms_scaling or layer.compute_dtype == "float64":
        return None
    readers = (_read(layer, layer.gamma), _read(layer, layer.beta))
    gamma, beta = (reader.get for reader in readers)
    norm, width, epsilon = kernels.layer_norm, x.shape[-1], layer.epsilon
    run = lambda x, training: norm(x, width, gamma(), beta(), epsilon)  # noqa: E731
    return Call(run, "last", readers=readers)


def _attention(layer, tensors, turned: bool = False) -> Call | None:
    if layer.qkv.lora_enabled or layer.proj.lora_enabled:
        return None
    (qkv, readers), (proj, others) = (_product(x, turned) for x in (layer.qkv, layer.proj))
    run = lambda x, training: layer.attend(x, qkv, proj, training)  # noqa: E731
    return Call(run, "last", readers=(*readers, *others))


def _layer_scale(layer, tensors) -> Call | None:
    reader = _read(layer, layer.gamma)
    gamma = reader.get
    return Call(lambda x, training: x * gamma(), "last", readers=(reader,))


def _global_average(layer, tensors) -> Call | None:
    keep = layer.keepdims
    return Call(lambda x, training: x.mean((2, 3), keepdim=keep), "first", flat=not keep)


def _relu(layer, tensors) -> Call | None:
    plain = layer.negative_slope == 0 and layer.threshold == 0 and layer.max_value in (None, 6)
    act = layer.call if not plain else F.relu if layer.max_value is None else kernels.relu6
    return Call(lambda x, training: act(x), "any")


def _activation(layer, tensors) -> Call | None:
    act = ELEMENTWISE.get(layer.activation)
    return None if act is None else Call(lambda x, training: act(x), "any")


def _drop(layer, tensors) -> Call | None:
    if getattr(layer, "noise_shape", None) is not None:
        return None
    return Call(lambda x, training: layer.call(x, training=training), "any")


def _rescaling(layer, tensors) -> Call | None:
    """`Rescaling`; Keras's own sends its numbers to the device at each call and waits for them."""
    if keras.config.image_data_format() != "channels_last":
        return None
    dtype = getattr(torch, layer.compute_dtype)
    values = [np.asarray(value, float).tolist() for value in (layer.scale, layer.offset)]

    def numbers(device):
        return [torch.tensor(value, dtype=dtype, device=device) for value in values]

    @functools.cache
    def kept(device):
        # made in prediction they could not take part in training
        with torch.inference_mode(False):
            return numbers(device)

    def run(x, training):
        compiling = torch.compiler.is_compiling()  # the compiler keeps constants itself
        scale, offset = numbers(x.device) if compiling else kept(x.device)
        return x.to(dtype) * scale + offset

    return Call(run, "last", pure=True)


def _add(layer, tensors) -> Call | None:
    if len(tensors) != 2 or not _alike(tensors):
        return None
    return Call(lambda t, training: t[0] + t[1], "any", pure=True)


def _multiply(layer, tensors) -> Call | None:
    same_rank = len({len(t.shape) for t in tensors}) == 1 and len({t.dtype for t in tensors}) == 1
    if len(tensors) != 2 or not same_rank:
        return None
    return Call(lambda t, training: t[0] * t[1], "any", pure=True)


def _concatenate(layer, tensors) -> Call | None:
    rank = len(tensors[0].shape)
    channels = layer.axis % rank == 3 and rank == 4
    if len(tensors) < 2 or not channels or len({t.dtype for t in tensors}) != 1:
        return None
    return Call(lambda t, training: torch.cat(t, 1), "first", pure=True)


def _alike(tensors) -> bool:
    return len({(tuple(t.shape), t.dtype) for t in tensors}) == 1


MAKERS = {
    own.Conv2D: _conv,
    own.DepthwiseConv2D: _conv,
    own.BatchNorm: _batch_norm,
    own.MaxPool2D: _pool,
    own.AvgPool2D: _pool,
    own.Linear: _linear,
    own.Attention: _attention,
    own.WindowAttention: _attention,
    own.DropPath: _drop,
    own.LayerScale: _layer_scale,
    keras.layers.LayerNormalization: _layer_norm,
    keras.layers.GlobalAveragePooling2D: _global_average,
    keras.layers.Rescaling: _rescaling,
    keras.layers.ReLU: _relu,
    keras.layers.Activation: _activation,
    keras.layers.Dropout: _drop,
    keras.layers.Add: _add,
    keras.layers.Multiply: _multiply,
    keras.layers.Concatenate: _concatenate,
    Chain: lambda chain, tensors: Call(Folded(chain, tensors), "first", pure=True),
}

# Layers whose calls cast what they are given themselves.
CASTING = (keras.layers.Rescaling,)

# The calls of plans that only predict, where they are others.
PREDICTING = {
    own.Linear: functools.partial(_linear, turned=True),
    own.Attention: functools.partial(_attention, turned=True),
    own.WindowAttention: functools.partial(_attention, turned=True),
}

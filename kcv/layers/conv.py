"""Convolutions with integer padding, fused on torch, and the conv-norm-activation block."""

import keras

from kcv import kernels
from kcv.layers.init import HE, Postponable, fresh, is_postponed
from kcv.layers.norm import BatchNorm

Padding = int | str | tuple[int, int]


def _check_padding(padding: Padding, layer: str) -> None:
    numbers = tuple(padding) if isinstance(padding, tuple | list) else (padding, padding)
    if padding in ("same", "valid") or (
        len(numbers) == 2 and all(isinstance(n, int) and n >= 0 for n in numbers)
    ):
        return
    raise ValueError(
        f'{layer} needs padding to be "same", "valid", an int or two ints >= 0. '
        f"Received: padding={padding!r}."
    )


def _window_shape(layer, shape, width):
    """Return the output shape of a window operation with kernel_size, strides and `pad`."""
    stride, dilation = layer.strides, layer.dilation_rate
    out = []
    sides = ((0, 0), (0, 0))
    if layer.pad != "same":
        sides = kernels.pads(layer.pad, (0, 0), layer.kernel_size, stride, dilation)
    for n, k, s, d, side in zip(
        shape[1:3], layer.kernel_size, stride, dilation, sides, strict=True
    ):
        if n is None:
            out.append(None)
        elif layer.pad == "same":
            out.append(-(-n // s))
        else:
            out.append((n + sum(side) - d * (k - 1) - 1) // s + 1)
    if any(n is not None and n < 1 for n in out):
        raise ValueError(
            f"The image has become too small for {layer.name}: a {layer.kernel_size} window on "
            f"{tuple(shape[1:3])}. Received: input shape {tuple(shape)}. Use a larger image_size "
            'or stem="small".'
        )
    return (shape[0], *out, width)


@keras.saving.register_keras_serializable("kcv")
class Conv2D(Postponable, keras.layers.Conv2D):
    """2D convolution that takes an integer padding, as PyTorch does.

    `(B, H, W, C) -> (B, H', W', filters)`, channels-last. Weights, their names and shapes are those
    of `keras.layers.Conv2D`. `padding=1` pads one pixel on every side, whatever the stride;
    `"same"` is TensorFlow's padding, which at stride 2 is another function: on ImageNet weights a
    mistake here costs 1.5 in the logits and shows at even sizes only.

    Args:
        filters: channels out.
        kernel_size, strides, dilation_rate, groups, use_bias: as in Keras.
        padding: pixels, two numbers of pixels (rows, columns), `"same"` or `"valid"`.

    Raises:
        ValueError: if `padding` is none of these, or the window does not fit the image.
    """

    def __init__(self, filters, kernel_size, strides=1, padding="valid", **kwargs):
        _check_padding(padding, "Conv2D")
        self.pad = tuple(padding) if isinstance(padding, list) else padding
        super().__init__(filters, kernel_size, strides, padding="valid", **kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        kernels.lay_out(self._kernel, empty=is_postponed())

    def call(self, inputs):
        bias = self.bias.value if self.use_bias else None
        kernel = keras.ops.convert_to_tensor(self.kernel)
        x = kernels.conv2d(
            inputs, kernel, bias, self.strides, self.pad, self.dilation_rate, self.groups
        )
        return x if self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape):
        return _window_shape(self, input_shape, self.filters)

    def get_config(self):
        return {**super().get_config(), "padding": self.pad}


@keras.saving.register_keras_serializable("kcv")
class DepthwiseConv2D(Postponable, keras.layers.DepthwiseConv2D):
    """Depthwise 2D convolution with integer padding: one small filter for each channel.

    `(B, H, W, C) -> (B, H', W', C * depth_multiplier)`. It is a grouped convolution with as many
    groups as channels (a test shows it). Arguments and errors as in `Conv2D`.
    """

    def __init__(self, kernel_size, strides=1, padding="valid", **kwargs):
        _check_padding(padding, "DepthwiseConv2D")
        self.pad = tuple(padding) if isinstance(padding, list) else padding
        super().__init__(kernel_size, strides, padding="valid", **kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        kernels.lay_out(self.kernel, depthwise=True)

    def call(self, inputs):
        bias = self.bias.value if self.use_bias else None
        x = kernels.depthwise_conv2d(
            inputs, self.kernel.value, bias, self.strides, self.pad, self.dilation_rate
        )
        return x if self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape):
        width = None if input_shape[-1] is None else input_shape[-1] * self.depth_multiplier
        return _window_shape(self, input_shape, width)

    def get_config(self):
        return {**super().get_config(), "padding": self.pad}


def activate(x, act: str | None):
    """Apply an activation by name: any of Keras', or None for none."""
    if act is None:
        return x
    if act == "relu":
        return keras.layers.ReLU()(x)
    if act == "relu6":
        return keras.layers.ReLU(6.0)(x)
    return keras.layers.Activation(act)(x)


def conv_norm(
    x,
    width: int,
    kernel: int | tuple[int, int] = 3,
    stride: int = 1,
    *,
    act: str | None = "relu",
    groups: int = 1,
    padding: Padding | None = None,
    norm=BatchNorm,
    init=HE,
    bias: bool = False,
):
    """Convolution, normalisation, activation.

    `(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), width)`

    Args:
        act: name of the activation, None for a linear output.
        groups: groups of channels convolved apart; `groups=C` with `width=C` is depthwise.
        padding: as in `Conv2D`; None pads half a kernel on every side, as PyTorch models do.
        norm: what makes the normalisation layer, e.g. `partial(BatchNorm, epsilon=1e-3)`.
        init: initialiser of the kernel.
        bias: whether the convolution has one. The normalisation takes it away again: it is there
            for weights that were published with one.
    """
    if padding is None:
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2)
    if groups > 1 and groups == x.shape[-1] == width:
        layer = DepthwiseConv2D(
            kernel, stride, padding, use_bias=bias, depthwise_initializer=fresh(init)
        )
    else:
        layer = Conv2D(
            width,
            kernel,
            stride,
            padding,
            groups=groups,
            use_bias=bias,
            kernel_initializer=fresh(init),
        )
    return activate(norm()(layer(x)), act)

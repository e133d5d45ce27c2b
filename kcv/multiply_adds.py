"""How many multiply-adds a layer takes for one image: a rule for each type of layer.

Convolutions, linear layers and the two products of attention count; normalisation, activation,
pooling, biases and gates do not. A new layer with products of its own registers a rule:
`multiply_adds.register(MyLayer)`.
"""

import math
from functools import singledispatch

import keras

from kcv.layers import Attention, ClassToken, LayerScale, PositionEmbedding
from kcv.layers.window import WindowAttention

Shape = tuple[int, ...]

# products that come without weights, so that nothing else would tell them from a reshape
PRODUCTS = (
    *("AdditiveAttention", "Attention", "BatchMatmul", "Conv", "ConvTranspose", "DepthwiseConv"),
    *("Dot", "DotProductAttention", "Einsum", "Inner", "Matmul", "Outer", "SeparableConv"),
    *("Tensordot", "Vdot"),
)


@singledispatch
def multiply_adds(layer, inputs: list[Shape], output: Shape) -> int | None:
    """Return the multiply-adds of one call of a layer, None where no rule covers the type.

    Args:
        layer: a built Keras layer or operation.
        inputs: shapes of its inputs without the batch axis.
        output: shape of its (first) output without the batch axis.
    """
    if getattr(layer, "weights", None) or type(layer).__name__ in PRODUCTS:
        return None
    return 0


@multiply_adds.register(keras.layers.BatchNormalization)
@multiply_adds.register(keras.layers.Embedding)
@multiply_adds.register(keras.layers.GroupNormalization)
@multiply_adds.register(keras.layers.LayerNormalization)
@multiply_adds.register(keras.layers.Normalization)
@multiply_adds.register(keras.layers.PReLU)
@multiply_adds.register(keras.layers.RMSNormalization)
@multiply_adds.register(ClassToken)
@multiply_adds.register(LayerScale)
@multiply_adds.register(PositionEmbedding)
def _nothing(layer, inputs, output):
    """Count nothing: these scale, shift or look up."""
    return 0


@multiply_adds.register(keras.layers.Conv1D)
@multiply_adds.register(keras.layers.Conv2D)
@multiply_adds.register(keras.layers.Conv3D)
def _convolution(layer, inputs, output):
    """Count the whole kernel once for each pixel out; a grouped kernel is smaller by its groups."""
    return math.prod(output) // layer.filters * math.prod(layer.kernel.shape)


@multiply_adds.register(keras.layers.DepthwiseConv1D)
@multiply_adds.register(keras.layers.DepthwiseConv2D)
def _depthwise(layer, inputs, output):
    """Count one window for each number that comes out."""
    return math.prod(output) * math.prod(layer.kernel_size)


@multiply_adds.register(keras.layers.SeparableConv1D)
@multiply_adds.register(keras.layers.SeparableConv2D)
def _separable(layer, inputs, output):
    """Count both kernels for each pixel out: the stride is on the depthwise one."""
    kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
    return math.prod(output) // layer.filters * sum(math.prod(k.shape) for k in kernels)


@multiply_adds.register(keras.layers.Conv1DTranspose)
@multiply_adds.register(keras.layers.Conv2DTranspose)
@multiply_adds.register(keras.layers.Conv3DTranspose)
def _transposed(layer, inputs, output):
    """Count the whole kernel once for each pixel in."""
    return math.prod(inputs[0]) // layer.kernel.shape[-1] * math.prod(layer.kernel.shape)


@multiply_adds.register(keras.layers.Dense)
def _dense(layer, inputs, output):
    """Count each input of each number that comes out."""
    return math.prod(output) * layer.kernel.shape[0]


@multiply_adds.register
def _attention(layer: Attention, inputs, output):
    """Count the packed projection, `q k^T`, weights times v, and the projection out."""
    length, width = inputs[0]
    return 4 * length * width**2 + 2 * length**2 * width


@multiply_adds.register
def _window_attention(layer: WindowAttention, inputs, output):
    """Count as for attention in each window; padding takes part until the projection out."""
    height, width, channels = inputs[0]
    tokens = padded_tokens(layer)
    within = 3 * tokens * channels**2 + 2 * tokens * layer.window**2 * channels
    return within + height * width * channels**2


@multiply_adds.register
def _multi_head_attention(layer: keras.layers.MultiHeadAttention, inputs, output):
    """Count the four projections, `q k^T`, and weights times v; a missing key is the value."""
    query, value, *rest = (*inputs, inputs[-1]) if len(inputs) < 2 else inputs
    key = rest[0] if rest else value
    tokens = [math.prod(shape[:-1]) for shape in (query, key, value, query)]
    dense = (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense)
    projections = sum(n * math.prod(d.kernel.shape) for n, d in zip(tokens, dense, strict=True))
    heads = layer.num_heads * (layer.key_dim + layer.value_dim)
    return projections + tokens[0] * tokens[1] * heads


def padded_tokens(layer: WindowAttention) -> int:
    """Return how many tokens all windows of the layer have together, padding included."""
    return layer.grid[0] * layer.grid[1] * layer.window**2

"""The few operations that decide the speed of a network, fused on torch, `keras.ops` elsewhere.

Every function has two bodies: one torch call, and the same mathematics in `keras.ops`. Layers stay
thin and never name a backend. Tensors are channels-last `(B, H, W, C)`; kernels have Keras's shape
`(kh, kw, in, out)`. On torch `x.permute(0, 3, 1, 2)` of such a tensor *is* a `channels_last` one,
so no activation is ever copied; `lay_out` stores convolution kernels so that none is copied either.
"""

from kcv.kernels import packed, updates
from kcv.kernels.activation import relu6
from kcv.kernels.attention import (
    attention,
    attention_weights,
    join_heads,
    layer_norm,
    linear,
    unpack_heads,
)
from kcv.kernels.backend import TORCH
from kcv.kernels.convolution import conv2d, corrupts, depthwise_conv2d
from kcv.kernels.labels import check_labels
from kcv.kernels.layout import lay_out, match_layout
from kcv.kernels.machine import device, keep_memory, set_threads
from kcv.kernels.normalisation import batch_norm
from kcv.kernels.objective import (
    binary_cross_entropy,
    cross_entropy,
    hits,
    mean_cross_entropy,
)
from kcv.kernels.padding import pads
from kcv.kernels.pooling import avg_pool2d, max_pool2d
from kcv.kernels.products import conv_first
from kcv.kernels.randomness import drop_path, random_state, seed_backend, set_random_state
from kcv.kernels.views import cast_like, pad_end, prepend, reshape, roll, rows, transpose, unbind

__all__ = [
    "TORCH",
    "attention",
    "attention_weights",
    "avg_pool2d",
    "batch_norm",
    "cast_like",
    "check_labels",
    "conv2d",
    "conv_first",
    "corrupts",
    "binary_cross_entropy",
    "cross_entropy",
    "depthwise_conv2d",
    "device",
    "drop_path",
    "hits",
    "join_heads",
    "keep_memory",
    "lay_out",
    "layer_norm",
    "linear",
    "match_layout",
    "max_pool2d",
    "mean_cross_entropy",
    "packed",
    "pad_end",
    "pads",
    "prepend",
    "random_state",
    "relu6",
    "reshape",
    "roll",
    "rows",
    "seed_backend",
    "set_random_state",
    "set_threads",
    "transpose",
    "unbind",
    "unpack_heads",
    "updates",
]

"""The fully connected product and scaled dot-product attention."""

import keras
from keras import ops

from kcv.kernels.backend import TORCH

if TORCH:
    import torch.nn.functional as F


def linear(x, kernel, bias=None):
    """Multiply `(..., in)` by `(in, out)` and add the bias, in one call."""
    if TORCH:
        return F.linear(x, kernel.t(), bias)
    y = ops.matmul(x, kernel)
    return y if bias is None else y + bias


def attention(q, k, v, bias=None, dropout: float = 0.0, seed=None):
    """Scaled dot-product attention over `(B, heads, N, D)`; `bias` is added to the scores.

    `dropout` acts on the attention weights; layers pass 0 outside training. `seed` is the generator
    of its masks on backends other than torch.
    """
    if TORCH:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
    weights = attention_weights(q, k, bias)
    if dropout:
        weights = keras.random.dropout(weights, dropout, seed=seed)
    return ops.matmul(weights, v)


def attention_weights(q, k, bias=None):
    """Return the softmax of the scaled scores, `(B, heads, N, N)`, for whoever wants to look."""
    scores = ops.matmul(q * (q.shape[-1] ** -0.5), ops.swapaxes(k, -2, -1))
    return ops.softmax(scores if bias is None else scores + bias)

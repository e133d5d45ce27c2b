"""Multi-head self-attention with packed projections, and the transformer encoder."""

import keras

from kcv import kernels
from kcv.layers.drop_path import drop_path
from kcv.layers.init import SMALL_NORMAL, fresh
from kcv.layers.layer_scale import LayerScale
from kcv.layers.linear import Linear


@keras.saving.register_keras_serializable("kcv")
class Attention(keras.layers.Layer):
    """Multi-head self-attention: `(B, N, C) -> (B, N, C)`.

    Query, key and value come from one product and go through fused scaled-dot-product attention;
    `keras.layers.MultiHeadAttention` takes three products, and three times as long. The columns
    of the packed kernel are query, key, value, each with its heads one after the other (timm's
    order).

    Args:
        num_heads: heads; must divide C.
        qkv_bias: whether the packed projection has a bias.
        dropout: rate on the attention weights.
        rate: dropout after the output projection.

    Call arguments:
        return_attention: also return the weights `(B, num_heads, N, N)`; slower, for looking.

    Raises:
        ValueError: if the heads do not divide the channels.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.
    """

    def __init__(self, num_heads, qkv_bias=True, dropout=0.0, rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.qkv_bias = num_heads, qkv_bias
        self.dropout, self.rate = dropout, rate
        if dropout and not kernels.TORCH:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape):
        width = input_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                "Attention needs num_heads to divide the channels. "
                f"Received: num_heads={self.num_heads}, channels={width}."
            )
        make = lambda units, bias, name: Linear(  # noqa: E731
            units,
            use_bias=bias,
            kernel_initializer=fresh(SMALL_NORMAL),
            dtype=self.dtype_policy,
            name=name,
        )
        self.qkv = make(3 * width, self.qkv_bias, "qkv")
        self.proj = make(width, True, "proj")
        self.drop = keras.layers.Dropout(self.rate, dtype=self.dtype_policy)
        self.qkv.build(input_shape)
        self.proj.build(input_shape)

    def call(self, inputs, training=None, return_attention=False):
        return self.attend(inputs, self.qkv.call, self.proj.call, training, return_attention)

    def attend(self, x, qkv, proj, training, return_attention=False):
        """Do what `call` does, with its two products given as functions of a tensor."""
        q, k, v = kernels.unpack_heads(qkv(x), self.num_heads)
        seed = getattr(self, "seed_generator", None)
        x = kernels.attention(q, k, v, dropout=self.dropout if training else 0.0, seed=seed)
        x = proj(kernels.join_heads(x))
        if self.rate:
            x = self.drop(x, training=training)
        return (x, kernels.attention_weights(q, k)) if return_attention else x

    def compute_output_spec(self, inputs, training=None, return_attention=False):
        x = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention:
            return x
        size, length = inputs.shape[:2]
        return x, keras.KerasTensor((size, self.num_heads, length, length), self.compute_dtype)

    def get_config(self):
        own = {"num_heads": self.num_heads, "qkv_bias": self.qkv_bias}
        return {**super().get_config(), **own, "dropout": self.dropout, "rate": self.rate}


def mlp(x, width: int, act: str = "gelu", dropout: float = 0.0):
    """Two linear layers with an activation between: `(..., C) -> (..., C)`, `width` inside."""
    out = x.shape[-1]
    x = Linear(width, activation=act, kernel_initializer=fresh(SMALL_NORMAL))(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    x = Linear(out, kernel_initializer=fresh(SMALL_NORMAL))(x)
    return keras.layers.Dropout(dropout)(x) if dropout else x


def transformer_encoder(
    x,
    num_heads: int,
    mlp_ratio: float = 4.0,
    *,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    drop_rate: float = 0.0,
    layer_scale: float | None = None,
    epsilon: float = 1e-6,
):
    """Pre-norm transformer block: `(B, N, C) -> (B, N, C)`.

    Args:
        mlp_ratio: width inside the MLP, in multiples of C.
        dropout, attention_dropout: rates after the projections and on the attention weights.
        drop_rate: rate of stochastic depth on both branches.
        layer_scale: initial value of learned branch scales, None for none.
        epsilon: of the layer normalisations.

    Source: Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929.
    """
    width = x.shape[-1]
    y = keras.layers.LayerNormalization(epsilon=epsilon)(x)
    y = Attention(num_heads, dropout=attention_dropout, rate=dropout)(y)
    x = _residual(x, y, layer_scale, drop_rate)
    y = keras.layers.LayerNormalization(epsilon=epsilon)(x)
    y = mlp(y, round(width * mlp_ratio), dropout=dropout)
    return _residual(x, y, layer_scale, drop_rate)


def _residual(x, y, layer_scale, rate):
    if layer_scale is not None:
        y = LayerScale(layer_scale)(y)
    return keras.layers.Add()([x, drop_path(y, rate)])

"""Self-attention inside windows of a map, plain and shifted."""

import functools

import keras
import numpy as np
from keras import ops

from kcv import kernels
from kcv.layers.init import SMALL_NORMAL, fresh
from kcv.layers.linear import Linear


def relative_index(window: int) -> np.ndarray:
    """Return the row of the bias table for each pair of tokens, `(window^2, window^2)`.

    Row `(dy + window - 1) * (2 * window - 1) + dx + window - 1` belongs to a query that lies dy
    rows below and dx columns right of its key.
    """
    rows, columns = np.divmod(np.arange(window * window), window)
    down = rows[:, None] - rows[None, :] + window - 1
    right = columns[:, None] - columns[None, :] + window - 1
    return down * (2 * window - 1) + right


@functools.lru_cache(maxsize=64)
def shift_mask(size: tuple[int, int], window: int, shift: tuple[int, int]) -> np.ndarray:
    """Return what is added to the scores of shifted windows, `(windows, window^2, window^2)`.

    A cyclic shift puts opposite borders of the map into one window. Tokens that are no neighbours
    in the image get -100, all others 0. Blocks of one stage share the array.

    Args:
        size: rows and columns of the map, multiples of the window.
        shift: of rows and of columns.
    """
    rows, columns = (_region(n, window, s) for n, s in zip(size, shift, strict=True))
    region = 3 * rows[:, None] + columns[None, :]
    region = region.reshape(size[0] // window, window, size[1] // window, window)
    region = region.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return np.where(region[:, :, None] == region[:, None, :], 0.0, -100.0).astype("float32")


def _region(length: int, window: int, shift: int) -> np.ndarray:
    """Number the parts of an axis that a shift leaves apart: 0, 1, 2 from the start to the end."""
    place = np.arange(length)
    if not shift:
        return np.zeros_like(place)
    return (place >= length - window) * 1 + (place >= length - shift)


@keras.saving.register_keras_serializable("kcv")
class WindowAttention(keras.layers.Layer):
    """Multi-head self-attention in windows: `(B, H, W, C) -> (B, H, W, C)`.

    Padding, cyclic shift, partition, attention with a learned bias for each relative position, and
    the way back are one layer. Maps of any size work: rows and columns that do not fill a window
    are padded with zeros, which take part in the attention as in the published networks. An axis
    that one window covers is not shifted. Columns of the packed kernel are query, key, value, each
    with its heads one after the other.

    Args:
        num_heads: heads; must divide C.
        window: rows and columns of a window.
        shift: rows and columns by which the windows are moved, 0 <= shift < window; half a window
            in every other block of Swin.
        qkv_bias: whether the packed projection has a bias.
        dropout: rate on the attention weights.
        rate: dropout after the output projection.

    Call arguments:
        return_attention: also return the weights `(B, windows, num_heads, window^2, window^2)`,
            windows row by row; slower, for looking.

    Raises:
        ValueError: if the shift is outside its range or the heads do not divide the channels.

    Source: Liu et al. 2021, https://arxiv.org/abs/2103.14030.
    """

    def __init__(
        self, num_heads, window=7, shift=0, qkv_bias=True, dropout=0.0, rate=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        if not 0 <= shift < window:
            raise ValueError(
                "WindowAttention needs 0 <= shift < window. "
                f"Received: shift={shift}, window={window}."
            )
        self.num_heads, self.window, self.shift = num_heads, window, shift
        self.qkv_bias, self.dropout, self.rate = qkv_bias, dropout, rate
        self.source = None
        if dropout and not kernels.TORCH:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape):
        _, height, width, channels = input_shape
        if channels % self.num_heads:
            raise ValueError(
                "WindowAttention needs num_heads to divide the channels. "
                f"Received: num_heads={self.num_heads}, channels={channels}."
            )
        window = self.window
        self.table = self.add_weight(
            shape=((2 * window - 1) ** 2, self.num_heads),
            initializer=fresh(SMALL_NORMAL),
            name="relative_position",
        )
        self.qkv = self._linear(3 * channels, self.qkv_bias, "qkv")
        self.proj = self._linear(channels, True, "proj")
        self.drop = keras.layers.Dropout(self.rate, dtype=self.dtype_policy)
        self.qkv.build(input_shape)
        self.proj.build(input_shape)
        self._place(height, width)

    def _linear(self, units, bias, name):
        init = fresh(SMALL_NORMAL)
        policy = self.dtype_policy
        return Linear(units, use_bias=bias, kernel_initializer=init, dtype=policy, name=name)

    def _place(self, height, width):
        """Work out the grid of windows, and put index and mask on the device once."""
        window = self.window
        self.grid = (-(-height // window), -(-width // window))
        self.shifts = tuple(self.shift if n > 1 else 0 for n in self.grid)
        kind = "int64" if kernels.TORCH else "int32"  # JAX warns of what it would cut to 32 bits
        self.index = ops.convert_to_tensor(relative_index(window).reshape(-1), kind)
        self.mask = None
        if any(self.shifts):
            size = (self.grid[0] * window, self.grid[1] * window)
            mask = shift_mask(size, window, self.shifts)
            self.mask = ops.convert_to_tensor(mask[:, None], self.compute_dtype)

    def call(self, inputs, training=None, return_attention=False):
        return self.attend(inputs, self.qkv.call, self.proj.call, training, return_attention)

    def attend(self, inputs, qkv, proj, training, return_attention=False):
        """Do what `call` does, with its two products given as functions of a tensor."""
        q, k, v = self._split(qkv(self._enter(inputs)))
        bias = self._bias(inputs)
        seed = getattr(self, "seed_generator", None)
        x = kernels.attention(q, k, v, bias, self.dropout if training else 0.0, seed)
        # projecting after the padding is gone saves its share of the work
        x = proj(self._leave(self._join(x), *inputs.shape[1:3]))
        if self.rate:
            x = self.drop(x, training=training)
        if not return_attention:
            return x
        tokens = self.window * self.window
        shape = (-1, self.grid[0] * self.grid[1], self.num_heads, tokens, tokens)
        return x, ops.reshape(kernels.attention_weights(q, k, bias), shape)

    def _enter(self, x):
        """Pad to whole windows and shift."""
        below = self.grid[0] * self.window - x.shape[1]
        right = self.grid[1] * self.window - x.shape[2]
        if below or right:
            x = kernels.pad_end(x, below, right)
        up, left = self.shifts
        return kernels.roll(x, (-up, -left)) if up or left else x

    def _leave(self, x, height, width):
        """Shift back and cut the padding off."""
        if any(self.shifts):
            x = kernels.roll(x, self.shifts)
        return x if x.shape[1:3] == (height, width) else x[:, :height, :width]

    def _split(self, packed):
        """Cut the map into windows and heads: three tensors `(-1, fold, window^2, C / heads)`.

        Masked windows are folded into the heads, not into the batch: a mask for each window then
        serves every sample without being repeated.
        """
        (rows, columns), window, heads = self.grid, self.window, self.num_heads
        width = packed.shape[-1] // (3 * heads)
        fold = heads if self.mask is None else rows * columns * heads
        x = kernels.reshape(packed, (-1, rows, window, columns, window, 3, heads, width))
        x = kernels.transpose(x, (5, 0, 1, 3, 6, 2, 4, 7))
        return kernels.unbind(kernels.reshape(x, (3, -1, fold, window * window, width)))

    def _join(self, x):
        """Undo `_split`: the map `(B, rows, columns, C)` of all windows."""
        (rows, columns), window, heads = self.grid, self.window, self.num_heads
        width = x.shape[-1]
        x = kernels.reshape(x, (-1, rows, columns, heads, window, window, width))
        x = kernels.transpose(x, (0, 1, 4, 2, 5, 3, 6))
        return kernels.reshape(x, (-1, rows * window, columns * window, heads * width))

    def follow(self, source: "WindowAttention") -> bool:
        """Take the biases of a layer with larger windows from now on; True if it has such."""
        if source.window > self.window:
            # past Keras, which would count it as a part of this layer
            self.__dict__["source"] = source
        return source.window > self.window

    def table_of(self, source: "WindowAttention"):
        """Return the biases of a layer's relative positions; of larger windows, the middle."""
        if source.window <= self.window:
            return source.table.value
        side, cut = 2 * source.window - 1, source.window - self.window
        whole = kernels.reshape(source.table.value, (side, side, self.num_heads))
        inner = whole[cut : side - cut, cut : side - cut]
        return kernels.reshape(inner, ((2 * self.window - 1) ** 2, self.num_heads))

    def _bias(self, like):
        """Return bias and mask as one summand of the scores, `(1, fold, window^2, window^2)`."""
        tokens = self.window * self.window
        table = kernels.cast_like(self.table_of(self.source or self), like)
        bias = kernels.transpose(kernels.rows(table, self.index), (1, 0))
        bias = kernels.reshape(bias, (1, self.num_heads, tokens, tokens))
        if self.mask is None:
            return bias
        return kernels.reshape(bias + kernels.cast_like(self.mask, like), (1, -1, tokens, tokens))

    def compute_output_spec(self, inputs, training=None, return_attention=False):
        x = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention:
            return x
        windows, tokens = self.grid[0] * self.grid[1], self.window * self.window
        shape = (inputs.shape[0], windows, self.num_heads, tokens, tokens)
        return x, keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        own = {"num_heads": self.num_heads, "window": self.window, "shift": self.shift}
        own |= {"qkv_bias": self.qkv_bias, "dropout": self.dropout, "rate": self.rate}
        return {**super().get_config(), **own}

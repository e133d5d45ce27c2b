"""Images as sequences of tokens: patch embedding, class token, position embedding."""

import keras
from keras import ops

from kcv import kernels
from kcv.layers.conv import Conv2D
from kcv.layers.init import SMALL_NORMAL, fresh


def patch_embed(x, width: int, patch: int):
    """Cut the image into patches and embed each: `(B, H, W, C) -> (B, H/p * W/p, width)`.

    A convolution whose stride is its kernel; tokens come row by row. Rows and columns that do not
    fill a patch are cut off, as PyTorch's implementations do.
    """
    init = keras.initializers.LecunNormal()
    x = Conv2D(width, patch, patch, kernel_initializer=init)(x)
    return keras.layers.Reshape((-1, width))(x)


@keras.saving.register_keras_serializable("kcv")
class ClassToken(keras.layers.Layer):
    """Put learned tokens in front of a sequence: `(B, N, C) -> (B, N + count, C)`.

    Args:
        count: number of tokens (DeiT has two: class and distillation).
    """

    def __init__(self, count=1, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape):
        shape = (1, self.count, input_shape[-1])
        self.token = self.add_weight(shape=shape, initializer=fresh(SMALL_NORMAL), name="token")

    def call(self, inputs):
        return kernels.prepend(kernels.cast_like(self.token.value, inputs), inputs)

    def compute_output_shape(self, input_shape):
        length = None if input_shape[1] is None else input_shape[1] + self.count
        return (input_shape[0], length, input_shape[2])

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable("kcv")
class PositionEmbedding(keras.layers.Layer):
    """Add a learned vector to every token: `(B, N, C) -> (B, N, C)`.

    Args:
        grid: rows and columns of patches; the rest of the N tokens are prefix tokens.
    """

    def __init__(self, grid, **kwargs):
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        self.source = None

    def build(self, input_shape):
        shape = (1, *input_shape[1:])
        self.position = self.add_weight(
            shape=shape, initializer=fresh(SMALL_NORMAL), name="position"
        )

    def follow(self, source: "PositionEmbedding") -> bool:
        """Take the table of another grid from now on, resized in every call; True if it differs."""
        if source.grid != self.grid:
            # past Keras, which would count it as a part of this layer
            self.__dict__["source"] = source
        return source.grid != self.grid

    def table_of(self, source: "PositionEmbedding"):
        """Return the table of a layer, resized to this one's grid if it has another."""
        if source.grid == self.grid:
            return source.position.value
        prefix = source.position.shape[1] - source.grid[0] * source.grid[1]
        return resize_positions(source.position, source.grid, self.grid, prefix)

    def call(self, inputs):
        table = self.table_of(self.source or self)
        return inputs + kernels.cast_like(table, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "grid": self.grid}


def resize_positions(table, grid: tuple[int, int], new: tuple[int, int], prefix: int = 1):
    """Resize a position table `(1, prefix + h*w, C)` from one grid of patches to another.

    Bicubic with antialiasing in float32, the prefix tokens untouched: timm's rule. Other libraries
    have other rules, and each checkpoint keeps its own.
    """
    head, body = table[:, :prefix], table[:, prefix:]
    body = ops.reshape(ops.cast(body, "float32"), (1, *grid, table.shape[-1]))
    body = ops.image.resize(body, new, interpolation="bicubic", antialias=True)
    body = ops.reshape(body, (1, new[0] * new[1], table.shape[-1]))
    return ops.concatenate([head, ops.cast(body, head.dtype)], axis=1)


def token(x, index: int):
    """Return one token of the sequence: `(B, N, C) -> (B, C)`."""
    return x[:, index]

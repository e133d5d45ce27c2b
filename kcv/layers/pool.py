"""Pooling with integer padding and `ceil`, as PyTorch's models use it."""

import keras

from kcv import kernels


class _Pool2D(keras.layers.Layer):
    """Window size, stride and padding shared by both poolings."""

    def __init__(self, pool_size, strides=None, padding=0, ceil=False, **kwargs):
        super().__init__(**kwargs)
        pair = lambda n: (n, n) if isinstance(n, int) else tuple(n)  # noqa: E731
        self.pool_size = pair(pool_size)
        self.strides = self.pool_size if strides is None else pair(strides)
        self.padding, self.ceil = padding, ceil

    def build(self, input_shape):
        # a window that does not fit is refused here: Keras wraps what is raised inside of a call
        self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape):
        sizes = []
        for n, k, s, i in zip(input_shape[1:3], self.pool_size, self.strides, (0, 1), strict=True):
            sizes.append(None if n is None else self._length(n, k, s, i))
        return (input_shape[0], *sizes, input_shape[-1])

    def _length(self, n, k, s, axis):
        if self.padding == "same":
            return -(-n // s)
        before, after = kernels.pads(self.padding, (0, 0), self.pool_size, self.strides)[axis]
        span = n + before + after - k
        out = (-(-span // s) if self.ceil else span // s) + 1
        # a last window that would start beyond the input is dropped, as in torch
        out -= int(self.ceil and (out - 1) * s >= n + before)
        if out < 1:
            raise ValueError(
                f"{self.name} needs an image of at least its window {self.pool_size}. "
                f"Received: size {n}. Use a larger image_size or stem='small'."
            )
        return out

    def get_config(self):
        own = {"pool_size": self.pool_size, "strides": self.strides}
        return {**super().get_config(), **own, "padding": self.padding, "ceil": self.ceil}


@keras.saving.register_keras_serializable("kcv")
class MaxPool2D(_Pool2D):
    """Maximum over windows, `(B, H, W, C) -> (B, H', W', C)`.

    Args:
        pool_size: window, an int or (rows, columns).
        strides: step of the window, by default the window.
        padding: pixels on every side, `"same"` or `"valid"`; padded positions never win.
        ceil: round the output size up, as GoogLeNet and SqueezeNet do.
    """

    def call(self, inputs):
        return kernels.max_pool2d(inputs, self.pool_size, self.strides, self.padding, self.ceil)


@keras.saving.register_keras_serializable("kcv")
class AvgPool2D(_Pool2D):
    """Mean over windows, `(B, H, W, C) -> (B, H', W', C)`.

    Args:
        pool_size, strides, padding, ceil: as in `MaxPool2D`.
        count_pad: whether padded zeros count as values (PyTorch's default, not TensorFlow's).
    """

    def __init__(self, pool_size, strides=None, padding=0, ceil=False, count_pad=True, **kwargs):
        super().__init__(pool_size, strides, padding, ceil, **kwargs)
        self.count_pad = count_pad

    def call(self, inputs):
        return kernels.avg_pool2d(
            inputs, self.pool_size, self.strides, self.padding, self.ceil, self.count_pad
        )

    def get_config(self):
        return {**super().get_config(), "count_pad": self.count_pad}

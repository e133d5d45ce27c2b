"""Local response normalisation, the normalisation of AlexNet and GoogLeNet before batch norm."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kcv")
class LocalResponseNorm(keras.layers.Layer):
    """Divide each channel by the energy of its neighbours: `(..., C) -> (..., C)`.

    `y[c] = x[c] / (k + alpha / size * sum(x[j] ** 2)) ** beta`, the sum over the `size` channels
    around `c`, those beyond the first and the last counting as zero. As in PyTorch and Caffe,
    `alpha` is divided by `size`; the formula printed in the paper and TensorFlow's operation do
    not divide: multiply their alpha by `size` to get it here. An even window reaches one channel
    further down than up. Computed in float32 at least.

    Args:
        size: channels in the window.
        alpha, beta, k: of the formula above. The defaults are the paper's numbers (PyTorch's
            default k is 1).

    Raises:
        ValueError: if `size` is not a positive integer.

    Source: Krizhevsky et al. 2012,
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    """

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=2.0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(size, int) or size < 1:
            raise ValueError(
                f"LocalResponseNorm needs size to be an integer >= 1. Received: size={size!r}."
            )
        self.size, self.alpha, self.beta, self.k = size, float(alpha), float(beta), float(k)

    def call(self, inputs):
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        channels, below = x.shape[-1], self.size // 2
        around = [(0, 0)] * (len(x.shape) - 1) + [(below, self.size - 1 - below)]
        square = ops.pad(ops.square(x), around)
        energy = sum(square[..., i : i + channels] for i in range(self.size))
        y = x * ops.power(self.k + self.alpha / self.size * energy, -self.beta)
        return ops.cast(y, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}
        return {**super().get_config(), **own}

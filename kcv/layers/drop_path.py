"""Stochastic depth."""

import keras

from kcv import kernels


@keras.saving.register_keras_serializable("kcv")
class DropPath(keras.layers.Layer):
    """Drop a residual branch for whole samples during training: `(B, ...) -> (B, ...)`.

    With probability `rate` a sample's branch becomes zero, otherwise it is scaled by
    `1 / (1 - rate)`, so the mean is kept. The paper instead scales at test time.

    Args:
        rate: probability of a drop, 0 <= rate < 1.
        seed: seed of the masks on backends other than torch; torch uses its global generator.

    Raises:
        ValueError: if the rate is outside its range.

    Source: Huang et al. 2016, https://arxiv.org/abs/1603.09382.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"DropPath needs 0 <= rate < 1. Received: rate={rate}.")
        self.rate, self.seed = float(rate), seed
        if self.rate and not kernels.TORCH:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        if not training or not self.rate:
            return inputs
        return kernels.drop_path(inputs, self.rate, getattr(self, "seed_generator", None))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def drop_path(x, rate: float):
    """Apply `DropPath(rate)`; a rate of 0 adds no layer."""
    return DropPath(rate)(x) if rate else x


def drop_path_rates(rate: float, depth: int) -> list[float]:
    """Return `depth` rates that grow linearly from 0 to `rate` (the paper's linear decay rule)."""
    return [rate * i / max(depth - 1, 1) for i in range(depth)]

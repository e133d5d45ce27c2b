"""Learned scales for residual branches."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kcv")
class LayerScale(keras.layers.Layer):
    """Multiply each channel by a learned number: `(..., C) -> (..., C)`.

    Args:
        value: initial scale; 1e-6 in ConvNeXt, 1e-5 to 1e-1 in CaiT.

    Source: Touvron et al. 2021, https://arxiv.org/abs/2103.17239.
    """

    def __init__(self, value=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.value = float(value)

    def build(self, input_shape):
        init = keras.initializers.Constant(self.value)
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer=init, name="gamma")

    def call(self, inputs):
        return inputs * ops.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "value": self.value}

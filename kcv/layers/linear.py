"""The fully connected layer as one fused call."""

import keras

from kcv import kernels
from kcv.layers.init import Postponable


@keras.saving.register_keras_serializable("kcv")
class Linear(Postponable, keras.layers.Dense):
    """`keras.layers.Dense` with product and bias in one torch call: `(..., in) -> (..., units)`.

    Weights, names, arguments and errors are those of Keras' layer.
    """

    def call(self, inputs, training=None):
        if self.quantization_mode:  # other layers call this one's `call` directly
            return self.quantized_call(inputs, training=training)
        if self.lora_enabled:
            return super().call(inputs, training=training)
        bias = self.bias.value if self.use_bias else None
        x = kernels.linear(inputs, self._kernel.value, bias)
        return x if self.activation is None else self.activation(x)

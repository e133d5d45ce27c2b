"""Which backend the kernels are written for."""

import keras

TORCH = keras.backend.backend() == "torch"

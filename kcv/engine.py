"""The model class that `kcv.models.build` returns."""

import keras


@keras.saving.register_keras_serializable("kcv")
class Model(keras.Model):
    """A functional Keras model; everything Keras says of `keras.Model` holds."""

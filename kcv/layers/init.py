"""Initialisers of the papers.

A Keras initialiser draws its seed when it is made and then always returns the same numbers for the
same shape. Constants of a module must therefore be cloned for each layer: `fresh` does it.
"""

import keras

# He et al. 2015, https://arxiv.org/abs/1502.01852, in the fan-out form of the ResNet code
HE = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=0)
# Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, and the transformers after it
SMALL_NORMAL = keras.initializers.TruncatedNormal(stddev=0.02, seed=0)


def fresh(init):
    """Return a copy of an initialiser (or of the one named) that draws a seed of its own."""
    config = keras.initializers.get(init).get_config()
    if "seed" in config:
        config["seed"] = None
    return type(keras.initializers.get(init)).from_config(config)

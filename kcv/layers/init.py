"""Initialisers of the papers.

A Keras initialiser draws its seed when it is made and then always returns the same numbers for the
same shape. Constants of a module must therefore be cloned for each layer: `fresh` does it.
"""

import keras

# He et al. 2015, https://arxiv.org/abs/1502.01852, in the fan-out form of the ResNet code. The fan
# of a depthwise kernel is its window here; PyTorch counts all channels, and starts it smaller.
HE = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=0)
# Standard deviation 0.02, as in the code of DeiT and the transformers after it. Keras cuts
# normals at two standard deviations, which leaves 0.8796 of one; theirs is cut far outside.
SMALL_NORMAL = keras.initializers.TruncatedNormal(stddev=0.02 / 0.8796, seed=0)


def fresh(init):
    """Return a copy of an initialiser (or of the one named) that draws a seed of its own."""
    config = keras.initializers.get(init).get_config()
    if "seed" in config:
        config["seed"] = None
    return type(keras.initializers.get(init)).from_config(config)

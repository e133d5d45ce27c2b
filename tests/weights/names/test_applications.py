"""keras.applications' networks, in float64: kcv's take their weights and score the same."""

import importlib

import keras
import numpy as np
import pytest
import torch
from keras.src.applications.nasnet import NASNet

from kcv import models
from kcv.weights import names

NETWORKS = {
    "mobilenet_v1": keras.applications.MobileNet,
    "mobilenet_v2": keras.applications.MobileNetV2,
    "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    "efficientnet_b0": keras.applications.EfficientNetB0,
    "resnet50": keras.applications.ResNet50,
    # the public function refuses torch, on which the network runs
    "nasnet_mobile": NASNet,
}
MOBILE = {
    "penultimate_filters": 1056,
    "num_blocks": 4,
    "stem_block_filters": 32,
    "skip_reduction": False,
    "default_size": 224,
}
OPTIONS = {"nasnet_mobile": MOBILE, "mobilenet_v3_small": {"include_preprocessing": False}}


def randomise(model, rng):
    """Give every weight random values, and return them as the published files name them."""
    tensors = {}
    for layer in model.layers:
        for weight in layer.weights:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and weight.name == "kernel"
            name = f"{layer.name}/{'depthwise_kernel' if depthwise else weight.name}"
            value = rng.normal(size=weight.shape)
            if name.endswith("kernel"):
                value *= (2 / np.prod(weight.shape[: 2 if "depthwise" in name else -1])) ** 0.5
            elif name.endswith(("gamma", "variance")):
                value = 1 + 0.2 * np.tanh(value)
            else:
                value *= 0.1
            if not isinstance(layer, keras.layers.Normalization):
                weight.assign(value)
            tensors[name] = np.asarray(weight.numpy())
    return tensors


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(64, 64), (97, 75)], ids=str)
def test_a_network_takes_the_weights_and_scores_the_same(references, rng, name, size):
    if name == "mobilenet_v1" and size[0] % 2:
        pytest.skip("keras.applications pads this one for even sizes only")
    parity = importlib.import_module("parity")
    try:
        parity.wide(True)
        options = {"weights": None, "classes": 1000, "classifier_activation": None}
        theirs = NETWORKS[name](input_shape=(*size, 3), **options, **OPTIONS.get(name, {}))
        tensors = randomise(theirs, rng)
        needed = names.numerics(name, "keras/any")
        ours = models.build(name, image_size=size, **needed)
        names.load(ours, tensors, "keras", needed)
        images = rng.normal(size=(2, *size, 3))
        # EfficientNet holds a division by 255
        factor = 255 if name == "efficientnet_b0" else 1
        with torch.no_grad():
            a = ours(images, training=False).numpy()
            b = theirs(images * factor, training=False).numpy()
    finally:
        parity.wide(False)
    assert np.abs(a - b).max() <= 1e-8 * np.abs(b).max()
    back = names.dump(ours, "keras")
    assert all(np.array_equal(back[key], tensors[key]) for key in back)

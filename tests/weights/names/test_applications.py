"""keras.applications' networks: kcv's take their weights from Keras's files and score the same."""

import importlib

import keras
import numpy as np
import pytest
import torch

import kcv
from kcv import models
from kcv.weights import names

# one of each family; VGG's classifier fits its native size only
NETWORKS = {
    "MobileNet": (96, 64),
    "MobileNetV2": (97, 75),
    "MobileNetV3Small": (97, 75),
    "EfficientNetB0": (97, 75),
    "ResNet50": (97, 75),
    "InceptionV3": (97, 79),
    "ConvNeXtTiny": (97, 75),
    "NASNetMobile": (97, 75),
    "VGG16": (224, 224),
}


@pytest.fixture
def parity(references):
    module = importlib.import_module("parity")
    yield module
    module.wide(False)
    keras.utils.clear_session(free_memory=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_the_weights_and_scores_the_same(references, parity, name):
    case = next(c for c in references.cases() if c.reference == name)
    assert parity.measure(case, NETWORKS[name]).equal


CONVNEXT = {"weights": None, "classes": 5, "classifier_activation": None}
SMALL = {"depths": [1, 1, 1, 1], "projection_dims": [96, 192, 384, 768], "name": "convnext_tiny"}


def convnext():
    """A small ConvNeXt of keras.applications, preprocessing inside, and kcv's arguments for it."""
    from keras.src.applications.convnext import ConvNeXt

    theirs = ConvNeXt(**SMALL, **CONVNEXT, input_shape=(64, 64, 3), layer_scale_init_value=0.5)
    return "convnext_tiny", theirs, {"depths": (1, 1, 1, 1)}


def inception():
    """Inception v3 of keras.applications: second of a session, so that its names go on counting."""
    keras.applications.InceptionV3(**CONVNEXT, input_shape=(75, 75, 3))
    return "inception_v3", keras.applications.InceptionV3(**CONVNEXT, input_shape=(75, 75, 3)), {}


@pytest.mark.parametrize("make", [convnext, pytest.param(inception, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", ["h5", "keras", "weights.h5"])
def test_files_that_keras_writes_are_loaded(tmp_path, rng, make, ending):
    name, theirs, changes = make()
    for weight in theirs.weights:
        if len(weight.shape) == 1:
            weight.assign(weight.numpy() + 0.1 * rng.uniform(size=weight.shape))
    path = tmp_path / f"theirs.{ending}"
    theirs.save_weights(path) if ending == "weights.h5" else theirs.save(path)
    size = theirs.input_shape[1]
    ours = models.build(name, weights=path, image_size=size, **changes)
    assert ours.arguments["num_classes"] == 5
    images = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
    inside = any(isinstance(layer, keras.layers.Normalization) for layer in theirs.layers)
    seen = (images - 255 * np.array(kcv.weights.preprocessing.IMAGENET[0])) / (
        255 * np.array(kcv.weights.preprocessing.IMAGENET[1])
    )
    with torch.no_grad():
        a = ours(seen.astype("float32"), training=False).numpy()
        b = theirs(images if inside else seen.astype("float32"), training=False).numpy()
    assert np.abs(a - b).max() <= 2e-5 * np.abs(b).max()


@pytest.mark.parametrize("make", [convnext, pytest.param(inception, marks=pytest.mark.slow)])
def test_keras_loads_what_kcv_writes(tmp_path, rng, make):
    keras.utils.clear_session(free_memory=False)
    name, theirs, changes = make()
    needed = names.numerics(name, "keras/any")
    size = theirs.input_shape[1]
    ours = models.build(name, num_classes=5, image_size=size, **changes, **needed)
    path = kcv.weights.save(ours, tmp_path / "ours.h5", format="keras")
    keras.utils.clear_session(free_memory=False)
    if make is inception:
        theirs = keras.applications.InceptionV3(**CONVNEXT, input_shape=(75, 75, 3))
    theirs.load_weights(path, by_name=True)
    images = rng.normal(size=(1, size, size, 3)).astype("float32")
    inside = any(isinstance(layer, keras.layers.Normalization) for layer in theirs.layers)
    mean, std = kcv.weights.preprocessing.IMAGENET
    grey = (images * np.array(std) + np.array(mean)) * 255
    with torch.no_grad():
        a = ours(images, training=False).numpy()
        b = theirs(grey.astype("float32") if inside else images, training=False).numpy()
    assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "network"),
    [("resnet50", "ResNet50"), pytest.param("vgg16", "VGG16", marks=pytest.mark.slow)],
)
def test_blue_green_red_networks_take_red_green_blue_here(tmp_path, rng, name, network):
    """Grey levels through keras.applications' preprocessing and network, and through kcv's."""
    size = 64 if name == "resnet50" else 224
    options = {**CONVNEXT, "input_shape": (size, size, 3)}
    theirs = getattr(keras.applications, network)(**options)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    prepare = getattr(keras.applications, name).preprocess_input
    grey = tuple(np.array([123.68, 116.779, 103.939]).tolist())
    ours = models.build(
        name, weights=tmp_path / "theirs.weights.h5", image_size=size, normalize=(grey, (1.0,) * 3)
    )
    images = rng.integers(0, 256, (2, size, size, 3)).astype("float32")
    with torch.no_grad():
        a = ours(images, training=False).numpy()
        b = theirs(prepare(images.copy()), training=False).numpy()
    assert np.abs(a - b).max() <= 2e-5 * np.abs(b).max()

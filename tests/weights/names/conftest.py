"""Small networks of every family, built once; tensors of a checkpoint that a test may change."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

from kcv import models
from kcv.weights import names

SCRIPTS = Path(__file__).parents[3] / "scripts"
SMALL = {
    "alexnet": {"width": 0.125, "dense_width": 8, "image_size": 64},
    "convnext_atto": {"width": 8, "depths": (1, 1, 2, 1)},
    "convnext_tiny": {"depths": (1, 1, 1, 1), "width": 96},
    "efficientnet_b0": {"width": 0.25},
    "googlenet": {"width": 0.125, "image_size": 64},
    "inception_v3": {"width": 0.125, "image_size": 75},
    "mnasnet_050": {"width": 0.25},
    "mobilenet_v1": {"width": 0.25},
    "mobilenet_v2": {"width": 0.25},
    "mobilenet_v3_small": {"width": 0.25},
    "nasnet_large": {"penultimate": 192, "depth": 2, "stem_width": 8, "image_size": 64},
    "resnet18": {"width": 0.125},
    "resnet50d": {"width": 0.125, "depths": (1, 1, 1, 1)},
    "seresnet50": {"width": 0.125, "depths": (1, 1, 1, 1)},
    "resnet50": {"width": 0.125, "depths": (1, 1, 1, 1), "stride_at": "1x1", "conv_bias": True},
    "shufflenet_v1_g3": {"width": 0.25, "depths": (2, 2, 2)},
    "shufflenet_v2_050": {"width": 0.5, "depths": (2, 2, 2), "head": 32},
    "squeezenet1_1": {"width": 0.25, "image_size": 64},
    "swin_tiny": {"width": 8, "depths": (1, 2), "num_heads": (1, 2), "image_size": 56},
    "vgg11_bn": {"width": 0.125, "dense_width": 8},
    "vgg11": {"width": 0.125, "dense_width": 8},
    "vit_tiny_16": {"width": 12, "depth": 1, "image_size": 64},
    "deit_tiny_distilled_16": {"width": 12, "depth": 1, "image_size": 64},
}


@functools.cache
def network(name, **changes):
    """Build the small network of a name, 5 classes, 32 pixels."""
    options = {"num_classes": 5, "image_size": 32, **SMALL[name], **changes}
    return models.build(name, **options)


@pytest.fixture
def small():
    return network


@pytest.fixture
def checkpoint():
    """Return random tensors as a dialect names those of a small network."""

    def make(name, dialect, **changes):
        rng = np.random.default_rng(0)
        tensors = names.dump(network(name, **changes), dialect)
        return {
            key: rng.normal(size=value.shape).astype("float32")
            if value.dtype == np.float32
            else value
            for key, value in tensors.items()
        }

    return make


@pytest.fixture
def references(monkeypatch):
    """The script's module that builds the networks of other libraries, torchvision importable."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import parity_references

    parity_references.prepare()
    yield parity_references
    sys.modules.pop("parity_references")

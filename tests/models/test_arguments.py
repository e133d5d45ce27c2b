"""What every family takes: width, depth, rates, sizes; and what it gives: a map at every stride."""

import functools
import inspect
import re

import keras
import numpy as np
import pytest
from families import DEEPER, FIXED, MEMBERS, TINY, WIDER
from test_models import output, pixels, sketch, tiny

from kcv import models
from kcv.layers import DropPath
from kcv.models import VARIANTS

plain = functools.cache(sketch)


def drops(net, kind):
    return [layer.rate for layer in net.layers if isinstance(layer, kind)]


def kernels_of(net):
    return len([w for w in net.trainable_weights if len(w.shape) > 1])


@pytest.mark.parametrize("name", MEMBERS)
def test_width_widens_every_layer(name):
    width = TINY[name].get("width", models.fields(name)["width"])
    large = sketch(name, **WIDER.get(name, WIDER["default"])(width))
    assert kernels_of(large) == kernels_of(plain(name))
    assert large.count_params() > 2 * plain(name).count_params()


@pytest.mark.parametrize("name", MEMBERS)
def test_depth_adds_layers_and_rates_add_dropout(name):
    """Dropout in every family, stochastic depth in every one that sums."""
    small, sums = plain(name), "drop_rate" in models.fields(name)
    rates = {"dropout": 0.375, **({"drop_rate": 0.2} if sums else {})}
    large = sketch(name, **rates, **DEEPER.get(name, {}))
    assert (kernels_of(large) > kernels_of(small)) == (name not in FIXED)
    assert large.output_shape == small.output_shape
    assert 0.375 in drops(large, keras.layers.Dropout)
    assert 0.375 not in drops(small, keras.layers.Dropout)
    assert sums == any(type(layer) is keras.layers.Add for layer in small.layers)
    dropped = drops(large, DropPath)
    assert dropped == sorted(dropped)
    assert (0.1 <= max(dropped) <= 0.2 + 1e-9) if sums else not dropped
    assert not drops(small, DropPath)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v1_g3", "vit_tiny_16"])
def test_rates_act_in_training_only(name):
    net = tiny(name, drop_rate=0.9, **{"depths": (3, 1, 1)} if name[:3] == "shu" else {})
    first, second = (keras.ops.convert_to_numpy(net(pixels(), training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(output(net, pixels()), output(net, pixels()))


def strides(tensors, side):
    """Return the strides of maps, as powers of two; what is pooled to a pixel is no map."""
    maps = [t.shape[1] for t in tensors if len(t.shape) == 4 and t.shape[1] > 1]
    return {round(np.log2(side / n)) for n in maps}


# one stride only, and the poolings of LeNet, whose unpadded convolutions keep the stride
TOKENS, UNPADDED = {"vit_tiny_16", "deit_tiny_distilled_16"}, {"lenet5"}


@pytest.mark.parametrize("name", MEMBERS)
def test_the_paper_s_network_takes_any_size_and_names_a_map_at_every_stride(name):
    side = 299 if name == "inception_v3" else 225
    net = sketch(name, image_size=(side, 131), stem="standard", channels=1, num_classes=None)
    inner = [layer for layer in net.layers[1:] if "AdaptiveAverage" not in type(layer).__name__]
    named = [layer.output for layer in inner if layer.name.startswith(("stage", "features"))]
    assert len(named) > 2
    if name not in TOKENS | UNPADDED:
        assert strides([layer.output for layer in inner], side) == strides(named, side)


def test_strides_of_the_families():
    """What a detector finds: stages at 2, 4, 8, 16, 32, as far as the paper's network has them."""
    found = {}
    for name in ("resnet18", "swin_tiny", "alexnet", "vgg11_bn", "squeezenet1_1", "lenet5"):
        side = 32 if name == "lenet5" else 224
        net = sketch(name, image_size=side, stem="standard")
        stages = [n.output.shape[1] for n in net.layers if n.name.startswith(("stage", "features"))]
        found[name] = stages
    assert found == {
        "resnet18": [112, 56, 28, 14, 7, 7],
        "swin_tiny": [56, 56, 28, 14, 7, 7],
        "alexnet": [55, 27, 13, 13, 13, 6],
        "vgg11_bn": [224, 112, 56, 28, 14, 7],
        "squeezenet1_1": [111, 55, 27, 13, 13],
        "lenet5": [28, 10, 5],
    }


# the smallest images, as the networks' docstrings name them
LEAST = [
    ("lenet5", "standard", 16),
    ("alexnet", "standard", 63),
    ("alexnet", "medium", 29),
    ("alexnet", "small", 15),
    ("vgg11_bn", "standard", 32),
    ("vgg11_bn", "small", 1),
    ("inception_v3", "standard", 75),
    ("inception_v3", "medium", 31),
    ("squeezenet1_1", "standard", 17),
    ("vit_tiny_16", "standard", 16),
    ("swin_tiny", "standard", 4),
]


@pytest.mark.parametrize(("name", "stem", "least"), LEAST)
def test_the_smallest_image_is_the_one_that_is_named(name, stem, least):
    sketch(name, stem=stem, image_size=least)
    with pytest.raises(ValueError, match="image_size|image of at least"):
        sketch(name, stem=stem, image_size=least - 1)
    told = inspect.getdoc(VARIANTS[name].func)
    if least > 4:
        assert re.search(rf"from {least}\s+(pixels\s+)?on|{least} pixels", told)


def test_what_all_families_share_has_one_name_everywhere():
    wanted = {"num_classes", "image_size", "channels", "normalize", "stem", "width", "dropout"}
    lacking = {name: wanted - set(models.fields(name)) for name in VARIANTS}
    assert not any(lacking.values())
    kinds = {p.kind for row in VARIANTS.values() for p in _parameters(row)}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def _parameters(row):
    return inspect.signature(row.func).parameters.values()

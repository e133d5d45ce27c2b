"""How weights start: the spread of every kind of kernel, and what is constant."""

import keras
import numpy as np
import pytest
from families import RULES, TINY, quick_or_slow
from test_models import pixels, still, tiny

from kcv.layers import (
    Attention,
    BatchNorm,
    ClassToken,
    Conv2D,
    DepthwiseConv2D,
    LayerScale,
    Linear,
    PositionEmbedding,
)
from kcv.layers.window import WindowAttention
from kcv.models import VARIANTS


def leaves(net):
    """Return every layer that holds a kernel itself."""
    return [n for n in net._flatten_layers() if isinstance(n, Conv2D | DepthwiseConv2D | Linear)]


def close(kernel, wanted):
    """Return whether a kernel has the spread, within five standard errors of a normal's."""
    tolerance = 5 / (2 * kernel.size) ** 0.5
    return kernel.std() == pytest.approx(wanted, rel=tolerance)


def test_every_family_has_rules():
    assert {VARIANTS[name].func for name in TINY} == {VARIANTS[name].func for name in RULES}


@pytest.mark.parametrize("name", quick_or_slow(RULES))
def test_kernels_start_as_the_family_says(name):
    of_conv, of_dense, of_last = RULES[name]
    net, wrong = tiny(name, num_classes=40), []
    for layer in leaves(net):
        rule = of_dense if isinstance(layer, Linear) else of_conv
        kernel = layer.get_weights()[0]
        if layer.name.startswith("logits"):
            rule = of_last
        if not close(kernel, rule(kernel.shape)):
            wrong.append((layer.name, kernel.shape, kernel.std(), rule(kernel.shape)))
    assert wrong == []


@pytest.mark.parametrize("name", quick_or_slow(RULES))
def test_biases_start_at_zero_and_norms_at_one(name):
    for weight in still(name).weights:
        value = keras.ops.convert_to_numpy(weight)
        if weight.path.startswith("logits_map/"):
            continue  # SqueezeNet's last bias starts at one, its file says why
        if weight.path.endswith(("bias", "beta", "moving_mean")):
            np.testing.assert_array_equal(value, 0)
        elif "normalization" in weight.path or "batch_norm" in weight.path:
            np.testing.assert_array_equal(value, 1)


@pytest.mark.parametrize("name", ["resnet18", "resnet50d", "seresnext50_32x4d", "mobilenet_v2"])
def test_residual_branches_may_start_at_zero(name):
    """The last gammas of summed branches, and no others; what is added is then nothing."""
    net = tiny(name, zero_init_residual=True)
    norms = [layer for layer in net.layers if isinstance(layer, BatchNorm)]
    zero = [layer for layer in norms if not layer.get_weights()[0].any()]
    assert all(np.all(layer.get_weights()[0] == 1) for layer in norms if layer not in zero)
    sums = [layer for layer in net.layers if type(layer) is keras.layers.Add]
    assert len(zero) == len(sums) > 0
    pairs = [node.input_tensors for layer in sums for node in layer._inbound_nodes]
    inner = keras.Model(net.inputs[0], [pair[name == "mobilenet_v2"] for pair in pairs])
    branches = keras.tree.flatten(inner(pixels(), training=False))
    assert not any(keras.ops.convert_to_numpy(branch).any() for branch in branches)


def test_tokens_positions_and_tables_start_small():
    layers = [*tiny("vit_tiny_16", width=96).layers, *still("swin_tiny").layers]
    kinds = (ClassToken, PositionEmbedding, WindowAttention)
    tables = [n.get_weights()[0] for n in layers if isinstance(n, kinds)]
    assert len(tables) > 3
    assert all(close(table, 0.02) for table in tables)


def test_attention_starts_small_inside():
    layer = Attention(3)
    layer.build((None, 5, 96))
    assert close(layer.qkv.get_weights()[0], 0.02)
    assert close(layer.proj.get_weights()[0], 0.02)


def test_branch_scales_start_at_the_value_of_the_paper():
    scales = [n for n in still("convnext_atto").layers if isinstance(n, LayerScale)]
    assert scales
    for layer in scales:
        np.testing.assert_allclose(layer.get_weights()[0], 1e-6)

"""MobileNetV3: the inverted residual that three families share, and the head."""

import keras
import numpy as np
import pytest

from kcv.layers import Linear
from kcv.models.mobilenet_v3 import LARGE, SMALL, inverted_residual, mobilenet_v3


def block(**options):
    image = keras.Input((8, 8, 6))
    return keras.Model(image, inverted_residual(image, **options))


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


def test_no_expansion_where_the_inner_width_is_that_of_the_input():
    assert kinds(block(width=6, inner=6)).count("Conv2D") == 1
    assert kinds(block(width=6, inner=12)).count("Conv2D") == 2


@pytest.mark.parametrize(("width", "stride", "adds"), [(6, 1, 1), (8, 1, 0), (6, 2, 0)])
def test_the_input_is_added_where_it_fits(width, stride, adds):
    net = block(width=width, stride=stride, inner=12)
    assert kinds(net).count("Add") == adds
    assert net.output_shape[1:] == (8 // stride, 8 // stride, width)


def test_stochastic_depth_acts_on_the_branch_only(rng):
    net = block(width=6, inner=12, rate=0.999)
    x = rng.normal(size=(4, 8, 8, 6)).astype("float32")
    kept = keras.ops.convert_to_numpy(net(x, training=True))
    np.testing.assert_array_equal(kept, x)


def test_the_gate_stands_between_filter_and_projection():
    seen = []
    block(width=6, inner=12, gate=lambda y: seen.append(y.shape) or y)
    assert seen == [(None, 8, 8, 12)]


def test_the_feature_map_has_no_hidden_layer():
    layers = mobilenet_v3(width=0.35, num_classes=None).layers
    assert not [layer for layer in layers if isinstance(layer, Linear)]


def test_depth_repeats_the_last_expansion_of_a_stage():
    net = mobilenet_v3(stages=SMALL, width=0.35, depth=2.0, num_classes=4)
    assert len([k for k in kinds(net) if k == "DepthwiseConv2D"]) == 2 * 11


def test_the_rows_are_those_of_the_paper():
    assert [len(s.expansions) for s in LARGE] == [1, 2, 3, 4, 2, 3]
    assert [round(e * 40) for e in LARGE[2].expansions] == [120, 120, 120]
    assert [round(e * 80) for e in LARGE[3].expansions[1:]] == [200, 184, 184]

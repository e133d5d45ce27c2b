"""MobileNetV3: its rows and the head."""

from kcv.layers import Linear
from kcv.models.mobilenet_v3 import LARGE, SMALL, mobilenet_v3


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


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

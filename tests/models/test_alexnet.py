"""AlexNet, with one tower and with two."""

import keras
import numpy as np
import pytest

from kcv.layers import Conv2D, Linear
from kcv.layers.lrn import LocalResponseNorm
from kcv.models.alexnet import alexnet


def tiny(**changes):
    options = {"num_classes": 4, "width": 0.125, "dense_width": 16}
    return alexnet(**{**options, **changes})


def kinds(net, cls):
    return [layer for layer in net.layers if isinstance(layer, cls)]


def test_two_towers_meet_in_the_third_convolution_only():
    groups = [conv.groups for conv in kinds(tiny(design="two_towers"), Conv2D)]
    assert groups == [1, 2, 1, 2, 2]


def test_two_towers_normalise_the_first_two_convolutions():
    net = tiny(design="two_towers")
    before = [layer.input.shape[1] for layer in kinds(net, LocalResponseNorm)]
    assert before == [55, 27]
    assert not kinds(tiny(), LocalResponseNorm)


@pytest.mark.parametrize("image_size", [224, 227])
def test_both_sizes_that_are_told_of_give_6x6(image_size):
    net = tiny(image_size=image_size, design="two_towers")
    assert net.get_layer("features").output.shape[1:3] == (6, 6)
    assert not kinds(net, keras.layers.AdaptiveAveragePooling2D)


@pytest.mark.parametrize(("design", "dropped"), [("one_tower", 2), ("two_towers", 1)])
def test_dropout_stands_where_each_paper_has_it(design, dropped):
    order = [type(layer) for layer in kinds(tiny(design=design), (keras.layers.Dropout, Linear))]
    assert order.count(keras.layers.Dropout) == 2
    assert order.index(keras.layers.Dropout) == 2 - dropped


def test_two_towers_start_with_the_paper_s_numbers():
    convs = kinds(tiny(design="two_towers", width=1.0), Conv2D)
    assert [float(np.asarray(c.bias)[0]) for c in convs] == [0, 1, 0, 1, 1]
    assert np.std(convs[2].get_weights()[0]) == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize(("stem", "first", "last"), [("medium", 16, 1), ("small", 32, 3)])
def test_small_stems_do_not_blow_up_a_small_map(stem, first, last):
    net = tiny(image_size=32, stem=stem)
    assert net.get_layer("stage1").output.shape[1] == first
    assert kinds(net, Linear)[0].kernel.shape[0] == last * last * 32


def test_unknown_designs_are_named():
    with pytest.raises(ValueError, match="one of one_tower, two_towers. Received: 'three'"):
        tiny(design="three")

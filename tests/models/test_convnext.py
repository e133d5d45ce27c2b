"""ConvNeXt: layer scale, stochastic depth and the order of the head."""

import keras
import numpy as np
import pytest

from kcv.layers import DropPath, LayerScale
from kcv.models.convnext import convnext, convnext_block

TINY = {"width": 8, "depths": (1, 1, 2, 1), "num_classes": 4, "image_size": 64}


def of(net, kind):
    return [layer for layer in net.layers if isinstance(layer, kind)]


def test_a_new_block_is_nearly_the_identity(rng):
    image = keras.Input((8, 8, 6))
    net = keras.Model(image, convnext_block(image))
    x = rng.normal(size=(2, 8, 8, 6)).astype("float32")
    np.testing.assert_allclose(net.predict(x, verbose=0), x, atol=1e-5)


def test_layer_scale_can_be_set_or_left_out():
    assert {layer.value for layer in of(convnext(layer_scale=0.1, **TINY), LayerScale)} == {0.1}
    assert not of(convnext(layer_scale=None, **TINY), LayerScale)


def test_drop_rates_grow_linearly_to_the_one_given():
    net = convnext(drop_rate=0.4, **TINY)
    assert [layer.rate for layer in of(net, DropPath)] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_head_normalises_after_pooling(rng):
    net = convnext(**TINY)
    norm = of(net, keras.layers.LayerNormalization)[-1]
    assert norm.output.shape == (None, 64)
    assert net.get_layer("features").output.shape == (None, 2, 2, 64)


@pytest.mark.parametrize(("stem", "side"), [("standard", 16), ("medium", 32), ("small", 64)])
def test_the_stem_decides_the_side_of_a_patch(stem, side):
    net = convnext(stem=stem, **TINY)
    assert net.get_layer("stage1").output.shape[1:3] == (side, side)

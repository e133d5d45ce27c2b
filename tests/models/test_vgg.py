"""VGG: one table of blocks for all depths."""

import keras
import pytest

from kcv.layers import BatchNorm, Conv2D, Linear
from kcv.models.vgg import VARIANTS, vgg, vgg_block


def tiny(**changes):
    options = {"num_classes": 4, "width": 0.125, "dense_width": 16, "image_size": 64}
    return vgg(**{**options, **changes})


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
@pytest.mark.parametrize("suffix", ["", "_bn"])
def test_names_count_the_layers_with_weights(depth, suffix):
    row = VARIANTS[f"vgg{depth}{suffix}"]
    assert sum(blocks for blocks, _ in row.keywords["conv_arch"]) + 3 == depth


def test_conv_arch_decides_the_blocks():
    net = tiny(conv_arch=((1, 16), (3, 32)), batch_norm=True)
    assert [c.filters for c in net.layers if isinstance(c, Conv2D)] == [2, 4, 4, 4]
    assert len([n for n in net.layers if isinstance(n, BatchNorm)]) == 4
    assert net.get_layer("features").output.shape[1:] == (16, 16, 4)


def test_a_block_keeps_size_and_biases():
    image = keras.Input((6, 5, 3))
    net = keras.Model(image, vgg_block(image, 2, 8))
    assert net.output_shape == (None, 6, 5, 8)
    assert net.count_params() == 3 * 9 * 8 + 8 + 8 * 9 * 8 + 8


@pytest.mark.parametrize("image_size", [64, (96, 160)])
def test_the_dense_layers_do_not_depend_on_the_image(image_size):
    net = tiny(image_size=image_size)
    assert next(n for n in net.layers if isinstance(n, Linear)).kernel.shape[0] == 7 * 7 * 64


@pytest.mark.parametrize("image_size", [28, 32])
def test_the_small_stem_ends_in_one_pixel(image_size):
    net = tiny(image_size=image_size, stem="small")
    assert net.get_layer("features").output.shape[1:3] == (1, 1)
    assert next(n for n in net.layers if isinstance(n, Linear)).kernel.shape[0] == 64

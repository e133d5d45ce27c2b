"""Every block works in a plain Keras model, without the rest of kcv, and comes back from a file."""

import keras
import numpy as np
import pytest

from kcv import layers, models
from kcv.layers.residual import zero_pad

MAP, TOKENS = (6, 8, 8), (6, 8)


# what the blocks of the architectures are called here: input shape, block
BLOCKS = {
    "basic": (MAP, lambda x: layers.basic_block(x, 12, 2)),
    "bottleneck": (MAP, lambda x: layers.bottleneck_block(x, 16, 2)),
    "inverted residual": (MAP, lambda x: layers.inverted_residual(x, 8, inner=16, rate=0.1)),
    "Inception branch": (MAP, lambda x: layers.inception_branch(x, (4, 1), (6, 3))),
    "squeeze-and-excite": (MAP, lambda x: layers.squeeze_excite(x, 2)),
    "channel shuffle": (MAP, lambda x: layers.channel_shuffle(x, 4)),
    "fire module": (MAP, lambda x: layers.fire(x, 2, 4)),
    "grouped": (MAP, lambda x: layers.grouped_conv(x, 4, groups=2)),
    "depthwise": (MAP, lambda x: layers.DepthwiseConv2D(3, padding=1)(x)),
    "depthwise-separable": (MAP, lambda x: layers.depthwise_separable(x, 4)),
    "spatially separable": (MAP, lambda x: layers.spatially_separable(x, 4)),
    "local response normalisation": (MAP, lambda x: layers.LocalResponseNorm()(x)),
    "patch embedding": (MAP, lambda x: layers.patch_embed(x, 4, 2)),
    "class token": (TOKENS, lambda x: layers.ClassToken(2)(x)),
    "position embedding": (TOKENS, lambda x: layers.PositionEmbedding((2, 3))(x)),
    "multi-head attention": (TOKENS, lambda x: layers.Attention(2)(x)),
    "transformer encoder": (TOKENS, lambda x: layers.transformer_encoder(x, 2, layer_scale=0.1)),
    "window attention": (MAP, lambda x: layers.WindowAttention(2, 3)(x)),
    "shifted-window attention": (MAP, lambda x: layers.WindowAttention(2, 3, 1)(x)),
    "patch merging": (MAP, lambda x: layers.patch_merging(x)),
    "layer scale": (MAP, lambda x: layers.LayerScale(0.1)(x)),
    "drop path": (MAP, lambda x: layers.DropPath(0.2)(x)),
    "shortcut A": (MAP, lambda x: layers.basic_block(x, 12, 2, shortcut=zero_pad)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_works_alone_and_comes_back_from_a_file(name, rng, tmp_path):
    shape, block = BLOCKS[name]
    x = keras.Input(shape)
    net = keras.Model(x, block(x))
    image = rng.normal(size=(2, *shape)).astype("float32")
    outputs = keras.tree.flatten(net.predict(image, verbose=0))
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    for before, after in zip(
        outputs, keras.tree.flatten(again.predict(image, verbose=0)), strict=True
    ):
        assert np.ptp(before) > 0
        np.testing.assert_array_equal(before, after)


def test_all_that_is_listed_is_there_and_sorted():
    assert all(hasattr(layers, name) for name in layers.__all__)
    assert layers.__all__ == sorted(layers.__all__)


LOOKED_AT = {
    "everywhere": (TOKENS, layers.Attention, (2,), (2, 6, 6)),
    "in windows": (MAP, layers.WindowAttention, (2, 3, 1), (6, 2, 9, 9)),
}


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.parametrize("kind", [keras.Model, models.Model])
def test_a_network_can_give_its_attention(name, kind, rng, tmp_path):
    shape, layer, arguments, seen = LOOKED_AT[name]
    x = keras.Input(shape)
    outputs = layer(*arguments)(x, return_attention=True)
    net = kind(x, outputs)
    assert net.output_shape == [(None, *shape), (None, *seen)]
    image = rng.normal(size=(2, *shape)).astype("float32")
    before = net.predict(image, verbose=0)
    np.testing.assert_allclose(before[1].sum(-1), 1, rtol=1e-5)
    net.save(tmp_path / "net.keras")
    after = keras.saving.load_model(tmp_path / "net.keras").predict(image, verbose=0)
    np.testing.assert_array_equal(before[1], after[1])

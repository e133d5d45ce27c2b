"""Tokens, attention and residual scales against obvious NumPy."""

import math

import keras
import numpy as np
import pytest

from kcv.layers import (
    Attention,
    ClassToken,
    DropPath,
    LayerScale,
    Linear,
    PositionEmbedding,
    drop_path,
    drop_path_rates,
    patch_embed,
    resize_positions,
    squeeze_excite,
    transformer_encoder,
)


def array(x):
    return keras.ops.convert_to_numpy(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def slow_attention(x, weights, heads):
    """Attend one head and one image at a time."""
    qkv, qkv_bias, proj, proj_bias = weights
    width = x.shape[-1]
    size, y, seen = width // heads, np.zeros_like(x), []
    for image, tokens in enumerate(x):
        packed = tokens @ qkv + qkv_bias
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            q, k, v = (packed[:, i * width : (i + 1) * width][:, part] for i in range(3))
            look = softmax(q @ k.T / np.sqrt(size))
            seen.append(look)
            y[image][:, part] = look @ v
    return y @ proj + proj_bias, np.array(seen).reshape(len(x), heads, *look.shape)


def test_attention_equals_the_slow_loop(rng):
    x = rng.normal(size=(2, 5, 12)).astype("float32")
    layer = Attention(3)
    layer(x)
    layer.set_weights([rng.normal(size=w.shape) * 0.3 for w in layer.get_weights()])
    y, look = layer(x, return_attention=True)
    wanted, wanted_look = slow_attention(x, layer.get_weights(), 3)
    np.testing.assert_allclose(array(y), wanted, atol=1e-5)
    np.testing.assert_allclose(array(look), wanted_look, atol=1e-5)


def test_attention_drops_weights_in_training_only(rng):
    x = rng.normal(size=(2, 5, 12)).astype("float32")
    layer = Attention(3, dropout=0.5)
    quiet, again = array(layer(x)), array(layer(x))
    np.testing.assert_array_equal(quiet, again)
    assert np.abs(array(layer(x, training=True)) - quiet).max() > 1e-6


def test_attention_needs_heads_that_divide():
    with pytest.raises(ValueError, match="num_heads to divide the channels"):
        Attention(5)(keras.Input((4, 12)))


def test_patches_come_row_by_row():
    x = keras.Input((4, 6, 1))
    net = keras.Model(x, patch_embed(x, 1, 2))
    net.set_weights([np.ones((2, 2, 1, 1)) / 4, np.zeros(1)])
    image = np.arange(24, dtype="float32").reshape(1, 4, 6, 1)
    wanted = [image[0, i : i + 2, j : j + 2].mean() for i in (0, 2) for j in (0, 2, 4)]
    np.testing.assert_allclose(array(net(image))[0, :, 0], wanted)


def test_class_tokens_stand_in_front(rng):
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    layer = ClassToken(2)
    y = array(layer(x))
    np.testing.assert_array_equal(y[:, 2:], x)
    np.testing.assert_array_equal(y[0, :2], layer.get_weights()[0][0])


def test_positions_are_added(rng):
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    layer = PositionEmbedding((2, 2))
    np.testing.assert_allclose(array(layer(x)), x + layer.get_weights()[0], rtol=1e-6)


def test_resized_positions_keep_prefix_and_a_constant():
    table = np.ones((1, 5, 3), "float32")
    table[:, 0] = 7
    new = array(resize_positions(table, (2, 2), (3, 5)))
    assert new.shape == (1, 16, 3)
    np.testing.assert_allclose(new[:, 0], 7)
    np.testing.assert_allclose(new[:, 1:], 1, atol=1e-5)


def test_layer_scale_multiplies_channels(rng):
    x = rng.normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_allclose(array(LayerScale(0.5)(x)), x / 2)


def test_drop_path_keeps_the_mean():
    x = np.ones((4000, 2), "float32")
    y = array(DropPath(0.3)(x, training=True))
    assert set(np.round(np.unique(y), 5)) == {0.0, np.round(np.float32(1 / 0.7), 5)}
    assert y.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(y[:, 0], y[:, 1])


def test_drop_path_is_silent_in_use():
    x = np.ones((4, 2), "float32")
    np.testing.assert_array_equal(array(DropPath(0.9)(x)), x)


def test_drop_path_refuses_a_rate_of_one():
    with pytest.raises(ValueError, match="DropPath needs 0 <= rate < 1. Received: rate=1"):
        DropPath(1)


def test_a_rate_of_zero_adds_no_layer():
    x = keras.Input((3,))
    assert drop_path(x, 0.0) is x


def test_drop_path_rates_grow_linearly_from_zero():
    assert drop_path_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert drop_path_rates(0.3, 1) == [0]


def test_linear_equals_dense(rng):
    x = rng.normal(size=(2, 3, 4)).astype("float32")
    ours, theirs = Linear(5, activation="relu"), keras.layers.Dense(5, activation="relu")
    ours(x), theirs(x)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=1e-6)


def test_squeeze_excite_equals_its_definition(rng):
    x = keras.Input((3, 3, 4))
    net = keras.Model(x, squeeze_excite(x, 2))
    image = rng.normal(size=(2, 3, 3, 4)).astype("float32")
    down, bias, up, offset = net.get_weights()
    hidden = np.maximum(image.mean((1, 2)) @ down[0, 0] + bias, 0)
    gate = 1 / (1 + np.exp(-(hidden @ up[0, 0] + offset)))
    np.testing.assert_allclose(array(net(image)), image * gate[:, None, None], atol=1e-5)


def layer_norm(x, gamma, beta):
    middle = x - x.mean(-1, keepdims=True)
    return middle / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * gamma + beta


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2


def test_the_encoder_equals_the_slow_version(rng):
    x = keras.Input((5, 12))
    net = keras.Model(x, transformer_encoder(x, 3, mlp_ratio=2.0))
    net.set_weights([rng.normal(size=w.shape) * 0.3 for w in net.weights])
    norm1, attention, norm2, up, down = (n.get_weights() for n in net.layers if n.weights)
    tokens = rng.normal(size=(2, 5, 12)).astype("float32")
    y = tokens + slow_attention(layer_norm(tokens, *norm1), attention, 3)[0]
    wanted = y + gelu(layer_norm(y, *norm2) @ up[0] + up[1]) @ down[0] + down[1]
    np.testing.assert_allclose(array(net(tokens)), wanted, rtol=1e-4, atol=1e-4)


def test_an_encoder_of_zero_weights_is_the_identity(rng):
    x = keras.Input((5, 12))
    net = keras.Model(x, transformer_encoder(x, 3, layer_scale=0.0))
    tokens = rng.normal(size=(2, 5, 12)).astype("float32")
    np.testing.assert_allclose(array(net(tokens)), tokens, atol=1e-6)

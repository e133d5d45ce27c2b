"""Layouts, each against the operation of torch whose weights they are."""

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kcv.layers import Attention, Conv2D, DepthwiseConv2D, Linear, patch_merging
from kcv.weights.names.kinds import KERAS, TORCH


def fill(layer, kind, tensors):
    """Write tensors, in the order of a kind's slots, into a layer; return them read back."""
    for slot, tensor in zip(TORCH[kind].slots, tensors, strict=True):
        variable = getattr(layer, slot.variable)
        variable.assign(slot.layout.enter(tensor, layer))
        back = slot.layout.leave(np.asarray(variable.numpy()), layer)
        assert np.array_equal(back, tensor)


def random(rng, *shape):
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_is_torchs(rng, groups):
    x, w, b = random(rng, 1, 4, 6, 6), random(rng, 8, 4 // groups, 3, 3), random(rng, 8)
    layer = Conv2D(8, 3, groups=groups)
    layer.build((None, 6, 6, 4))
    fill(layer, "conv", (w, b))
    ours = layer(x.transpose(0, 2, 3, 1)).detach().numpy().transpose(0, 3, 1, 2)
    theirs = F.conv2d(*map(torch.from_numpy, (x, w, b)), groups=groups)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_convolution_is_torchs(rng, multiplier):
    x, w = random(rng, 1, 4, 6, 6), random(rng, 4 * multiplier, 1, 3, 3)
    layer = DepthwiseConv2D(3, depth_multiplier=multiplier)
    layer.build((None, 6, 6, 4))
    fill(layer, "depthwise", (w, np.zeros(4 * multiplier, "float32")))
    ours = layer(x.transpose(0, 2, 3, 1)).detach().numpy().transpose(0, 3, 1, 2)
    theirs = F.conv2d(torch.from_numpy(x), torch.from_numpy(w), groups=4)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def dense_after(rng, kind, weight):
    """Return a network that flattens a map `(B, 3, 2, 4)` and applies a layer, and its image."""
    image = keras.Input((3, 2, 4))
    layer = Linear(5)
    model = keras.Model(image, layer(keras.layers.Flatten()(image)))
    bias = random(rng, 5)
    fill(layer, kind, (weight, bias))
    x = random(rng, 2, 3, 2, 4)
    return model(x).detach().numpy(), torch.from_numpy(x).permute(0, 3, 1, 2), bias


def test_a_dense_layer_behind_a_flattened_map_is_torchs(rng):
    weight = random(rng, 5, 24)
    ours, x, bias = dense_after(rng, "flat", weight)
    theirs = F.linear(x.flatten(1), torch.from_numpy(weight), torch.from_numpy(bias))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_convolution_over_the_whole_map_is_a_dense_layer(rng):
    weight = random(rng, 5, 4, 3, 2)
    ours, x, bias = dense_after(rng, "flat_conv", weight)
    theirs = F.conv2d(x, torch.from_numpy(weight), torch.from_numpy(bias))[:, :, 0, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_patch_merging_takes_weights_in_the_order_of_unfold(rng):
    image = keras.Input((4, 6, 3))
    model = keras.Model(image, patch_merging(image))
    norm, reduction = (layer for layer in model.layers if layer.weights)
    gamma, beta, weight = random(rng, 12), random(rng, 12), random(rng, 6, 12)
    fill(norm, "unfold_norm", (gamma, beta))
    slot = TORCH["unfold"].slots[0]
    reduction.kernel.assign(slot.layout.enter(weight, reduction))
    assert np.array_equal(slot.layout.leave(reduction.kernel.numpy(), reduction), weight)
    x = random(rng, 2, 4, 6, 3)
    squares = F.unfold(torch.from_numpy(x).permute(0, 3, 1, 2), 2, stride=2).transpose(1, 2)
    squares = F.layer_norm(squares, (12,), torch.from_numpy(gamma), torch.from_numpy(beta))
    theirs = F.linear(squares, torch.from_numpy(weight)).reshape(2, 2, 3, 6)
    np.testing.assert_allclose(model(x).detach().numpy(), theirs, atol=1e-5)


def test_query_key_and_value_are_thirds_of_the_packed_projection():
    layer = Attention(2)
    layer.build((None, 3, 4))
    packed = np.arange(48.0, dtype="float32").reshape(12, 4)
    thirds = []
    for kind in ("query", "key", "value"):
        slot = TORCH[kind].slots[0]
        axis, index, count = slot.piece
        thirds.append(np.split(packed, count, 0)[index])
        assert (axis, count) == (1, 3)
    assert np.array_equal(np.concatenate(thirds), packed)


def test_index_tables_have_the_shapes_of_the_references(small):
    layer = next(la for la in small("swin_tiny").layers if type(la).__name__ == "WindowAttention")
    assert TORCH["index"].made[""](layer).shape == (49, 49)
    assert TORCH["flat_index"].made[""](layer).shape == (2401,)


def test_kinds_have_the_same_meaning_in_both_worlds():
    for word in set(TORCH) & set(KERAS):
        assert TORCH[word].layers == KERAS[word].layers

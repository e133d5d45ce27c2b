"""ViT and DeiT: other image sizes, both heads."""

import keras
import numpy as np
import pytest
from test_models import tiny

import kcv
from kcv import models
from kcv.layers import Linear, PositionEmbedding, resize_positions

SIZES = [24, (16, 40)]


def small(name="vit_tiny_16", **changes):
    return tiny(name, **{"depth": 1, "stem": "standard", "patch": 8, **changes})


def table(net):
    return next(layer for layer in net.layers if isinstance(layer, PositionEmbedding))


def wanted(net, size, prefix=1):
    rows, columns = (size, size) if isinstance(size, int) else size
    old = table(net)
    new = resize_positions(old.get_weights()[0], old.grid, (rows // 8, columns // 8), prefix)
    return keras.ops.convert_to_numpy(new)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "prefix"), [("vit_tiny_16", 1), ("deit_tiny_distilled_16", 2)])
def test_a_network_is_resized_with_its_positions(name, prefix, size):
    net = small(name)
    other = models.resized(net, size)
    np.testing.assert_allclose(table(other).get_weights()[0], wanted(net, size, prefix), atol=1e-6)
    ours, theirs = ([n for n in m.layers if isinstance(n, Linear)] for m in (net, other))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.get_weights()[0], b.get_weights()[0])
    assert other.arguments["image_size"] == size


def test_back_at_its_own_size_a_network_is_the_same(rng):
    net, x = small(), rng.normal(size=(2, 32, 32, 3)).astype("float32")
    again = models.resized(net, 32)
    np.testing.assert_array_equal(net.predict(x, verbose=0), again.predict(x, verbose=0))
    assert again is not net


@pytest.mark.parametrize("size", SIZES)
def test_weights_of_one_size_build_a_network_of_another(size, tmp_path):
    net = small()
    kcv.weights.save(net, tmp_path / "w.safetensors")
    other = models.build("vit_tiny_16", weights=tmp_path / "w.safetensors", image_size=size)
    np.testing.assert_allclose(table(other).get_weights()[0], wanted(net, size), atol=1e-6)
    assert other.input_shape[1:3] == ((size, size) if isinstance(size, int) else size)


def test_a_reloaded_network_can_be_resized(tmp_path):
    net = small()
    net.save(tmp_path / "net.keras")
    other = models.resized(keras.saving.load_model(tmp_path / "net.keras"), 24)
    np.testing.assert_allclose(table(other).get_weights()[0], wanted(net, 24), atol=1e-6)


def test_convolutions_serve_any_size(rng):
    net, x = tiny("resnet18"), rng.normal(size=(1, 48, 40, 3)).astype("float32")
    other = models.resized(net, (48, 40))
    assert other.predict(x, verbose=0).shape == (1, 4)
    for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dense_layers_that_grow_with_the_image_are_named():
    with pytest.raises(ValueError, match="The weights of linear.* do not fit linear"):
        models.resized(tiny("lenet5"), 40)


@pytest.mark.parametrize("change", [models.resized, models.at_size])
def test_a_network_of_another_maker_is_refused(change):
    x = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="size needs a network of kcv.models.build.*'mine'"):
        change(keras.Model(x, x, name="mine"), 16)


def test_a_distilled_network_averages_its_two_heads(rng):
    net, x = small("deit_tiny_distilled_16"), rng.normal(size=(2, 32, 32, 3)).astype("float32")
    names = ["logits_class", "logits_distilled", "logits"]
    first, second, both = models.features(net, names).predict(x, verbose=0)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-6)


def test_the_two_heads_of_a_distilled_network_learn_from_two_teachers(rng):
    """One from the labels, one from a teacher's answers, as DeiT is trained."""
    net = small("deit_tiny_distilled_16")
    heads = models.features(net, ["logits_class", "logits_distilled"])
    x = rng.normal(size=(8, 32, 32, 3)).astype("float32")
    labels, teacher = np.arange(8) % 4, (np.arange(8) + 1) % 4
    cross_entropy = kcv.losses.CrossEntropy()
    heads.compile(keras.optimizers.Adam(3e-3), [cross_entropy, cross_entropy])
    heads.fit(x, [labels, teacher], batch_size=8, epochs=40, verbose=0)
    own, taught = heads.predict(x, verbose=0)
    np.testing.assert_array_equal(own.argmax(1), labels)
    np.testing.assert_array_equal(taught.argmax(1), teacher)

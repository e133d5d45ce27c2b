"""Frozen parts and learning rates by depth."""

import keras
import numpy as np
import pytest

import kcv
from kcv.weights import freeze, layer_decay
from kcv.weights.tuning import depths


@pytest.fixture
def network():
    keras.utils.clear_session(free_memory=False)  # names count from the start
    return kcv.models.build("resnet18", num_classes=3, image_size=32, stem="small", width=0.25)


def test_everything_up_to_an_output_is_frozen(network):
    names = freeze(network, "stage3")
    assert "stage3" in names
    assert not network.get_layer("conv2d").trainable
    assert network.get_layer("logits").trainable
    deep = depths(network)
    assert {deep[name] for name in names if name in deep} == {0, 1, 2, 3, 4}


def test_features_leave_the_head_only(network):
    freeze(network, "features")
    assert [w.path for w in network.trainable_weights] == ["logits/kernel", "logits/bias"]


def test_a_pattern_freezes_layers_by_name(network):
    names = freeze(network, "batch_norm*")
    assert len(names) == 20
    assert all(name.startswith("batch_norm") for name in names)


def test_a_name_that_no_layer_has_is_refused(network):
    with pytest.raises(
        ValueError, match="freeze needs an output of the network .stage1, .*'stage9'"
    ):
        freeze(network, "stage9")


def test_frozen_layers_keep_weights_and_statistics(network):
    freeze(network, "stage2")
    frozen = [w for layer in network.layers if not layer.trainable for w in layer.weights]
    before = [w.numpy().copy() for w in frozen]
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    image = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
    network.fit(image, np.array([0, 1, 2, 0]), verbose=0)
    assert len(frozen) > 10
    for old, new in zip(before, frozen, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_residual_networks_are_as_deep_as_they_have_blocks(network):
    found = depths(network)
    assert found["conv2d"] == 0
    assert found["logits"] == 9


def test_transformers_are_as_deep_as_they_have_blocks():
    keras.utils.clear_session(free_memory=False)
    network = kcv.models.build("vit_tiny_16", num_classes=3, image_size=32, depth=4)
    found = depths(network)
    assert found["position_embedding"] == 0
    assert found["logits"] == 5
    assert [list(found.values()).count(depth) for depth in range(1, 5)] == [5, 5, 5, 5]


def test_networks_without_sums_are_as_deep_as_they_have_stages():
    found = depths(kcv.models.build("lenet5", num_classes=3))
    assert sorted(set(found.values())) == [0, 1, 2]


def test_each_step_towards_the_image_learns_slower(network):
    rates = layer_decay(network, 0.5)
    assert rates["logits/kernel"] == 1
    assert rates["conv2d/kernel"] == 0.5**9
    assert set(rates) == {w.path for w in network.trainable_weights}


@pytest.mark.parametrize("rate", [0, -1, 1.5])
def test_a_rate_outside_its_range_is_refused(network, rate):
    with pytest.raises(ValueError, match=f"layer_decay needs 0 < rate <= 1. Received: rate={rate}"):
        layer_decay(network, rate)

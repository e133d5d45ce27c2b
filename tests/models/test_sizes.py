"""One network at several image sizes, on the same weights."""

import re

import keras
import numpy as np
import pytest
from families import quick_or_slow
from test_models import TINY, output, pixels, sketch, still, tiny

from kcv import losses, models, optimizers, weights
from kcv.layers import WindowAttention

# Flattened maps tie these to one size.
TIED = {"lenet5", "alexnet"}
FREE = quick_or_slow(set(TINY) - TIED)


def state(model):
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def shuffled_weights(net):
    """Give a network weights of which no two are alike, batch-norm statistics included."""
    rng = np.random.default_rng(1)
    for variable in net.variables:
        if keras.backend.is_float_dtype(variable.dtype):
            value = keras.ops.convert_to_numpy(variable)
            variable.assign(value * rng.uniform(0.8, 1.2, value.shape) + 0.01)


@pytest.mark.parametrize("name", FREE)
def test_a_network_at_another_size_is_the_one_built_for_it(name):
    """At a size that no stride divides for all."""
    assert_built_for(name, 20)


@pytest.mark.parametrize("name", ["mobilenet_v2", "swin_tiny"])
def test_a_size_that_cuts_windows_and_rounds_halves_is_the_one_built_for_it(name):
    assert_built_for(name, 28)


def assert_built_for(name, size):
    net = tiny(name)
    shuffled_weights(net)
    other = models.at_size(net, size)
    built = tiny(name, image_size=size)
    for old, new in zip(_windows(net), _windows(built), strict=True):
        cut, side = old.window - new.window, 2 * old.window - 1
        table = np.asarray(old.get_weights()[0]).reshape(side, side, -1)[cut:, cut:]
        table = table[: side - 2 * cut, : side - 2 * cut].reshape(-1, old.num_heads)
        new.set_weights([table, *old.get_weights()[1:]])
    _transfer_all_but_windows(net, built)
    x = pixels(size=size)
    np.testing.assert_allclose(output(other, x), output(built, x), rtol=2e-5, atol=2e-5)


def _windows(net):
    return [layer for layer in net.layers if isinstance(layer, WindowAttention)]


def _transfer_all_but_windows(net, built):
    if not _windows(net):
        models.transfer(net, built)
        return
    pairs = zip(*([x for x in m.layers if x.weights] for m in (net, built)), strict=True)
    for old, new in pairs:
        if not isinstance(new, WindowAttention):
            new.set_weights(old.get_weights())


def _number(layer):
    """Return the number in an automatic name; the first of a kind has none, -1 for other names."""
    numbers = re.findall(r"_(\d+)$", layer.name)
    first = layer.name.replace("_", "") == type(layer).__name__.lower()
    return int(numbers[0]) if numbers else 0 if first else -1


@pytest.mark.parametrize("name", FREE)
def test_layers_are_paired_in_the_order_they_were_made(name):
    """The order of a graph could differ between sizes; the numbers in automatic names cannot."""
    net, other = still(name), sketch(name, image_size=20)
    orders = []
    for model in (net, other):
        found = [layer for layer in model.layers if layer.variables]
        number = [_number(layer) for layer in found]
        kinds = [type(layer).__name__ for layer in found]
        orders.append(
            [
                sorted(at for at, kind in zip(number, kinds, strict=True) if kind == k).index(n)
                for n, k in zip(number, kinds, strict=True)
            ]
        )
    assert orders[0] == orders[1]


@pytest.mark.parametrize("name", sorted(TIED))
def test_a_network_that_is_tied_to_its_size_is_refused(name):
    text = f"do not depend on the size. Received: {name} at image_size=16: .* Leave start_size out"
    with pytest.raises(ValueError, match=text):
        models.at_size(still(name), 16)


def test_an_image_that_is_too_small_says_why():
    with pytest.raises(ValueError, match="vit_tiny_16 at image_size=2: A patch of 4 pixels needs"):
        models.at_size(still("vit_tiny_16"), 2)


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("swin_tiny", "mobilenet_v2")]


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_16", *OTHERS])
def test_a_step_at_another_size_trains_the_network(name):
    net = tiny(name)
    net.compile(keras.optimizers.Adam(3e-3), losses.CrossEntropy())
    x, y = pixels(8, 24), np.arange(8) % 4
    before = state(net)
    with models.several_sizes(net, [(24, 24)]):
        history = net.fit(x, y, batch_size=8, epochs=25, verbose=0).history["loss"]
    assert min(history[-5:]) < 0.7 * history[0]
    moved = [not np.array_equal(a, b) for a, b in zip(before, state(net), strict=True)]
    learns = [v.trainable or "moving" in v.name for v in net.variables]
    assert moved == learns


def test_a_step_at_another_size_is_that_of_the_network_built_for_it():
    net, built = tiny("resnet18"), tiny("resnet18", image_size=24)
    models.transfer(net, built)
    x, y = pixels(size=24), np.arange(4)
    for one in (net, built):
        one.compile(optimizers.SGD(0.05), losses.CrossEntropy())
    with models.several_sizes(net, [(24, 24)]):
        losses_of = [float(one.train_on_batch(x, y)) for one in (net, built)]
    assert losses_of[0] == pytest.approx(losses_of[1], rel=1e-6)
    for a, b in zip(net.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_layers_that_are_frozen_stay_frozen():
    net = tiny("resnet18")
    for layer in net.layers[:-1]:
        layer.trainable = False
    before = state(net)
    net.compile(optimizers.SGD(0.05), losses.CrossEntropy())
    with models.several_sizes(net, [(24, 24)]):
        net.train_on_batch(pixels(size=24), np.arange(4))
    moved = [not np.array_equal(a, b) for a, b in zip(before, state(net), strict=True)]
    head = {id(v) for v in net.get_layer("logits").variables}
    assert [id(v) in head for v in net.variables] == moved


def test_other_sizes_are_refused_again_afterwards():
    net, x = tiny("mobilenet_v2"), pixels(size=24)
    variables, layers = len(net.variables), len(net.layers)
    with models.several_sizes(net, [(24, 24)]):
        assert net(x).shape == (4, 4)
        assert (len(net.variables), len(net.layers)) == (variables, layers)
    with pytest.raises(ValueError, match="24"):
        net(x)
    assert net.others == {}


def test_smaller_windows_take_the_middle_of_the_table_of_positions():
    rng = np.random.default_rng(0)
    large, small = WindowAttention(2, window=4), WindowAttention(2, window=2)
    x = rng.normal(size=(1, 2, 2, 8)).astype("float32")
    for layer in (large, small):
        layer.build((None, 2, 2, 8))
    table = rng.normal(size=(7, 7, 2)).astype("float32")
    large.table.assign(table.reshape(49, 2))
    plain = WindowAttention(2, window=2)
    plain.build((None, 2, 2, 8))
    plain.set_weights(small.get_weights())
    plain.table.assign(table[2:5, 2:5].reshape(9, 2))
    assert small.follow(large)
    expected = keras.ops.convert_to_numpy(plain(x))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(small(x)), expected, rtol=1e-6)
    assert not WindowAttention(2, window=4).follow(small)


def test_the_weights_are_held_once():
    net = tiny("swin_tiny")
    other = models.at_size(net, 16)
    mine = {id(v) for v in net.variables}
    assert all(id(v) in mine for v in other.variables)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_16", "swin_tiny"])
def test_a_copy_computes_what_shared_weights_do_and_trains_for_itself(name):
    net, x = tiny(name), pixels(size=16)
    shuffled_weights(net)
    shared, copied = models.at_size(net, 16), models.resized(net, 16)
    np.testing.assert_allclose(output(copied, x), output(shared, x), rtol=2e-5, atol=2e-5)
    before = state(net)
    shuffled_weights(copied)
    assert all(map(np.array_equal, before, state(net)))


@pytest.mark.parametrize("what", ["stage3", "*attention*"])
def test_what_is_frozen_is_frozen_in_a_copy(what):
    net = tiny("swin_tiny")
    weights.freeze(net, what)
    kept = [v.trainable for v in net.variables]
    assert kept == [v.trainable for v in models.resized(net, 16).variables]
    assert 0 < len(net.trainable_weights) < len(still("swin_tiny").trainable_weights)
    net.trainable = False
    assert models.resized(net, 16).trainable_weights == []


def test_smaller_windows_get_smaller_tables_in_a_copy():
    nets = [still("swin_tiny"), models.resized(still("swin_tiny"), 16)]
    first, second = ([layer.window for layer in _windows(net)] for net in nets)
    assert min(second) < min(first)


def test_another_size_has_the_precision_of_the_first():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = tiny("resnet18")
    finally:
        keras.config.set_dtype_policy(before)
    for change in (models.resized, models.at_size):
        head = change(net, 24).get_layer("logits")
        assert head.compute_dtype == net.get_layer("logits").compute_dtype == "bfloat16"

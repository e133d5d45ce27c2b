"""One contract over every name of the zoo."""

import functools
import math

import keras
import numpy as np
import pytest
from families import COUNTS, MEMBERS, TINY, quick_or_slow

from kcv import listing, losses, models
from kcv.layers import PositionEmbedding, resize_positions
from kcv.models import VARIANTS


def options(name, changes):
    return {"num_classes": 4, "image_size": 32, "stem": "small", **TINY[name], **changes}


def tiny(name, **changes):
    return models.build(name, **options(name, changes))


def sketch(name, **changes):
    """Build a tiny network without values."""
    return listing.sketch(name, **options(name, changes))


# a tiny network for tests that leave it as it is
still = functools.cache(tiny)


def pictures(count=8):
    """Return images of large squares. Noise will not do: its average over a map is always the same,
    and a network that sees little else, such as SqueezeNet, has nothing to tell apart."""
    squares = np.random.default_rng(0).normal(size=(count, 4, 4, 3))
    return squares.repeat(8, 1).repeat(8, 2).astype("float32")


def pixels(count=4, size=32, channels=3):
    return np.random.default_rng(0).normal(size=(count, size, size, channels)).astype("float32")


def output(model, x):
    return np.asarray(model.predict(x, verbose=0))


def test_the_count_table_has_every_name():
    assert set(COUNTS) == set(VARIANTS)


def test_every_family_has_a_tiny_member():
    families = {VARIANTS[name].func for name in VARIANTS}
    assert families == {VARIANTS[name].func for name in TINY}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_saved_network_gives_equal_outputs(name, tmp_path):
    net, x = still(name), pixels()
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert type(again) is models.Model
    np.testing.assert_array_equal(output(net, x), output(again, x))


class Halved(keras.callbacks.Callback):
    """Stops when the loss has fallen by half: no need to go on for those that learn fast."""

    def on_epoch_end(self, epoch, logs=None):
        self.first = logs["loss"] if epoch == 0 else self.first
        self.model.stop_training = logs["loss"] < self.first / 2


@pytest.mark.parametrize("name", MEMBERS)
def test_loss_falls_on_one_batch(name):
    net, y = tiny(name), np.arange(8) % 4
    net.compile(keras.optimizers.Adam(1e-3), losses.CrossEntropy())
    history = net.fit(pictures(), y, batch_size=8, epochs=25, verbose=0, callbacks=[Halved()])
    loss = history.history["loss"]
    assert min(loss[-5:]) < 0.7 * loss[0]


@pytest.mark.parametrize("name", quick_or_slow(["googlenet", "inception_v3"]))
def test_auxiliary_heads_count_in_training_only(name):
    size = {"googlenet": 64, "inception_v3": 128}[name]
    net, x, y = tiny(name, aux=True, image_size=size, dropout=0.0), pixels(4, size), np.arange(4)
    net.compile("sgd", losses.CrossEntropy(), metrics=[losses.Accuracy()])
    assert output(net, x).shape == (4, 4)
    one = net.evaluate(x, y, verbose=0)[0]
    scores = [keras.ops.stop_gradient(s) for s in net(x, training=False)]
    alone = float(keras.ops.mean(losses.CrossEntropy()(y, scores[0])))
    assert one == pytest.approx(alone, rel=1e-4)
    weighted = float(net.compute_loss(x, y, scores, training=True))
    assert weighted > 1.2 * alone


@pytest.mark.parametrize("name", MEMBERS)
def test_other_shapes_build_and_run(name):
    net = tiny(name, image_size=(33, 47), channels=1, num_classes=None)
    x = np.zeros((1, 33, 47, 1), "float32")
    assert output(net, x).shape[0] == 1
    assert net.output.name.startswith("keras_tensor")
    assert net.layers[-1].name == "features"


def refusal(name, **changes):
    """Return why a network cannot be built, empty if it can."""
    try:
        sketch(name, **changes)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", MEMBERS)
def test_every_stem_fits_28_pixels_or_says_what_does(name):
    words = []
    for stem in ("standard", "medium", "small"):
        words.append(refusal(name, stem=stem, image_size=28, channels=1))
    assert words[-1] == ""
    for sentence in filter(
        None, words
    ):  # the way out is named; Keras would wrap an error in a call
        assert "stem" in sentence
        assert "Exception encountered" not in sentence


@pytest.mark.parametrize("name", MEMBERS)
def test_inner_maps_have_names(name):
    net = still(name)
    stages = [layer.name for layer in net.layers if layer.name.startswith("stage")]
    assert stages == [f"stage{i + 1}" for i in range(len(stages))]
    assert len(stages) == {"lenet5": 2, "squeezenet1_1": 4}.get(name, 5)
    maps = models.features(net, [*stages, "features", "logits"]).predict(pixels(2), verbose=0)
    assert [len(m) for m in maps] == [2] * (len(stages) + 2)
    np.testing.assert_allclose(maps[-1], output(net, pixels(2)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MEMBERS)
def test_networks_take_raw_pixels_when_they_normalise(name):
    plain, whole = still(name), tiny(name, normalize=((120, 110, 100), (50, 60, 70)))
    whole.set_weights(plain.get_weights())
    raw = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    wanted = output(plain, (raw - np.array([120, 110, 100])) / np.array([50, 60, 70]))
    np.testing.assert_allclose(output(whole, raw), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", MEMBERS)
def test_mixed_precision_trains(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = tiny(name)
    net.compile("sgd", losses.CrossEntropy())
    loss = net.fit(pixels(), np.arange(4), verbose=0).history["loss"][0]
    assert math.isfinite(loss)
    assert {w.dtype for w in net.trainable_weights} == {"float32"}


def test_two_networks_have_different_weights():
    first, second = tiny("resnet18"), tiny("resnet18")
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_the_same_seed_gives_the_same_weights():
    nets = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        nets.append(tiny("resnet18").get_weights())
    for a, b in zip(*nets, strict=True):
        np.testing.assert_array_equal(a, b)


def test_layers_of_one_shape_start_differently():
    blocks = [w for w in tiny("resnet18").get_weights() if w.shape == (3, 3, 8, 8)]
    assert len(blocks) > 2
    assert not np.array_equal(blocks[0], blocks[1])


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(ValueError, match="Received: 'resnet17'. Did you mean resnet1"):
        models.build("resnet17")


def test_an_unknown_argument_lists_near_ones():
    with pytest.raises(ValueError, match="'num_class'. Did you mean num_classes"):
        models.build("resnet18", num_class=3)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("width", "abc", "resnet18 needs width > 0. Received: width='abc'."),
        ("width", -1, "resnet18 needs width > 0. Received: width=-1."),
        ("width", True, "Received: width=True."),
        ("dropout", 1.5, "resnet18 needs 0 <= dropout < 1. Received: dropout=1.5."),
    ],
)
def test_numbers_that_do_not_fit_are_named(key, value, text):
    with pytest.raises(ValueError, match=text):
        models.build("resnet18", **{key: value})


def test_a_network_may_have_a_name_of_its_own():
    net = models.build("resnet18", name="mine", width=0.125, image_size=32)
    assert net.name == "mine"
    assert net.arguments["model"] == "resnet18"
    assert "name" not in net.arguments


def test_patterns_select_names():
    assert models.list("vit_tiny*") == ["vit_tiny_16"]


def test_fields_show_the_row():
    fields = models.fields("mobilenet_v2_050")
    assert fields["width"] == 0.5
    assert fields["num_classes"] == 1000


def test_an_unknown_inner_map_lists_the_known_ones():
    with pytest.raises(ValueError, match="'stage9'. It has stage1, stage2"):
        models.features(still("resnet18"), ["stage9"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"num_classes": 0}, "num_classes >= 1"),
        ({"channels": 0}, "channels >= 1"),
        ({"image_size": -3}, "image_size to be one or two positive"),
        ({"stem": "tiny"}, "stem must be .* Received: stem='tiny'"),
        ({"normalize": ((1, 2), (1, 2))}, "one for each of the 3 channels"),
    ],
)
def test_values_that_do_not_fit_are_named(changes, text):
    with pytest.raises(ValueError, match=text):
        sketch("resnet18", **changes)


def test_transfer_replaces_a_head_of_other_classes():
    source, target = still("resnet18"), tiny("resnet18", num_classes=7)
    done = models.transfer(source, target)
    assert done.new == ["logits"]
    np.testing.assert_array_equal(source.get_weights()[0], target.get_weights()[0])


@pytest.mark.parametrize("image_size", [96, (64, 160)])
@pytest.mark.parametrize("name", ["vit_tiny_16", "deit_tiny_distilled_16"])
def test_transfer_resizes_position_embeddings(name, image_size):
    changes = {"stem": "standard", "depth": 1}
    source = tiny(name, image_size=224, **changes)
    target = tiny(name, image_size=image_size, **changes)
    done = models.transfer(source, target)
    assert done.new == []
    old, new = ([n for n in net.layers if n.weights] for net in (source, target))
    for a, b in zip(old, new, strict=True):
        if isinstance(a, PositionEmbedding):
            prefix = 2 if name.startswith("deit") else 1
            table = resize_positions(a.get_weights()[0], (14, 14), b.grid, prefix)
            table = keras.ops.convert_to_numpy(table)
            np.testing.assert_allclose(b.get_weights()[0], table, atol=1e-6)
            assert b.grid == tuple(target.input.shape[i] // 16 for i in (1, 2))
        else:
            assert all(map(np.array_equal, a.get_weights(), b.get_weights()))
    shape = (1, *target.input.shape[1:])
    assert np.isfinite(output(target, np.zeros(shape, "float32"))).all()


def test_transfer_refuses_another_network():
    with pytest.raises(ValueError, match="are different networks"):
        models.transfer(still("resnet18"), still("resnet50d"))

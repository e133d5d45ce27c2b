"""Arrays reach a model as Keras would bring them: order, batches, weights, types."""

import keras
import numpy as np
import pytest

from kcv import kernels, losses, models, optimizers

if not kernels.TORCH:
    pytest.skip("the feed is torch's", allow_module_level=True)
import torch
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

from kcv.engine.feeding import Ahead, Feed

CPU = torch.device("cpu")
X = np.arange(22 * 3, dtype="float32").reshape(22, 3)
Y = np.arange(22) % 4
W = np.linspace(0.5, 2, 22)


def batches(kind, arrays, *device, **options):
    torch.manual_seed(3)
    adapter = kind(arrays, *device, **options) if device else kind(*arrays, **options)
    return [[np.asarray(part) for part in batch] for batch in adapter.get_torch_dataloader()]


def assert_same(mine, theirs):
    assert len(mine) == len(theirs) > 1
    for a, b in zip(mine, theirs, strict=True):
        for part, other in zip(a, b, strict=True):
            assert part.dtype == other.dtype
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5, "shuffle": True},
        {"batch_size": 5, "shuffle": False},
        {"batch_size": 5, "shuffle": "batch"},
        {"steps": 3},
        {"batch_size": 4, "class_weight": {0: 1.0, 1: 2.0, 2: 0.5, 3: 3.0}},
    ],
    ids=str,
)
def test_batches_are_those_of_keras(options):
    mine = batches(Feed, (X, Y), CPU, **options)
    assert_same(mine, batches(ArrayDataAdapter, (X, Y), **options))


KINDS = {
    "float64": X.astype("float64"),
    "uint8": X.astype("uint8"),
    "uint16": X.astype("uint16"),
    "backwards": X[::-1],
    "every second column": np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": np.broadcast_to(X[:1], X.shape),
    "tensor": torch.tensor(X),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_kind_of_array_comes_as_in_keras(kind, shuffle):
    arrays, options = (KINDS[kind], Y, W), {"batch_size": 5, "shuffle": shuffle}
    mine = batches(Feed, arrays, CPU, **options)
    assert_same(mine, batches(ArrayDataAdapter, arrays, **options))


def test_nested_arrays_keep_their_names():
    feed = Feed(({"a": X, "b": Y}, None, None), CPU, batch_size=5)
    first = next(iter(feed.get_torch_dataloader()))
    np.testing.assert_array_equal(first["b"], Y[:5])


def test_who_changes_a_batch_does_not_change_the_array():
    kept = X.copy()
    for images, _ in Feed((X, Y), CPU, batch_size=5).get_torch_dataloader():
        images.zero_()
    np.testing.assert_array_equal(X, kept)


def test_arrays_of_other_lengths_are_refused_as_by_keras():
    with pytest.raises(ValueError, match="cardinality"):
        Feed((X, Y[:3]), CPU)


def test_batches_made_ahead_are_the_same_and_end():
    loader = Feed((X, Y), CPU, batch_size=5).get_torch_dataloader()
    ahead = Ahead(loader, CPU)
    assert [len(labels) for _, labels in ahead] == [5, 5, 5, 5, 2]
    np.testing.assert_array_equal(torch.cat([images for images, _ in ahead]), X)


def test_what_a_loader_draws_at_its_start_is_drawn_at_once():
    states = []
    for ahead in (False, True):
        loader = Feed((X, Y), CPU, batch_size=5, shuffle=True).get_torch_dataloader()
        torch.manual_seed(0)
        kept = iter(Ahead(loader, CPU) if ahead else loader)
        states.append(torch.get_rng_state())
        del kept
    assert torch.equal(*states)


def test_an_error_of_a_batch_made_ahead_arrives():
    def broken():
        yield torch.zeros(2)
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(Ahead(broken(), CPU))


def test_batches_made_ahead_may_be_left():
    for _ in Ahead(Feed((X, Y), CPU, batch_size=5).get_torch_dataloader(), CPU):
        break


def network():
    keras.utils.set_random_seed(0)
    image = keras.Input((3,))
    net = models.Model(image, keras.layers.Dense(4)(image))
    net.compile(optimizers.SGD(0.001), losses.CrossEntropy(), metrics=[losses.Accuracy()])
    return net


@pytest.mark.parametrize(
    "arguments",
    [
        {"validation_split": 0.3},
        {"validation_data": (X, Y)},
        {"validation_data": (X, Y, W), "validation_batch_size": 4, "validation_steps": 2},
        {"sample_weight": W},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5, 3: 3.0}},
        {"steps_per_epoch": 2},
    ],
    ids=lambda a: " ".join(a),
)
def test_fit_shuffles_splits_and_weighs_as_keras_does(arguments):
    mine, theirs = network(), network()
    torch.manual_seed(1)
    given = mine.fit(X, Y, batch_size=5, epochs=2, verbose=0, **arguments).history
    torch.manual_seed(1)
    wanted = keras.Model.fit(theirs, X, Y, batch_size=5, epochs=2, verbose=0, **arguments).history
    assert given == wanted
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_both_kinds_are_refused_as_by_keras():
    with pytest.raises(ValueError, match="`class_weight` and `sample_weight`"):
        network().fit(X, Y, sample_weight=W, class_weight={0: 1.0}, verbose=0)


def test_evaluate_and_predict_take_arrays_by_place():
    net = network()
    loss, accuracy = net.evaluate(X, Y, 5, 0, W)
    assert (loss, accuracy) == tuple(keras.Model.evaluate(net, X, Y, 5, 0, W))
    np.testing.assert_array_equal(net.predict(X, 5, 0), keras.Model.predict(net, X, 5, 0))

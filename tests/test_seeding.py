"""One seed, one run; and no TensorFlow for it."""

import random
import re
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kcv import seeding


def _draws():
    keras_draw = ops.convert_to_numpy(keras.random.uniform((2,)))
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    dropped = keras.layers.Dropout(0.5)(ops.ones((4, 4)), training=True)
    weights = ops.convert_to_numpy(layer.kernel)
    arrays = [keras_draw, weights, ops.convert_to_numpy(dropped)]
    return [random.random(), np.random.rand(), *np.concatenate([a.ravel() for a in arrays])]


def test_same_seed_gives_the_same_numbers_everywhere():
    seeding.set_seed(7)
    first = _draws()
    keras.random.uniform((3,))
    seeding.set_seed(7)
    assert _draws() == first


def test_other_seed_gives_other_numbers():
    seeding.set_seed(7)
    first = _draws()
    seeding.set_seed(8)
    assert _draws()[:4] != first[:4]


def _train(seed):
    seeding.set_seed(seed)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("adam", "mse")
    x = np.random.rand(32, 3)
    losses = model.fit(x, x[:, :1], epochs=2, batch_size=8, verbose=0).history["loss"]
    return losses + [v for w in model.get_weights() for v in w.ravel()]


def test_same_seed_gives_the_same_run():
    assert _train(3) == _train(3)
    assert _train(3) != _train(4)


def test_epoch_seed_does_not_depend_on_what_came_before():
    seeding.seed_epoch(1, 5)
    first = _draws()
    seeding.seed_epoch(1, 4)
    random.random()
    seeding.seed_epoch(1, 5)
    assert _draws() == first


def test_derived_seeds_do_not_collide_along_diagonals():
    seeds = {seeding.derive(seed, epoch) for seed in range(50) for epoch in range(50)}
    assert len(seeds) == 2500
    assert max(seeds) < 2**32
    assert seeding.derive(1, 12) != seeding.derive(11, 2)


def test_tensorflow_is_seeded_if_it_is_there_already(tmp_path, monkeypatch):
    (tmp_path / "tensorflow.py").write_text(
        "class random:\n    seed = None\n"
        "    @classmethod\n    def set_seed(cls, seed):\n        cls.seed = seed\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    tensorflow = __import__("tensorflow")
    seeding.set_seed(9)
    del sys.modules["tensorflow"]  # not by monkeypatch, which would put it back
    assert tensorflow.random.seed == 9


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None])
def test_seed_out_of_range_is_refused(seed):
    text = f"Seeding needs an integer 0 <= seed < 2**32. Received: seed={seed}."
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        seeding.set_seed(seed)


def test_epoch_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"0 <= epoch < 2\*\*32. Received: epoch=-1."):
        seeding.seed_epoch(0, -1)


def test_streams_go_on_where_they_stood():
    seeding.set_seed(7)
    _draws()
    kept = seeding.state()
    first = _draws()
    _draws()
    seeding.set_state(kept)
    assert _draws() == first


def test_streams_that_nobody_drew_from_go_on_too():
    seeding.set_seed(7)
    kept = seeding.state()
    first = _draws()
    seeding.set_state(kept)
    assert _draws() == first


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="JAX keeps no such state")
def test_streams_of_another_machine_are_refused():
    kept = seeding.state()
    kept["backend"] = [*kept["backend"], kept["backend"][0]]
    with pytest.raises(ValueError, match="as many GPUs as they were taken on, .* Received"):
        seeding.set_state(kept)


def test_steps_and_processes_draw_apart():
    seen = {(step, rank): seeding.seed_step(1, step, rank) for step in range(5) for rank in (0, 1)}
    assert len(set(seen.values())) == 10
    seeding.seed_step(1, 3, 1)
    first = _draws()
    seeding.seed_step(1, 2)
    seeding.seed_step(1, 3, 1)
    assert _draws() == first

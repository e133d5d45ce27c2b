"""Schedules against their closed forms, through saving, and inside a plain Keras fit."""

import json
import re

import keras
import numpy as np
import pytest
from keras import ops

from kcv import schedules

STEPS = 40
T = np.arange(STEPS)
COS = (1 + np.cos(np.pi * T / STEPS)) / 2
RISE = 12  # 30 % of STEPS

CASES = {
    "constant": (schedules.constant(base=1), np.ones(STEPS)),
    "step": (schedules.step(0.1, [10, 30]), 0.1 * 0.1 ** ((T >= 10) * 1.0 + (T >= 30))),
    "exponential": (schedules.exponential(0.1, 0.5, every=8), 0.1 * 0.5 ** (T / 8)),
    "staircase": (schedules.exponential(0.1, 0.5, 8, True), 0.1 * 0.5 ** (T // 8)),
    "inverse_time": (schedules.inverse_time(0.1, 2, every=5), 0.1 / (1 + 2 * T / 5)),
    "line": (schedules.polynomial(1, STEPS), 1 - T / STEPS),
    "polynomial": (
        schedules.polynomial(0.1, STEPS, power=2, end=0.01),
        0.01 + 0.09 * (1 - T / STEPS) ** 2,
    ),
    "cosine": (schedules.cosine(0.1, STEPS, end=0.02), 0.02 + 0.08 * COS),
    "one_cycle": (
        schedules.one_cycle(2, STEPS),
        np.where(
            T < RISE,
            0.08 + 1.92 * (1 - np.cos(np.pi * T / RISE)) / 2,
            1 + np.cos(np.pi * (T - RISE) / (STEPS - RISE)),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_schedule_follows_its_formula_at_every_step(name):
    schedule, expected = CASES[name]
    np.testing.assert_allclose(schedules.values(schedule, STEPS), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_schedule_survives_serialisation(name):
    schedule, expected = CASES[name]
    text = json.dumps(keras.optimizers.schedules.serialize(schedule))
    again = keras.optimizers.schedules.deserialize(json.loads(text))
    np.testing.assert_allclose(schedules.values(again, STEPS), expected, rtol=1e-5, atol=1e-7)


WARM = {
    "constant": lambda w: schedules.constant(0.1, **w),
    "step": lambda w: schedules.step(0.1, [20], **w),
    "exponential": lambda w: schedules.exponential(0.1, 0.5, 8, **w),
    "inverse_time": lambda w: schedules.inverse_time(0.1, 1, 8, **w),
    "polynomial": lambda w: schedules.polynomial(0.1, STEPS, **w),
    "cosine": lambda w: schedules.cosine(0.1, STEPS, **w),
}


@pytest.mark.parametrize("name", WARM)
def test_warmup_rises_in_a_line_to_the_base(name):
    rates = schedules.values(WARM[name]({"warmup": 10, "warmup_start": 0.2}), STEPS)
    np.testing.assert_allclose(rates[:11], np.linspace(0.02, 0.1, 11), rtol=1e-5)
    assert rates[11:].max() <= 0.1 + 1e-8


def test_warmup_leaves_the_length_of_the_run():
    cosine = schedules.values(schedules.cosine(0.1, STEPS, warmup=10), STEPS + 2)
    expected = 0.05 * (1 + np.cos(np.pi * (np.arange(10, STEPS + 1) - 10) / 30))
    np.testing.assert_allclose(cosine[10 : STEPS + 1], expected, atol=1e-8)
    assert cosine[STEPS + 1] == cosine[STEPS] == pytest.approx(0, abs=1e-8)


def test_warmup_leaves_the_boundaries_of_steps():
    rates = schedules.values(schedules.step(1.0, [20, 30], factor=0.5, warmup=10), STEPS)
    assert list(rates[[10, 19, 20, 29, 30]]) == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_steps_without_boundaries_stay_at_the_base():
    assert set(schedules.values(schedules.step(0.5, []), 5)) == {0.5}


def test_warmup_wraps_a_schedule_of_keras():
    restarts = keras.optimizers.schedules.CosineDecayRestarts(0.1, 10)
    warm = schedules.values(schedules.Warmup(restarts, steps=5, start=0.5), 25)
    np.testing.assert_allclose(warm[5:], schedules.values(restarts, 20), rtol=1e-6)
    np.testing.assert_allclose(warm[:5], 0.05 + 0.05 * np.arange(5) / 5, rtol=1e-6)


def test_warmup_survives_serialisation_with_what_it_wraps():
    warm = schedules.one_cycle(1, STEPS)
    config = keras.optimizers.schedules.serialize(schedules.Warmup(warm, 4, start=0.1))
    again = keras.optimizers.schedules.deserialize(json.loads(json.dumps(config)))
    assert isinstance(again.schedule, schedules.OneCycle)
    expected = schedules.values(schedules.Warmup(warm, 4, start=0.1), 20)
    np.testing.assert_array_equal(schedules.values(again, 20), expected)


def test_one_cycle_has_the_shape_of_torch():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=STEPS + 1)
    expected = [theirs.get_last_lr()[0]]
    for _ in range(STEPS):
        optimizer.step()
        theirs.step()
        expected.append(theirs.get_last_lr()[0])
    rise = 0.3 * (STEPS + 1) - 1  # where torch puts the peak
    ours = schedules.OneCycle(1.0, STEPS, rise=rise, start=1 / 25, end=1 / 25e4)
    ours.rise = rise
    np.testing.assert_allclose(schedules.values(ours, STEPS + 1), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["step", "line", "cosine", "one_cycle"])
def test_optimizer_takes_the_rate_of_its_step(name):
    schedule, expected = CASES[name]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(schedule), loss=lambda y, p: ops.mean(p))
    x = np.ones((8, 3), "float32")
    before = ops.convert_to_numpy(model.weights[0]).copy()
    model.fit(x, x[:, :1], batch_size=2, epochs=3, shuffle=False, verbose=0)
    moved = before - ops.convert_to_numpy(model.weights[0])
    np.testing.assert_allclose(moved, np.full((3, 1), expected[:12].sum()), rtol=1e-4)


def test_schedule_saves_and_loads_inside_a_model(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedules.cosine(0.1, 10, warmup=2)), loss="mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert float(again.learning_rate) == float(model.optimizer.learning_rate)


@pytest.mark.parametrize("name", ["polynomial", "cosine", "one_cycle"])
def test_no_rate_falls_below_the_end(name):
    """In float32 the difference of two equal rates may be less than zero."""
    lowest = [
        float(getattr(schedules, name)(base, steps, end=share * base, **warm)(step))
        - float(np.float32(share * base))
        for base in np.random.default_rng(0).uniform(1e-4, 2, 60)
        for steps in (7, 145, 2910)
        for share in (0.0, 1e-3)
        for warm in ({}, {"warmup": 3})
        for step in (steps - 1, steps, steps + 5)
    ]
    assert min(lowest) >= 0


def test_one_cycle_may_start_below_its_end():
    rates = schedules.values(schedules.one_cycle(1, STEPS, end=0.5, warmup_start=0), STEPS + 1)
    assert (rates[0], rates[STEPS]) == (0, 0.5)


def test_scaled_is_proportional_to_the_batch():
    assert schedules.scaled(0.1, batch=64) == 0.025
    assert schedules.scaled(0.1, batch=64, base_batch=32) == 0.2


WRONG = [
    (lambda: schedules.constant(0), "constant needs a finite base > 0. Received: base=0."),
    (lambda: schedules.Constant(-1), "Constant needs a finite base > 0. Received: base=-1."),
    (lambda: schedules.constant(1, -1), "constant needs warmup >= 0. Received: warmup=-1."),
    (
        lambda: schedules.constant(1, 5, 2),
        "constant needs 0 <= warmup_start <= 1. Received: warmup_start=2.",
    ),
    (lambda: schedules.Warmup(0.1, 5), "Warmup needs a Keras schedule. Received: schedule=0.1."),
    (
        lambda: schedules.Warmup(schedules.constant(1), 0),
        "Warmup needs steps >= 1. Received: steps=0.",
    ),
    (
        lambda: schedules.Warmup(schedules.constant(1), 1, start=-1),
        "Warmup needs 0 <= start <= 1. Received: start=-1.",
    ),
    (
        lambda: schedules.step(1, [30, 20]),
        "step needs increasing boundaries > warmup. Received: boundaries=[30, 20].",
    ),
    (lambda: schedules.step(1, [3], 0), "step needs 0 < factor <= 1. Received: factor=0."),
    (lambda: schedules.exponential(1, 2, 1), "exponential needs 0 < rate <= 1. Received: rate=2."),
    (lambda: schedules.exponential(1, 1, 0), "exponential needs every >= 1. Received: every=0."),
    (lambda: schedules.inverse_time(1, -1, 1), "inverse_time needs rate >= 0. Received: rate=-1."),
    (lambda: schedules.inverse_time(1, 1, 0), "inverse_time needs every >= 1. Received: every=0."),
    (
        lambda: schedules.polynomial(1, 5, warmup=5),
        "polynomial needs warmup < steps. Received: warmup=5, steps=5.",
    ),
    (lambda: schedules.polynomial(1, 5, 0), "polynomial needs power > 0. Received: power=0."),
    (
        lambda: schedules.polynomial(1, 5, end=2),
        "polynomial needs 0 <= end <= base. Received: end=2, base=1.0.",
    ),
    (
        lambda: schedules.cosine(1, 5, warmup=9),
        "cosine needs warmup < steps. Received: warmup=9, steps=5.",
    ),
    (
        lambda: schedules.cosine(1, 5, end=-1),
        "cosine needs 0 <= end <= base. Received: end=-1, base=1.0.",
    ),
    (
        lambda: schedules.one_cycle(1, 5, warmup=5),
        "OneCycle needs 1 <= warmup < steps. Received: warmup=5, steps=5.",
    ),
    (
        lambda: schedules.one_cycle(1, 5, warmup_start=2),
        "OneCycle needs 0 <= warmup_start <= 1. Received: warmup_start=2.",
    ),
    (
        lambda: schedules.one_cycle(1, 5, end=3),
        "OneCycle needs 0 <= end <= base. Received: end=3, base=1.0.",
    ),
    (
        lambda: schedules.scaled(1, 0),
        "scaled needs batches >= 1. Received: batch=0, base_batch=256.",
    ),
    (
        lambda: schedules.values(schedules.constant(1), -1),
        "values needs steps >= 0. Received: steps=-1.",
    ),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text.split(".")[0] for _, text in WRONG])
def test_wrong_arguments_are_named(call, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        call()

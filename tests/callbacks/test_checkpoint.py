"""Checkpoints: a run that was stopped, killed or damaged continues as if nothing had been."""

import errno
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kcv import schedules
from kcv.callbacks import EMA, SWA, Checkpoint, EarlyStopping, Warmup


def momentum_and_schedule():
    return keras.optimizers.SGD(schedules.cosine(0.1, 16, warmup=3), 0.9)


def adam_and_number():
    return keras.optimizers.Adam(0.01)


def make(tiny, folder, seed, optimizer=momentum_and_schedule, **options):
    """Return model, averaging and stopping callbacks, and the checkpoint over them."""
    model = tiny.model(seed, dropout=0.3, optimizer=optimizer())
    ema = EMA(0.9)
    swa = SWA(1, data=tiny.x)
    stopper = EarlyStopping("val_loss", 3, averaged=ema)
    others = [ema, swa, stopper]
    return model, others, Checkpoint(folder, others, monitor="val_loss", **options)


def everything(tiny, model, others):
    states = [value for callback in others for value in callback.get_state().values()]
    arrays = [np.asarray(np.nan if value is None else value) for value in states]
    return tiny.numpy([*model.variables, *model.optimizer.variables]) + arrays


@pytest.mark.parametrize("optimizer", [momentum_and_schedule, adam_and_number])
def test_resumed_run_is_bit_for_bit_the_whole_one(tiny, tmp_path, optimizer):
    whole, others, checkpoint = make(tiny, tmp_path / "a", 1, optimizer)
    logs = tiny.fit(whole, *others, checkpoint, epochs=4).history
    wanted = everything(tiny, whole, others)

    model, others, checkpoint = make(tiny, tmp_path / "b", 1, optimizer)
    assert checkpoint.restore(model) == 0
    tiny.fit(model, *others, checkpoint, epochs=2)

    model, others, checkpoint = make(tiny, tmp_path / "b", 2, optimizer)
    assert checkpoint.restore(model) == 2
    rest = tiny.fit(model, *others, checkpoint, epochs=4, initial_epoch=2).history
    for a, b in zip(everything(tiny, model, others), wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {name: values[2:] for name, values in logs.items()} == rest


def test_run_that_had_ended_gives_its_end_result_again(tiny, tmp_path):
    whole, others, checkpoint = make(tiny, tmp_path, 1)
    tiny.fit(whole, *others, checkpoint, epochs=3)
    model, others, checkpoint = make(tiny, tmp_path, 2)
    assert checkpoint.restore(model) == 3
    tiny.fit(model, *others, checkpoint, epochs=3, initial_epoch=3)
    tiny.same(tiny.weights(model), tiny.weights(whole), atol=1e-6)


def test_rate_and_place_in_the_warmup_come_back(tiny, tmp_path):
    model = tiny.model(optimizer=keras.optimizers.SGD(0.1))
    checkpoint = Checkpoint(tmp_path)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=1e9)
    tiny.fit(model, Warmup(steps=20), plateau, checkpoint)
    again = tiny.model(optimizer=keras.optimizers.SGD(0.7))
    Checkpoint(tmp_path).restore(again)
    assert float(again.optimizer.learning_rate) == pytest.approx(0.05)
    assert int(again.optimizer.iterations) == 8


def test_random_seeds_of_layers_come_back(tiny, tmp_path):
    model = tiny.model(dropout=0.5)
    tiny.fit(model, Checkpoint(tmp_path))
    again = tiny.model(seed=9, dropout=0.5)
    Checkpoint(tmp_path).restore(again)
    tiny.same(tiny.numpy(again.variables), tiny.numpy(model.variables))
    assert len(again.variables) == len(again.weights) + 1


def test_half_precision_variables_come_back(tiny, tmp_path):
    keras.config.set_dtype_policy("bfloat16")
    try:
        models = [tiny.model(seed) for seed in (1, 2)]
    finally:
        keras.config.set_dtype_policy("float32")
    tiny.fit(models[0], Checkpoint(tmp_path))
    Checkpoint(tmp_path).restore(models[1])
    tiny.same(*([a.astype("float32") for a in tiny.numpy(m.variables)] for m in models))


def test_empty_folder_restores_nothing(tiny, tmp_path):
    model = tiny.model()
    before = tiny.weights(model)
    assert Checkpoint(tmp_path / "nowhere").restore(model) == 0
    tiny.same(tiny.weights(model), before)
    assert not (tmp_path / "nowhere").exists()


def test_damaged_newest_costs_one_epoch_and_is_written_anew(tiny, tmp_path, caplog):
    tiny.fit(tiny.model(), Checkpoint(tmp_path, keep=3), epochs=3)
    (tmp_path / "epoch-0003.safetensors").write_bytes(b"damaged")
    model, checkpoint = tiny.model(), Checkpoint(tmp_path, keep=3)
    assert checkpoint.restore(model) == 2
    assert len(caplog.records) == 1
    assert "epoch-0003" in caplog.text
    tiny.fit(model, checkpoint, epochs=4, initial_epoch=2)
    assert Checkpoint(tmp_path).restore(tiny.model()) == 4


@pytest.mark.slow
def test_killed_runs_continue_bit_for_bit(tmp_path):
    script = Path(__file__).with_name("killed_runs.py")
    path = os.pathsep.join([str(script.parent), *sys.path])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=env, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 5, done.stderr
    for line in lines:
        assert "signal 9" in line
        assert line.endswith("difference 0.0")


# What stays and what goes


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".json")


class Score(keras.callbacks.Callback):
    """Gives each epoch its score."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def on_epoch_end(self, epoch, logs=None):
        logs["val_accuracy"] = self.scores[epoch]


def test_last_ones_and_the_best_stay(tiny, tmp_path):
    score = Score([0.1, 0.9, float("nan"), 0.3, 0.4])
    tiny.fit(tiny.model(), score, Checkpoint(tmp_path), epochs=5, validation_data=None)
    assert names(tmp_path) == ["epoch-0002.json", "epoch-0004.json", "epoch-0005.json"]
    assert len(list(tmp_path.iterdir())) == 6


def test_best_is_remembered_across_a_resume(tiny, tmp_path):
    score = Score([0.1, 0.9, 0.2, 0.3, 0.4])
    tiny.fit(tiny.model(), score, Checkpoint(tmp_path, keep=1), epochs=3)
    model, checkpoint = tiny.model(), Checkpoint(tmp_path, keep=1)
    first = checkpoint.restore(model)
    tiny.fit(model, score, checkpoint, epochs=5, initial_epoch=first)
    assert names(tmp_path) == ["epoch-0002.json", "epoch-0005.json"]


def test_files_of_others_stay(tiny, tmp_path):
    tiny.fit(tiny.model(), Checkpoint(tmp_path, keep=1), epochs=1)
    (tmp_path / "notes.json").write_text("{}")
    score = Score([0, 0.1, 0.2, 0.3])
    tiny.fit(tiny.model(), score, Checkpoint(tmp_path, keep=1), epochs=4, initial_epoch=1)
    assert names(tmp_path) == ["epoch-0001.json", "epoch-0004.json", "notes.json"]


def test_second_run_in_the_same_folder_is_refused(tiny, tmp_path):
    tiny.fit(tiny.model(), Checkpoint(tmp_path))
    text = (
        "Checkpoint needs a folder without later checkpoints to begin with epoch 0. "
        f"Received: {tmp_path / 'epoch-0002.safetensors'}. "
        "Call restore and pass what it returns as initial_epoch, or use another folder."
    )
    with pytest.raises(RuntimeError, match=re.escape(text) + "$"):
        tiny.fit(tiny.model(), Checkpoint(tmp_path))


def test_weights_that_are_not_finite_are_not_saved(tiny, tmp_path, caplog):
    model = tiny.model(optimizer=keras.optimizers.SGD(1e20))
    good = Checkpoint(tmp_path)
    tiny.fit(model, good, epochs=2, validation_data=None)
    assert not tmp_path.exists() or names(tmp_path) == []
    assert caplog.messages[0] == "No checkpoint after epoch 1: the weights are not finite."


# A disk that fails


def failing_disk(monkeypatch, epochs):
    """Fail the writes of some checkpoints, counted from 0."""
    real, saves = os.fsync, []

    def fsync(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if name.endswith(".safetensors.part"):
            saves.append(name)
            if len(saves) - 1 in epochs:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")


@needs_proc
def test_full_disk_does_not_stop_the_training(tiny, tmp_path, monkeypatch, caplog):
    failing_disk(monkeypatch, {1, 2})
    checkpoint = Checkpoint(tmp_path)
    history = tiny.fit(tiny.model(), checkpoint, epochs=3).history
    assert len(history["loss"]) == 3
    assert checkpoint.failures == 2
    assert sorted(os.listdir(tmp_path)) == ["epoch-0001.json", "epoch-0001.safetensors"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert caplog.messages[0] == (
        f"Checkpoint {tmp_path / 'epoch-0002.safetensors'} was NOT written: "
        "No space left on device. Training goes on."
    )
    assert Checkpoint(tmp_path).restore(tiny.model()) == 1


@needs_proc
def test_saves_go_on_when_there_is_room_again(tiny, tmp_path, monkeypatch):
    failing_disk(monkeypatch, {0, 1, 3, 4})
    checkpoint = Checkpoint(tmp_path)
    tiny.fit(tiny.model(), checkpoint, epochs=6)
    assert checkpoint.failures == 0
    assert names(tmp_path) == ["epoch-0003.json", "epoch-0006.json"]


@needs_proc
def test_third_failure_in_a_row_stops_the_training(tiny, tmp_path, monkeypatch):
    failing_disk(monkeypatch, {1, 2, 3})
    with pytest.raises(RuntimeError) as error:
        tiny.fit(tiny.model(), Checkpoint(tmp_path), epochs=9)
    assert str(error.value) == (
        "Checkpoint needs a folder that can be written. Received: No space left on device, "
        f"3 times in a row, for {tmp_path / 'epoch-0004.safetensors'}. "
        "Make room, then resume from the last checkpoint."
    )
    assert Checkpoint(tmp_path).restore(tiny.model()) == 1


# Runs that do not belong together


def restore(tiny, folder, model=None, **options):
    options = {
        "callbacks": [EMA()],
        "seed": 1,
        "meta": {"data": "digits", "batch_size": 16},
    } | options
    return Checkpoint(folder, **options).restore(model or tiny.model())


def other_network(tiny):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    model.compile(keras.optimizers.SGD(0.1, 0.9), "mse")
    return model


def wider(tiny):
    image = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(7, 3, use_bias=False)(image))
    model = keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))
    model.compile(keras.optimizers.SGD(0.1, 0.9), "mse")
    return model


OTHERS = [
    (lambda t: {"seed": 2}, "seed=2 instead of 1"),
    (lambda t: {"meta": {"data": "tiles", "batch_size": 16}}, "data='tiles' instead of 'digits'"),
    (lambda t: {"meta": {"data": "digits"}}, "batch_size=None instead of 16"),
    (
        lambda t: {"seed": 2, "meta": {"data": "digits", "batch_size": 8}},
        "batch_size=8 instead of 16; seed=2 instead of 1",
    ),
    (lambda t: {"callbacks": []}, "callbacks of 0 parts instead of 1"),
    (lambda t: {"callbacks": [SWA(0)]}, "callbacks with SWA instead of EMA"),
    (
        lambda t: {"model": t.model(optimizer=keras.optimizers.Adam())},
        "optimizer of 12 parts instead of 7",
    ),
    (
        lambda t: {"model": other_network(t)},
        "model of 2 parts instead of 7; optimizer of 4 parts instead of 7",
    ),
    (
        lambda t: {"model": wider(t)},
        "model with conv2d/kernel (3, 3, 1, 7) instead of conv2d/kernel (3, 3, 1, 6)",
    ),
]


@pytest.mark.parametrize(("change", "text"), OTHERS, ids=[text for _, text in OTHERS])
def test_other_run_is_refused_and_the_difference_named(tiny, tmp_path, change, text):
    ema = EMA()
    meta = {"data": "digits", "batch_size": 16}
    tiny.fit(tiny.model(), ema, Checkpoint(tmp_path, [ema], seed=1, meta=meta), epochs=1)
    assert restore(tiny, tmp_path) == 1
    begin = f"Resuming needs the run of {tmp_path / 'epoch-0001.safetensors'}. Received: {text}"
    end = "Use its settings, or another folder."
    with pytest.raises(ValueError, match=f"{re.escape(begin)}.*{end}$"):
        restore(tiny, tmp_path, **change(tiny))


def test_checkpoint_of_another_keras_is_refused(tiny, tmp_path):
    tiny.fit(tiny.model(), Checkpoint(tmp_path), epochs=1)
    path = tmp_path / "epoch-0001.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"keras": "2.15.0"}))
    with pytest.raises(ValueError, match="Received: Keras='3' instead of '2'."):
        Checkpoint(tmp_path).restore(tiny.model())


def test_model_must_be_compiled(tiny, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    text = (
        "Resuming needs a model that is built and compiled. Received: built=True, optimizer=None."
    )
    with pytest.raises(RuntimeError, match=re.escape(text) + "$"):
        Checkpoint(tmp_path).restore(model)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"keep": 0}, "Checkpoint needs keep >= 1. Received: keep=0."),
        (
            {"callbacks": [keras.callbacks.History()]},
            "Checkpoint needs callbacks with get_state and set_state. Received: History.",
        ),
        (
            {"meta": {"data": {1, 2}}},
            "Checkpoint needs meta that JSON can hold. "
            "Received: Object of type set is not JSON serializable.",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        Checkpoint("folder", **arguments)

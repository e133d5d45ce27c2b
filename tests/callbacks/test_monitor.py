"""Which number is better."""

import math
import re

import pytest

from kcv.callbacks.monitor import Monitor


@pytest.mark.parametrize(
    ("name", "mode", "low_is_better"),
    [
        ("val_loss", "auto", True),
        ("mae", "auto", True),
        ("val_accuracy", "auto", False),
        ("val_top5_accuracy", "auto", False),
        ("AUC", "auto", False),
        ("val_loss", "max", False),
        ("anything", "min", True),
    ],
)
def test_direction_is_told_by_mode_or_name(name, mode, low_is_better):
    assert Monitor("Test", name, mode).better(1.0, 2.0) is low_is_better
    assert Monitor("Test", name, mode).better(2.0, 1.0) is not low_is_better


def test_gain_must_exceed_min_delta():
    monitor = Monitor("Test", "loss", min_delta=0.5)
    assert monitor.better(1.0, 1.75)
    assert not monitor.better(1.0, 1.5)
    assert not Monitor("Test", "loss").better(1.0, 1.0)


def test_nan_is_never_better_and_anything_else_beats_nothing():
    monitor = Monitor("Test", "loss")
    assert not monitor.better(math.nan, None)
    assert not monitor.better(None, None)
    assert not monitor.better(math.nan, 1.0)
    assert monitor.better(9.0, None)


def test_value_is_read_from_the_logs():
    assert Monitor("Test", "loss").read({"loss": 1}) == 1.0
    assert Monitor("Test", "loss").read({"accuracy": 1}) is None
    assert Monitor("Test", "loss").read(None) is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("loss", "up"), 'Test needs mode "auto", "min" or "max". Received: mode=\'up\'.'),
        (("loss", "min", -1), "Test needs min_delta >= 0. Received: min_delta=-1."),
        (
            ("score",),
            "Test needs to know whether more is better. Received: monitor='score', "
            'mode="auto". Say mode="min" or mode="max".',
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text) + "$"):
        Monitor("Test", *arguments)

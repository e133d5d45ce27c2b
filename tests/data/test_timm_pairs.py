"""AutoAugment and 3-Augment as timm does them; value by value in test_reference.py."""

import collections

import numpy as np
import pytest

from kcv.data import draws, timm_pairs
from kcv.data.timm_pairs import POLICIES, AutoAugmentTimm, from_timm, value_of

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)


def rng(index):
    return draws.generator(0, 0, index)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "image", [IMAGE, IMAGE[:, ::-1], IMAGE[:, :, :1]], ids=["rgb", "view", "L"]
)
def test_the_same_generator_gives_the_same_pixels_and_the_input_stays(policy, image):
    before, operation = image.copy(), AutoAugmentTimm(policy, 0.5)
    first, again = ([operation(image, rng(index)) for index in range(30)] for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((one != image).any() for one in first)
    assert (image == before).all()
    assert {(one.shape, one.dtype) for one in first} == {(image.shape, np.dtype(np.uint8))}


def test_posterize_has_three_scales():
    def bits(policy):
        return [value_of(policy, "posterize", level, (9, 9), rng(0))[1] for level in (0, 5, 10)]

    assert bits("v0") == [0, 2, 4]
    assert bits("original") == [4, 6, 8]
    assert bits("v0r") == bits("originalr") == [4, 2, 0]


def test_three_augment_draws_its_operations_evenly(monkeypatch):
    seen = []
    monkeypatch.setattr(timm_pairs, "run", lambda image, steps: seen.extend(steps))
    for index in range(900):
        AutoAugmentTimm("3a")(IMAGE, rng(index))
    counts = collections.Counter(step.name for step in seen)
    assert set(counts) == {"solarize", "color", "blur"}
    assert 240 < min(counts.values()) < max(counts.values()) < 360
    assert {step.value for step in seen if step.name != "blur"} == {128, -1.0}
    deviations = [step.value for step in seen if step.name == "blur"]
    assert 0.1 <= min(deviations) < 0.2 < 1.9 < max(deviations) < 2


def test_strengths_are_drawn_around_the_table_and_cut(monkeypatch):
    seen = []
    monkeypatch.setattr(timm_pairs, "run", lambda image, steps: seen.extend(steps))
    monkeypatch.setitem(timm_pairs.POLICIES, "original", ((("rotate", 0.4, 9),),))
    for index in range(2000):
        AutoAugmentTimm(std=0.5)(IMAGE, rng(index))
    assert 0.36 < len(seen) / 2000 < 0.44
    levels = np.array([step.value for step in seen]) / 3
    assert 0.4 < (levels > 0).mean() < 0.6
    assert abs(levels).mean() == pytest.approx(9, abs=0.08)
    assert abs(levels).std() == pytest.approx(0.48, abs=0.06)
    assert abs(levels).max() == 10
    assert {step.border.interpolation.name for step in seen} == {"BILINEAR", "BICUBIC"}


def test_the_texts_of_timm_are_read():
    assert from_timm("original") == AutoAugmentTimm()
    assert from_timm("v0r-mstd0.5") == AutoAugmentTimm("v0r", 0.5)
    assert from_timm("3a") == AutoAugmentTimm("3a")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: AutoAugmentTimm("v1"), "needs policy in original, .*, 3a. Received: policy='v1'"),
        (lambda: AutoAugmentTimm(std=-1), "AutoAugmentTimm needs std >= 0. Received: std=-1"),
        (lambda: AutoAugmentTimm(interpolation="box"), "Received: interpolation='box'"),
        (lambda: from_timm("v0-m9"), "one of original, .* as in original-mstd0.5. .*: 'v0-m9'"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

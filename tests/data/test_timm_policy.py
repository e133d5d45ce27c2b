"""RandAugment as timm does it."""

import numpy as np
import pytest

from kcv.data import draws, timm_policy
from kcv.data.timm_policy import NAMES, RandAugmentTimm, from_timm, level_value

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)


def applied(monkeypatch, policy, count=1000):
    """Run a policy and return all (name, value, border)."""
    seen = []

    def spy(image, steps):
        seen.extend(steps)
        return image

    monkeypatch.setattr(timm_policy, "run", spy)
    for index in range(count):
        policy(IMAGE, draws.generator(0, 0, index))
    return seen


def test_the_same_generator_gives_the_same_pixels_and_the_input_stays():
    for image in (IMAGE, IMAGE[:, ::-1], IMAGE[:, :, :1]):
        before = image.copy()
        first, again = (
            [RandAugmentTimm(std=5)(image, draws.generator(0, 0, index)) for index in range(40)]
            for _ in range(2)
        )
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert any((one != image).any() for one in first)
        assert (image == before).all()
        assert {(one.shape, one.dtype) for one in first} == {(image.shape, np.dtype(np.uint8))}


def test_values_grow_with_the_level():
    def values(name, inc=True, sign=1):
        return [level_value(name, level, sign, (200, 100), inc) for level in (0, 5, 10)]

    assert values("rotate", sign=-1) == [0, -15, -30]
    assert values("translate_x") == [0, 45, 90]
    assert values("translate_y", sign=-1) == [0, -22.5, -45]
    assert values("posterize") == [4, 2, 0]
    assert values("solarize") == [256, 128, 0]
    assert values("solarize_add") == [0, 55, 110]
    assert values("color") == pytest.approx([0, 0.45, 0.9])
    assert values("sharpness", sign=-1) == pytest.approx([0, -0.45, -0.9])
    assert values("equalize") == [0, 0, 0]


def test_without_inc_some_values_fall_with_the_level():
    def values(name):
        return [level_value(name, level, -1, (200, 100), inc=False) for level in (0, 5, 10)]

    assert values("posterize") == [0, 2, 4]
    assert values("solarize") == [0, 128, 256]
    assert values("contrast") == pytest.approx([-0.9, 0, 0.9])
    assert values("shear_x") == pytest.approx([0, -0.15, -0.3])


def test_operations_are_drawn_evenly_and_applied_at_their_rate(monkeypatch):
    seen = applied(monkeypatch, RandAugmentTimm(count=3, rate=0.4), 1000)
    assert 1100 < len(seen) < 1300
    counts = [sum(name == one for one, _, _ in seen) for name in NAMES]
    assert len(NAMES) == 15
    assert 50 < min(counts) < max(counts) < 115


def test_strengths_are_drawn_around_the_magnitude_and_cut(monkeypatch):
    seen = applied(monkeypatch, RandAugmentTimm(count=6, std=0.5), 500)
    angles = np.array([value for name, value, _ in seen if name == "rotate"]) / 3
    assert 0.3 < (angles > 0).mean() < 0.7
    assert abs(angles).mean() == pytest.approx(9, abs=0.15)
    assert abs(angles).std() == pytest.approx(0.48, abs=0.1)
    assert abs(angles).max() == 10


def test_a_large_deviation_means_an_even_draw(monkeypatch):
    seen = applied(monkeypatch, RandAugmentTimm(count=6, magnitude=8, std=101), 500)
    levels = np.array([abs(value) / 3 for name, value, _ in seen if name == "rotate"])
    assert levels.mean() == pytest.approx(4, abs=0.5)
    assert levels.min() < 1 < 7 < levels.max() < 8


def test_interpolation_is_drawn_or_fixed(monkeypatch):
    drawn = {border for _, _, border in applied(monkeypatch, RandAugmentTimm())}
    assert {border.interpolation.name for border in drawn} == {"BILINEAR", "BICUBIC"}
    assert {border.fill for border in drawn} == {(124, 116, 104)}
    fixed = RandAugmentTimm(interpolation="nearest", fill=7)
    assert {(b.interpolation.name, b.fill) for _, _, b in applied(monkeypatch, fixed)} == {
        ("NEAREST", 7)
    }


def test_the_texts_of_timm_are_read():
    assert from_timm("rand-m9-mstd0.5-inc1") == RandAugmentTimm()
    assert from_timm("rand") == RandAugmentTimm(magnitude=10, std=0, increasing=False)
    assert from_timm("rand-n3-m15-mmax30-p0.8-mstd101") == RandAugmentTimm(
        count=3, magnitude=15, maximum=30, rate=0.8, std=101, increasing=False
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: RandAugmentTimm(0), "RandAugmentTimm needs count >= 1. Received: count=0"),
        (lambda: RandAugmentTimm(2, 11), "magnitude <= maximum. Received: magnitude=11, maximum"),
        (lambda: RandAugmentTimm(std=-1), "RandAugmentTimm needs std >= 0. Received: std=-1"),
        (lambda: RandAugmentTimm(rate=2), "RandAugmentTimm needs 0 <= rate <= 1. Received: rate=2"),
        (lambda: RandAugmentTimm(interpolation="box"), "Received: interpolation='box'"),
        (lambda: from_timm("rand-m9-tweights"), "like rand-m9-n2-.* where 'tweights' is none"),
        (lambda: from_timm("rands-m9"), "Received: 'rands-m9'"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

"""Policies: how often, how strongly, and which operations."""

import collections

import numpy as np
import pytest

from kcv.data import draws, operations, policies
from kcv.data.policies import AUTO, NARROW, WIDE, AutoAugment, RandAugment, TrivialAugmentWide
from kcv.data.subpolicies import SUBPOLICIES

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
POLICIES = [RandAugment(), TrivialAugmentWide(), *map(AutoAugment, SUBPOLICIES)]


def rng(index):
    return draws.generator(0, 0, index)


def applied(monkeypatch, policy, count):
    """Run a policy and return a list of (name, value) an image."""
    seen = []

    def spy(image, steps):
        seen.append([(name, value) for name, value, _ in steps])
        return image

    monkeypatch.setattr(policies, "run", spy)
    for index in range(count):
        policy(IMAGE, rng(index))
    return seen


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize(
    "image", [IMAGE, IMAGE[:, ::-1], IMAGE[:, :, :1]], ids=["rgb", "view", "L"]
)
def test_the_same_generator_gives_the_same_pixels_and_the_input_stays(policy, image):
    before = image.copy()
    first, again = ([policy(image, rng(index)) for index in range(15)] for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((one != image).any() for one in first)
    assert (image == before).all()
    assert {(one.shape, one.dtype) for one in first} == {(image.shape, np.dtype(np.uint8))}


def test_magnitudes_go_evenly_from_the_weakest_to_the_strongest_bin():
    def values(name, ranges=NARROW, bins=5):
        return [policies.magnitude_of(name, ranges[name], i, bins, (331, 662)) for i in range(bins)]

    assert values("rotate") == [0, 7.5, 15, 22.5, 30]
    assert values("solarize") == [255, 191.25, 127.5, 63.75, 0]
    assert values("posterize") == [8, 7, 6, 5, 4]
    assert values("translate_x") == [0, 37, 75, 112, 150]
    assert values("translate_y") == [0, 75, 150, 225, 300]
    assert values("shear_y", WIDE, 4) == pytest.approx([0, 0.33, 0.66, 0.99])
    assert values("translate_x", WIDE) == values("translate_y", WIDE) == [0, 8, 16, 24, 32]
    assert values("posterize", WIDE) == [8, 6, 5, 4, 2]
    assert values("equalize") == [0] * 5


def test_rand_augment_draws_14_operations_evenly_at_one_strength(monkeypatch):
    seen = applied(monkeypatch, RandAugment(3, 15), 1400)
    assert {len(one) for one in seen} == {3}
    names = collections.Counter(name for one in seen for name, _ in one)
    assert set(names) == set(NARROW)
    assert 230 < min(names.values()) < max(names.values()) < 370
    angles = collections.Counter(value for one in seen for name, value in one if name == "rotate")
    assert set(angles) == {15.0, -15.0}
    assert 0.4 < angles[15.0] / angles.total() < 0.6
    levels = {value for one in seen for name, value in one if name == "solarize"}
    assert levels == {127.5}


def test_trivial_augment_draws_one_operation_and_any_strength(monkeypatch):
    seen = applied(monkeypatch, TrivialAugmentWide(bins=4), 1400)
    assert {len(one) for one in seen} == {1}
    assert {name for ((name, _),) in seen} == set(WIDE)
    angles = {value for ((name, value),) in seen if name == "rotate"}
    assert angles == {0, 45, 90, 135, -45, -90, -135}


def test_auto_augment_applies_pairs_at_their_rates(monkeypatch):
    table = [(("posterize", 0.4, 8), ("rotate", 0.6, 9)), (("invert", 0, 0), ("equalize", 1.0, 0))]
    monkeypatch.setitem(policies.SUBPOLICIES, "imagenet", table)
    seen = applied(monkeypatch, AutoAugment(), 2000)
    second = [one for one in seen if one == [("equalize", 0.0)]]
    first = [one for one in seen if one not in second]
    rates = {
        name: sum(name in dict(one) for one in first) / len(first)
        for name in ("posterize", "rotate")
    }
    assert 0.45 < len(second) / len(seen) < 0.55
    assert rates == pytest.approx({"posterize": 0.4, "rotate": 0.6}, abs=0.05)
    assert {value for one in first for value in one} == {
        ("posterize", 4),
        ("rotate", 30.0),
        ("rotate", -30.0),
    }


def test_the_tables_of_auto_augment_are_complete():
    for pairs in SUBPOLICIES.values():
        assert len(pairs) == 25
        steps = [step for pair in pairs for step in pair]
        assert len(steps) == 50
        assert {name for name, _, _ in steps} <= set(AUTO) <= set(operations.OPERATIONS)
        assert all(0 <= rate <= 1 and 0 <= level <= 9 for _, rate, level in steps)
    assert SUBPOLICIES["svhn"][0] == (("shear_x", 0.9, 4), ("invert", 0.2, 0))
    assert SUBPOLICIES["cifar10"][24] == (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: RandAugment(0), "RandAugment needs count >= 1. Received: count=0"),
        (lambda: RandAugment(2, 31), "0 <= magnitude < bins. Received: magnitude=31, bins=31"),
        (lambda: TrivialAugmentWide(1), "TrivialAugmentWide needs bins >= 2. Received: bins=1"),
        (
            lambda: TrivialAugmentWide(interpolation="box"),
            "TrivialAugmentWide needs interpolation in .* Received: interpolation='box'",
        ),
        (lambda: RandAugment(fill=-1), "RandAugment needs fill in 0..255, .* Received: fill=-1"),
        (lambda: AutoAugment("cifar"), "needs policy in imagenet, .* Received: policy='cifar'"),
        (lambda: AutoAugment(fill=300), "AutoAugment needs fill in 0..255, .* Received: fill=300"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

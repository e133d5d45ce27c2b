"""AugMix."""

import numpy as np
import pytest

from kcv.data import augmix, draws
from kcv.data.augmix import MIXED, AugMix
from kcv.data.policies import magnitude_of

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 24, 3), np.uint8)


def test_the_same_generator_gives_the_same_pixels_and_the_input_stays():
    for image in (IMAGE, IMAGE[:, :, :1]):
        before = image.copy()
        first, again = (
            [AugMix()(image, draws.generator(0, 0, index)) for index in range(10)] for _ in range(2)
        )
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert {(one.shape, one.dtype) for one in first} == {(image.shape, np.dtype(np.uint8))}
        assert any((one != image).any() for one in first)
        assert (image == before).all()


def test_weights_add_up_to_one(monkeypatch):
    monkeypatch.setattr(augmix, "run", lambda image, steps: image)
    for index in range(50):
        mixed = AugMix(width=4)(IMAGE, draws.generator(0, 0, index))
        assert abs(mixed.astype(int) - IMAGE).max() <= 1  # cut off, not rounded


def test_chains_have_one_to_three_operations_of_the_weakest_bins(monkeypatch):
    chains = []
    monkeypatch.setattr(augmix, "run", lambda image, steps: chains.append(steps) or image)
    for index in range(300):
        AugMix(severity=4)(IMAGE, draws.generator(0, 0, index))
    assert len(chains) == 900
    lengths = [sum(len(one) == length for one in chains) for length in (1, 2, 3)]
    assert 240 < min(lengths) < max(lengths) < 360
    names = [step.name for one in chains for step in one]
    assert min(names.count(name) for name in MIXED) > 90
    angles = {step.value for one in chains for step in one if step.name == "rotate"}
    assert angles == {sign * angle for angle in (0, 30 / 9, 60 / 9, 10) for sign in (1, -1)}


def test_posterize_goes_from_four_bits_to_none():
    values = [magnitude_of("posterize", MIXED["posterize"], i, 10, (9, 9)) for i in range(10)]
    assert values == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: AugMix(severity=11), "1 <= severity <= 10. Received: severity=11"),
        (lambda: AugMix(width=0), "width >= 1 and depth >= 0. Received: width=0, depth=0"),
        (lambda: AugMix(alpha=0), "AugMix needs alpha > 0. Received: alpha=0"),
        (lambda: AugMix(interpolation="box"), "AugMix needs interpolation in"),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

"""Random changes of images, against obvious NumPy."""

import numpy as np
import pytest
from PIL import Image

from kcv.data import augment, draws
from kcv.data.augment import Cutout, HorizontalFlip, RandomErasing, RandomResizedCrop, RandomShift
from kcv.data.policies import AutoAugment, RandAugment, TrivialAugmentWide
from kcv.data.timm_pairs import AutoAugmentTimm
from kcv.data.timm_policy import RandAugmentTimm

IMAGE = np.random.default_rng(0).integers(1, 256, (12, 10, 3), np.uint8)
OPERATIONS = [
    HorizontalFlip(),
    RandomShift(),
    RandomResizedCrop((12, 10)),
    Cutout(4),
    RandomErasing(1.0),
]


def results(operation, count=400, image=IMAGE):
    return [operation(image, draws.generator(0, 0, index)) for index in range(count)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: type(one).__name__)
def test_the_same_generator_gives_the_same_pixels_and_the_input_stays(operation):
    before = IMAGE.copy()
    first, again = results(operation, 20), results(operation, 20)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((one != IMAGE).any() for one in first)
    assert (before == IMAGE).all()
    assert {(one.shape, one.dtype) for one in first} == {((12, 10, 3), np.dtype(np.uint8))}


def test_a_flip_mirrors_left_and_right_at_its_rate():
    flipped = [(one == IMAGE[:, ::-1]).all() for one in results(HorizontalFlip(0.25))]
    kept = [(one == IMAGE).all() for one in results(HorizontalFlip(0.25))]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 70 < sum(flipped) < 130


def test_a_shift_gives_every_window_of_the_padded_image_about_equally_often():
    padded = np.pad(IMAGE, ((2, 2), (2, 2), (0, 0)), constant_values=7)
    windows = {
        padded[top : top + 12, left : left + 10].tobytes(): 0
        for top in range(5)
        for left in range(5)
    }
    for one in results(RandomShift(2, fill=7), 2500):
        windows[one.tobytes()] += 1
    assert len(windows) == 25
    assert 60 < min(windows.values()) < max(windows.values()) < 150


def test_a_shift_larger_than_the_image_leaves_the_fill():
    assert any((one == 3).all() for one in results(RandomShift(40, fill=3), 20))


def test_a_crop_takes_the_whole_image_where_the_scale_leaves_nothing_else():
    crop = RandomResizedCrop((24, 24), scale=(1, 1), ratio=(10 / 12, 10 / 12))
    expected = np.array(Image.fromarray(IMAGE).resize((24, 24), Image.Resampling.BILINEAR))
    assert all((one == expected).all() for one in results(crop, 5))


def test_a_crop_keeps_its_share_of_the_area():
    columns = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 1))
    crop = RandomResizedCrop((200, 200), scale=(0.25, 0.25), ratio=(1, 1))
    spans = [int(one.max()) - int(one.min()) for one in results(crop, 50, columns)]
    starts = {int(one.min()) for one in results(crop, 50, columns)}
    assert set(spans) == {99}
    assert len(starts) > 20


def test_a_crop_that_never_fits_takes_the_largest_one_in_the_centre():
    wide = np.zeros((10, 100, 1), np.uint8)
    wide[:, 43:56] = 200
    crop = RandomResizedCrop((10, 13), scale=(1, 1))
    assert (results(crop, 1, wide)[0] == 200).all()


def test_cutout_covers_a_square_that_may_stick_out():
    covered = [(one == 0).all(-1) for one in results(Cutout(4))]
    sizes = {(int(one.any(1).sum()), int(one.any(0).sum())) for one in covered}
    assert max(sizes) == (4, 4)
    assert min(sizes) == (2, 2)
    assert all(one.sum() == one.any(1).sum() * one.any(0).sum() for one in covered)


def test_erasing_replaces_a_rectangle_of_the_share_asked_for():
    image = np.zeros((100, 100, 1), np.uint8)
    changed = [(one != image)[..., 0] for one in results(RandomErasing(1.0), 200, image)]
    shares = [one.any(1).sum() * one.any(0).sum() / 10_000 for one in changed]
    assert 0.015 < min(shares) < 0.05
    assert 0.28 < max(shares) < 0.35


def test_erasing_happens_at_its_rate_and_not_where_nothing_fits():
    same = [one is IMAGE for one in results(RandomErasing(0.25))]
    assert 270 < sum(same) < 330
    line = np.zeros((1, 500, 1), np.uint8)
    assert results(RandomErasing(1.0, ratio=(0.01, 0.01)), 1, line)[0] is line


def test_named_sets_are_built_for_an_image_size():
    assert augment.build("none", (28, 28)) == ()
    assert augment.build("shift", (28, 28)) == (RandomShift(2),)
    assert augment.build("flip_shift", (28, 28)) == (HorizontalFlip(0.5), RandomShift(2))
    assert augment.build("crop_flip", (9, 7)) == (RandomResizedCrop((9, 7)), HorizontalFlip())
    assert augment.build([Cutout(2)], (28, 28)) == (Cutout(2),)


def test_parts_are_joined_with_a_plus():
    assert augment.build("flip", (28, 28)) == (HorizontalFlip(),)
    assert augment.build("crop + flip(0.25)+erase(0.1)", (9, 7)) == (
        RandomResizedCrop((9, 7)),
        HorizontalFlip(0.25),
        RandomErasing(0.1),
    )
    assert augment.build("erase(0.1,7)+erase(0.2,124,116,104)", (9, 7)) == (
        RandomErasing(0.1, fill=(7,)),
        RandomErasing(0.2, fill=(124, 116, 104)),
    )
    assert augment.build("crop(0.35,1)+cutout(4)+shift(3)", (9, 7)) == (
        RandomResizedCrop((9, 7), (0.35, 1)),
        Cutout(4),
        RandomShift(3),
    )


def test_policies_are_parts():
    text = "randaugment+randaugment(1,5)+trivialaugment+autoaugment(svhn)+rand-m7-inc1+v0-mstd0.5"
    assert augment.build(text, (9, 9)) == (
        RandAugment(2, 9),
        RandAugment(1, 5),
        TrivialAugmentWide(),
        AutoAugment("svhn"),
        RandAugmentTimm(magnitude=7.0, std=0.0),
        AutoAugmentTimm("v0", 0.5),
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            "flop",
            r"augment needs one of none, shift, flip_shift, crop_flip, or parts joined with '\+': "
            r"crop, .* Received: augment='flop'. Did you mean 'flip'",
        ),
        ("crop+randaugmnt(2)", r"crop\+randaugmnt\(2\)'. Did you mean 'randaugment'"),
        ("crop+", r"gridmask. Received: augment='crop\+'$"),
        ("flip(1,2)", r"brackets as in crop\(0.35,1\).* Received: 'flip\(1,2\)' in augment="),
        ("erase(a)", r"brackets as in crop\(0.35,1\).* Received: 'erase\(a\)' in augment="),
        ("erase(0.1,7,8)", r"one level of 0..255 or three, .* Received: fill=\(7, 8\)"),
        ("erase(0.1,256)", r"Received: fill=\(256,\)"),
        ("crop+erase(1.5)", "RandomErasing needs 0 <= rate <= 1. Received: rate=1.5"),
        ([HorizontalFlip(), 3], r"can be called as op\(image, rng\). Received: 3"),
    ],
)
def test_unknown_augmentations_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        augment.build(wrong, (28, 28))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: HorizontalFlip(2), "HorizontalFlip needs 0 <= rate <= 1. Received: rate=2"),
        (lambda: RandomErasing(-1), "RandomErasing needs 0 <= rate <= 1. Received: rate=-1"),
        (lambda: RandomShift(-1), "RandomShift needs pixels >= 0. Received: pixels=-1"),
        (lambda: Cutout(0), "Cutout needs size >= 1. Received: size=0"),
        (
            lambda: RandomResizedCrop((2, 2), (0, 1)),
            r"needs 0 < scale\[0\] <= scale\[1\]. Received",
        ),
        (lambda: RandomErasing(ratio=(2, 1)), r"needs 0 < ratio\[0\] <= ratio\[1\]. Received"),
        (
            lambda: RandomResizedCrop((2, 2), interpolation="cubic"),
            "RandomResizedCrop needs interpolation in .* Received: interpolation='cubic'",
        ),
    ],
)
def test_settings_out_of_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()

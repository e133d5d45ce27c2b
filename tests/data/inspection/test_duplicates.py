"""Exact and near duplicates."""

import io

import numpy as np
import pytest
from PIL import Image

from kcv.data import embedded, photos
from kcv.data.inspection import duplicates
from kcv.data.inspection.duplicates import Group
from kcv.data.inspection.looks import look


@pytest.fixture(scope="module")
def crops():
    """Pictures of 160 pixels of eight photographs, none of which shows what another one shows."""
    pytest.importorskip("skimage")
    from skimage import data

    found = []
    for name in photos.PHOTOS:
        photo = photos._photo(getattr(data, name)())
        for top in range(0, photo.shape[0] - 160, 180):
            for left in range(0, photo.shape[1] - 160, 180):
                found.append(Image.fromarray(photo[top : top + 160, left : left + 160]))
    return found


def small(pictures):
    return np.stack([look(np.asarray(one.convert("RGB"))).small for one in pictures])


def encoded(picture, quality):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


CHANGES = {
    "encoded again": lambda one: encoded(one, 40),
    "halved": lambda one: one.resize((80, 80), Image.Resampling.LANCZOS),
    "lighter": lambda one: one.point(lambda level: level * 1.1 + 10),
    "cut by 1 %": lambda one: one.crop((1, 1, 159, 159)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_of_photos_are_found(crops, change):
    chosen = range(0, len(crops), 4)
    copies = [CHANGES[change](crops[at]) for at in chosen]
    pairs = {pair[:2] for pair in duplicates.near(small([*crops, *copies]))}
    found = [(at, len(crops) + number) in pairs for number, at in enumerate(chosen)]
    assert np.mean(found) >= 0.9


def test_different_photos_are_not_taken_for_duplicates(crops):
    assert len(duplicates.near(small(crops))) <= 0.01 * len(crops)


def test_clothes_that_look_alike_are_not_taken_for_duplicates():
    images = embedded.fashion_mini()["train"].images[:2000]
    grey = np.stack([look(image[..., None]).small for image in images])
    assert len(duplicates.near(grey)) <= 12
    lighter = np.clip(grey[:50] * 1.1, 0, 255).astype(np.uint8)
    pairs = {pair[:2] for pair in duplicates.near(np.concatenate([grey, lighter]))}
    assert sum((at, 2000 + at) in pairs for at in range(50)) >= 45


def test_the_same_shape_in_another_colour_is_no_duplicate():
    shapes = np.random.default_rng(0).integers(0, 2, (8, 8))
    shape = np.asarray(Image.fromarray(np.uint8(shapes * 255)).resize((200, 200), 0))[..., None]
    colours = [(200, 0, 0), (0, 0, 200), (60, 60, 60), (190, 8, 4)]
    pictures = [Image.fromarray(shape // 255 * np.uint8(colour)) for colour in colours]
    assert [pair[:2] for pair in duplicates.near(small(pictures))] == [(0, 3)]


def test_flat_pictures_are_not_compared():
    flat = np.random.default_rng(0).integers(100, 101, (5, 32, 32, 3), np.uint8)
    flat[:, 0, 0] += np.arange(5, dtype=np.uint8)[:, None]
    assert duplicates.near(flat) == []
    assert duplicates.near(flat[:1]) == []


def test_many_copies_of_one_picture_are_all_found(crops):
    copies = [encoded(crops[5], quality) for quality in range(60, 95)]
    pairs = duplicates.near(small([*crops, *copies]))
    (group,) = duplicates.join([], [one for one in pairs if one[1] >= len(crops)], 999)
    assert group.members == (5, *range(len(crops), len(crops) + 35))


def test_equal_files_or_pixels_are_exact_duplicates():
    hashes = [(b"a", b"1"), (b"b", b"1"), (b"c", b"2"), (b"", b""), (b"c", b"2"), (b"", b"")]
    assert duplicates.exact(hashes) == [Group(True, (0, 1)), Group(True, (2, 4))]


def test_a_near_duplicate_of_a_copy_joins_the_group():
    groups = duplicates.join([Group(True, (0, 4)), Group(True, (1, 2))], [(3, 4, 0.95)], 6)
    assert groups == [Group(False, (0, 3, 4)), Group(True, (1, 2))]

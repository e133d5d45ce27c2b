"""Tiles of photographs."""

import logging
import sys

import numpy as np
import pytest

import kcv.data
from kcv.data import photos


def test_tiles_are_cut_from_ten_photos_and_about_balanced():
    names, parts = photos.tiles()
    assert len(names) == 10
    assert names == sorted(names)
    for part in parts.values():
        assert part.images.shape[1:] == (32, 32, 3)
        assert part.images.dtype == np.uint8
        counts = np.bincount(part.labels)
        assert counts.min() >= 49
        assert counts.max() == photos.MOST


def test_no_pixel_of_a_photo_is_in_both_parts_and_a_tile_lies_between():
    photo = np.arange(100 * 60, dtype=np.int64).reshape(100, 60)
    for turned in (photo, photo.T):
        train, test = (photos._half(turned, part) for part in ("train", "test"))
        rows = [set((half // 60).ravel()) for half in (train, test)]
        assert min(rows[1]) - max(rows[0]) == photos.TILE + 1
        assert train.shape == test.shape


def test_tiles_do_not_overlap_and_flat_ones_are_left_out():
    photo = np.zeros((64, 96), np.uint8)
    photo[:, ::2] = 200
    photo[:32, :32] = 7
    assert photos._tiles(photo, "x").shape == (5, 32, 32)
    assert (
        len(np.unique(photos._tiles(np.arange(64 * 64, dtype=np.int64).reshape(64, 64), "x")))
        == 4096
    )


def test_textures_are_grey_and_balanced():
    data = kcv.data.load("textures")
    assert data.class_names == ["brick", "grass", "gravel"]
    assert (data.image_size, data.channels, data.crop_pct) == ((32, 32), 1, 1.0)
    assert data.class_counts["test"] == [112, 112, 112]


def test_tiles_are_loaded_by_name_and_always_the_same():
    data = kcv.data.load("tiles")
    assert (data.image_size, data.channels) == ((32, 32), 3)
    assert data.splits == kcv.data.load("tiles").splits
    assert data.test.name(0) == "tiles/test/0"


def test_without_scikit_image_there_are_two_classes_and_a_word_about_it(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "skimage", None)
    photos.tiles.cache_clear()
    with caplog.at_level(logging.WARNING, "kcv"):
        names, _ = photos.tiles()
    photos.tiles.cache_clear()
    assert names == ["china", "flower"]
    assert "The data 'tiles' has 2 classes only" in caplog.text


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    photos.tiles.cache_clear(), photos.textures.cache_clear()
    with pytest.raises(ImportError, match=r"'textures' needs scikit-image, .*kcv\[course\]"):
        photos.textures()
    with pytest.raises(ImportError, match=r"'tiles' needs scikit-learn, .*kcv\[course\]"):
        photos.tiles()

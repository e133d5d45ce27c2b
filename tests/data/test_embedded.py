"""The embedded data sets."""

import hashlib
import importlib.util
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from kcv.data import embedded

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_fashion_mini.py"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SHA256 = "2e09befaa614fa2763537819598d450f17420f78aa364ee8bb35e1451fe8799e"


def packed() -> bytes:
    return resources.files("kcv.data").joinpath("fashion_mini.bin").read_bytes()


def make_script():
    spec = importlib.util.spec_from_file_location("make_fashion_mini", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_embedded_file_is_the_published_one_and_below_6_mb():
    assert hashlib.sha256(packed()).hexdigest() == SHA256
    assert len(packed()) < 6_000_000


def test_the_licence_lies_beside_it():
    text = resources.files("kcv.data").joinpath("fashion_mini.LICENSE.txt").read_text()
    assert "The MIT License" in text
    assert "Copyright (c) 2017 Zalando SE" in text


def test_fashion_mini_is_balanced_and_has_no_image_in_both_parts():
    parts = embedded.fashion_mini()
    assert np.bincount(parts["train"].labels).tolist() == [1000] * 10
    assert np.bincount(parts["test"].labels).tolist() == [200] * 10
    train = {image.tobytes() for image in parts["train"].images}
    assert len(train & {image.tobytes() for image in parts["test"].images}) == 0
    assert {one.images.shape[1:] for one in parts.values()} == {(28, 28)}


def test_trousers_look_like_trousers():
    images, labels = embedded.fashion_mini()["train"]
    mean = images[labels == embedded.FASHION_CLASSES.index("Trouser")].mean(0)
    legs, gap = mean[20:, [11, 16]].mean(), mean[20:, [13, 14]].mean()
    assert legs > 2 * gap
    assert mean[:, :4].mean() < 5


@pytest.mark.skipif(not DEBIAN.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_script_rebuilds_the_file_bit_for_bit(tmp_path, monkeypatch):
    target = tmp_path / "again.bin"
    monkeypatch.setattr(sys, "argv", ["make_fashion_mini.py", "--target", str(target)])
    make_script().main()
    assert target.read_bytes() == packed()


def test_packing_is_undone_by_unpacking():
    images, labels = embedded.unpack(np.frombuffer(packed(), np.uint8))
    assert make_script().pack(images, labels) == packed()


def test_digits_reach_from_black_to_white():
    images, labels = embedded.digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.uint8
    assert images.min() == 0
    assert images.max() == 255
    assert set(labels) == set(range(10))
    assert set(np.unique(images)) == {round(level * 255 / 16) for level in range(17)}


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    embedded.digits.cache_clear()
    with pytest.raises(ImportError, match=r'scikit-learn, .* Run: pip install "kcv\[course\]"'):
        embedded.digits()

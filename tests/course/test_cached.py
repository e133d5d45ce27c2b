"""MNIST of the course: the file that Keras keeps, nothing without it, a sentence for a bad one."""

import numpy as np
import pytest

from kcv import course

NAMES = ("x_train", "y_train", "x_test", "y_test")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets" / "mnist.npz"


def test_the_arrays_come_from_the_cache_of_keras_in_order(file):
    written = [np.full(3, index) for index in range(4)]
    np.savez(file, **dict(zip(reversed(NAMES), reversed(written), strict=True)))
    assert [array[0] for array in course.mnist()] == [0, 1, 2, 3]


def test_without_the_file_there_is_nothing_and_no_download(file):
    assert course.mnist() is None
    assert not file.exists()


def test_the_folder_of_the_reader_counts_without_a_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".keras" / "datasets").mkdir(parents=True)
    np.savez(tmp_path / ".keras/datasets/mnist.npz", **{name: np.zeros(2) for name in NAMES})
    assert len(course.mnist()) == 4


@pytest.mark.parametrize("content", [b"", b"half of a downlo", b"PK\x03\x04 and no more"])
def test_a_broken_file_is_refused_with_the_way_out(file, content):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist.npz. Remove it, then run keras.datasets.mnist"):
        course.mnist()


def test_a_file_of_something_else_is_refused(file):
    np.savez(file, images=np.zeros(2))
    with pytest.raises(ValueError, match="with x_train, y_train, x_test, y_test. Received: "):
        course.mnist()

"""Data sets in the formats of Hugging Face datasets, all from local folders."""

import pickle
import sys

import numpy as np
import pytest
from PIL import Image

import kcv.data
from kcv.data import hugging_face

needs_datasets = pytest.mark.slow


def picture(level, size=(80, 90)):
    return Image.new("RGB", size, (level, 0, 0))


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    # it reads its environment once: other tests in this process want it online
    pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


def table(datasets, labels, names=("cat", "dog"), several=False, size=(80, 90)):
    label = datasets.ClassLabel(names=list(names))
    features = {"image": datasets.Image(), "label": datasets.List(label) if several else label}
    values = {"image": [picture(at, size) for at in range(len(labels))], "label": labels}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_a_saved_data_set_is_read_by_random_access(datasets, tmp_path):
    parts = {
        "train": table(datasets, [0, 1, 1]),
        "validation": table(datasets, [1]),
        "test": table(datasets, [-1, -1]),
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    found = hugging_face.find(str(tmp_path / "saved"), None)
    assert found.class_names == ["cat", "dog"]
    assert list(found.parts) == ["train", "val"]
    source = found.parts["train"]
    assert source.labels.tolist() == [0, 1, 1]
    assert source[2][0].shape == (90, 80, 3)
    assert source[2][0][0, 0].tolist() == [2, 0, 0]
    assert source.key(2) == "train/2"
    assert pickle.loads(pickle.dumps(source))[1][0][0, 0, 0] == 1


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_parquet_files_of_a_folder_are_read(datasets, tmp_path):
    (tmp_path / "data").mkdir()
    table(datasets, [0, 1] * 5, size=(20, 10)).to_parquet(tmp_path / "data" / "train.parquet")
    data = kcv.data.load(f"hf:{tmp_path / 'data'}")
    assert data.class_names == ["cat", "dog"]
    assert (data.image_size, data.crop_pct) == ((10, 20), 1.0)
    assert sum(map(sum, data.class_counts.values())) == 10


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_a_folder_of_images_is_read(datasets, tmp_path):
    for name in ("a cat", "狗"):
        (tmp_path / "data" / "train" / name).mkdir(parents=True)
        for at in range(3):
            picture(at).save(tmp_path / "data" / "train" / name / f"{at}.png")
    found = hugging_face.find(str(tmp_path / "data"), None)
    assert found.class_names == ["a cat", "狗"]
    assert found.parts["all"][5][0].shape == (90, 80, 3)


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_a_list_of_labels_means_several_classes(datasets, tmp_path):
    table(datasets, [[0], [0, 1], []], several=True).save_to_disk(tmp_path / "saved")
    labels = hugging_face.find(str(tmp_path / "saved"), None).parts["all"].labels
    np.testing.assert_array_equal(labels, [[1, 0], [1, 1], [0, 0]])


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_columns_that_do_not_fit_are_named(datasets, tmp_path):
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "text")
    with pytest.raises(ValueError, match="needs a column of images. Received: text in hf:"):
        hugging_face.find(str(tmp_path / "text"), None)
    images = table(datasets, [0, 1]).rename_column("label", "x").add_column("y", [1, 2])
    images = images.remove_columns("x")
    images.save_to_disk(tmp_path / "images")
    with pytest.raises(ValueError, match="one column of class labels.* Received: image, y in hf:"):
        hugging_face.find(str(tmp_path / "images"), None)
    parts = {"test": table(datasets, [0, 1]), "extra": table(datasets, [0, 1])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "parts")
    with pytest.raises(ValueError, match="needs the part 'train'. Received: test, extra in hf:"):
        hugging_face.find(str(tmp_path / "parts"), None)


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_labels_that_are_words_become_sorted_classes(datasets, tmp_path):
    words = table(datasets, [0, 1]).remove_columns("label").add_column("label", ["dog", "cat"])
    words.save_to_disk(tmp_path / "words")
    found = hugging_face.find(str(tmp_path / "words"), None)
    assert found.class_names == ["cat", "dog"]
    assert found.parts["all"].labels.tolist() == [1, 0]


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"needs Hugging Face datasets, .*kcv\[hf\]"):
        hugging_face.find("beans", None)

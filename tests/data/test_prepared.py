"""Data sets prepared by TensorFlow Datasets, written here in its format without it."""

import importlib.util
import io
import json
import pickle
import sys

import pytest
from PIL import Image
from test_examples import example

import kcv.data
from kcv.data import prepared

needs_array_record = pytest.mark.skipif(
    importlib.util.find_spec("array_record") is None, reason="needs array_record (kcv[tfds])"
)
CORE = "tensorflow_datasets.core.features"
FEATURES = {
    "pythonClassName": f"{CORE}.features_dict.FeaturesDict",
    "featuresDict": {
        "features": {
            "image": {"pythonClassName": f"{CORE}.image_feature.Image"},
            "label": {"pythonClassName": f"{CORE}.class_label_feature.ClassLabel"},
        }
    },
}


def png(level, size):
    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """The folder of a prepared data set ``toys`` of version 1.10.0, without records."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KCV_CACHE", str(tmp_path / "cache"))
    for version in ("1.9.0", "1.10.0"):
        folder = tmp_path / "toys" / version
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text('{"fileFormat": "array_record"}')
        (folder / "features.json").write_text(json.dumps(FEATURES))
        (folder / "label.labels.txt").write_text("cat\ndog\n")
    return folder


def write(folder, file, labels, size=(28, 20)):
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(folder / file), "group_size:1")
    for at, label in enumerate(labels):
        writer.write(example(image=png(100 * label + at, size), label=[label]))
    writer.close()


@needs_array_record
def test_records_are_read_by_random_access_without_tensorflow(toys):
    write(toys, "toys-train.array_record-00000-of-00002", [0, 1, 1])
    write(toys, "toys-train.array_record-00001-of-00002", [1, 0])
    write(toys, "toys-test.array_record-00000-of-00001", [1, 0])
    found = prepared.find("toys", None)
    assert found.class_names == ["cat", "dog"]
    assert (found.image_size, found.channels, found.photos) == ((20, 28), 1, False)
    source = found.parts["train"]
    assert source.labels.tolist() == [0, 1, 1, 1, 0]
    assert [int(source[at][0][0, 0, 0]) for at in (4, 0, 2, 3)] == [1, 0, 102, 100]
    assert pickle.loads(pickle.dumps(source))[3][1] == 1
    assert found.parts["test"].key(1) == "test/1"
    assert "tensorflow" not in sys.modules


@needs_array_record
def test_prepared_data_trains_in_loader_processes(toys):
    write(toys, "toys-train.array_record-00000-of-00001", [0, 1] * 10)
    data = kcv.data.load("tfds:toys", batch_size=4, workers=2)
    assert sum(len(labels) for _, labels in data.val) == 2
    assert sorted(data.class_counts) == ["test", "train", "val"]


@needs_array_record
def test_the_labels_are_read_once(toys, tmp_path):
    write(toys, "toys-train.array_record-00000-of-00001", [0, 1])
    first = prepared.find("toys", None).parts["all"].labels
    (kept,) = (tmp_path / "cache").iterdir()
    made = kept.stat().st_mtime_ns
    assert prepared.find("toys", None).parts["all"].labels.tolist() == first.tolist()
    assert kept.stat().st_mtime_ns == made


def test_what_is_not_prepared_says_how_to_prepare_it(toys):
    text = r"needs to be prepared once. .*kcv\[tfds\].*tfds.builder\('cifar10', file_format='array"
    with pytest.raises(FileNotFoundError, match=text):
        prepared.find("cifar10", None)


def test_another_format_says_so(toys):
    (toys / "toys-train.tfrecord-00000-of-00001").touch()
    with pytest.raises(ValueError, match="files in the format array_record. Received: none in"):
        prepared.find("toys", None)


def test_records_without_an_image_or_a_training_part_say_so(toys):
    for part in ("test", "unlabelled"):
        (toys / f"toys-{part}.array_record-00000-of-00001").touch()
    with pytest.raises(ValueError, match="needs the part 'train'. Received: test, unlabelled in"):
        prepared.find("toys", None)
    (toys / "features.json").write_text(json.dumps({"featuresDict": {"features": {"text": {}}}}))
    with pytest.raises(ValueError, match="an image and one class label. Received: text in tfds:"):
        prepared.find("toys", None)


def test_without_the_package_its_extra_is_named(toys, monkeypatch):
    (toys / "toys-train.array_record-00000-of-00001").touch()
    monkeypatch.setitem(sys.modules, "array_record.python.array_record_module", None)
    with pytest.raises(ImportError, match=r"needs array_record, .*kcv\[tfds\]"):
        prepared.find("toys", None)

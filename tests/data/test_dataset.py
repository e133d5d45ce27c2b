"""Data: parts, statistics, records."""

import json
import logging
import os
import signal

import numpy as np
import pytest

import kcv.data
from kcv.data.found import Found
from kcv.data.sources import FileSource


def load(folder, **options):
    return kcv.data.load(f"folder:{folder}", image_size=16, batch_size=4, **options)


def names(batches):
    return {batches.name(index) for index in range(len(batches.labels))}


def test_the_parts_of_a_folder_have_no_image_in_common(flowers):
    data = load(flowers)
    assert [len(names(part)) for part in (data.train, data.val, data.test)] == [24, 3, 3]
    together = names(data.train) | names(data.val) | names(data.test)
    assert together == names(data.all) == {str(path) for path in flowers.rglob("*.png")}


def test_the_seed_moves_the_validation_part_and_never_the_test_part(flowers):
    first, again, other = load(flowers), load(flowers), load(flowers, seed=1)
    assert names(first.val) == names(again.val) != names(other.val)
    assert names(first.test) == names(other.test)


def test_the_record_of_the_splits_is_exact_and_goes_into_a_json_file(flowers):
    data = load(flowers, seed=3)
    record = json.loads(json.dumps(data.splits))
    assert record["spec"] == data.spec
    assert record["seed"] == 3
    assert record["val_fraction"] == 0.1
    assert record["class_names"] == ["grass 草", "iris", "rose"]
    assert {str(flowers / key) for key in record["val"]} == names(data.val)
    assert {str(flowers / key) for key in record["train"]} == names(data.train)
    assert record["test"] == load(flowers).splits["test"]


def test_unreadable_images_leave_validation_and_test_before_they_are_counted(flowers, caplog):
    before = load(flowers)
    broken = [sorted(names(part))[0] for part in (before.val, before.test)]
    for path in broken:
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n")
    with caplog.at_level(logging.WARNING, "kcv"):
        data = load(flowers)
        assert [len(data.val.labels), len(data.test.labels)] == [2, 2]
    images = np.concatenate([batch.numpy() for batch, _ in data.test])
    assert len(images) == 2
    assert (data.test.images([0, 1]) == images).all()
    assert [one["path"] for one in data.skipped] == broken
    assert len(caplog.messages) == 2
    assert len(data.all.labels) == 28
    assert data.splits == before.splits


def test_a_terminal_shows_how_far_the_check_and_the_measurement_are(flowers, on_stderr):
    data = load(flowers)
    text = on_stderr(lambda: (data.val, data.mean))
    assert "Checking part 'val': 100%|" in text
    count = len(data.train.source)
    assert f" {count}/{count} [" in text[text.index("Measuring mean and deviation") :]


def test_a_part_of_which_nothing_can_be_read_is_an_error(flowers):
    for path in names(load(flowers).val):
        open(path, "wb").close()
    with pytest.raises(ValueError, match="The part 'val' needs an image .* Received: 3 files"):
        load(flowers).val  # noqa: B018


def test_mean_and_standard_deviation_are_those_of_the_training_images():
    data = kcv.data.load(augment="flip_shift")
    chosen = data.train.images(range(len(data.train.labels)))
    assert data.mean == pytest.approx([chosen.mean()], rel=0.03)
    assert data.std == pytest.approx([chosen.std()], rel=0.03)


def test_mean_and_standard_deviation_of_few_images_are_exact_and_per_channel(flowers):
    data = load(flowers)
    pixels = data.train.images(range(24)).reshape(-1, 3)
    np.testing.assert_allclose(data.mean, pixels.mean(0))
    np.testing.assert_allclose(data.std, pixels.std(0))


def test_a_standard_deviation_is_at_least_one_grey_level():
    x, y = np.full((40, 4, 4), 9, np.uint8), np.arange(40) % 2
    data = kcv.data.load((x, y))
    assert data.mean == (9.0,)
    assert data.std == (1.0,)


def test_statistics_pass_over_unreadable_images_and_list_them(flowers):
    path = sorted(names(load(flowers).train))[0]
    open(path, "wb").close()
    data = load(flowers)
    assert data.mean[2] > 0
    assert data.skipped == [{"path": path, "reason": "is empty", "part": "train"}]


def test_statistics_need_one_image(flowers):
    for path in flowers.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="a training image that can be read. Received: 24 files"):
        load(flowers).mean  # noqa: B018


def test_data_shows_what_it_is(flowers):
    expected = "3 classes, images 16x16x3, train 24, val 3, test 3>"
    assert repr(load(flowers)) == f"<kcv Data 'folder:{flowers}': {expected}"
    assert load(flowers).was_split
    assert not kcv.data.load().was_split


def test_classes_are_counted_in_each_part(flowers):
    data = load(flowers)
    assert data.class_counts == {"train": [8] * 3, "val": [1] * 3, "test": [1] * 3}
    assert not data.multi_label


class _Lethal(FileSource):
    """Files of which one ends the process that decodes it."""

    def __getitem__(self, index):
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def test_statistics_outlive_a_file_that_ends_its_decoder(flowers):
    files = [f"{name}/{number:03}.png" for name in ("rose", "iris") for number in range(10)]
    sources = {
        part: kind(str(flowers), files, np.arange(20) // 10, 3)
        for part, kind in (("train", _Lethal), ("val", FileSource), ("test", FileSource))
    }
    data = kcv.data.load(Found(["rose", "iris"], sources, (20, 30), 3), workers=2)
    whole = kcv.data.load(Found(["rose", "iris"], sources | {"train": sources["val"]}, (20, 30), 3))
    np.testing.assert_allclose(data.mean, whole.mean, rtol=0.1)
    assert [(one["part"], one["path"]) for one in data.skipped] == [
        ("train", sources["train"].name(3))
    ]

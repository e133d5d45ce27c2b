"""Batches: what Keras and the loader processes make of them."""

import hashlib
import os
import signal
import sys
from itertools import islice

import keras
import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from kcv.data import Batches, ImageError, augment, draws, load
from kcv.data.augment import HorizontalFlip, RandomResizedCrop, RandomShift
from kcv.data.sampling import Growing
from kcv.data.sources import ArraySource, FileSource, Subset


def numbered(count):
    """Images whose every pixel is their number."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 4, 4))
    return ArraySource(images, np.arange(count) % 3, 1, "toys", "train")


def noise(count):
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8), np.uint8)
    return ArraySource(images, np.arange(count) % 3, 1, "toys", "train")


def files(folder, names=("rose", "iris", "grass 草"), count=10):
    paths = [f"{name}/{number:03}.png" for name in names for number in range(count)]
    return FileSource(str(folder), paths, np.arange(len(paths)) // count, 3)


def train(source, size=(4, 4), batch_size=6, **options):
    return Batches(source, "train", image_size=size, batch_size=batch_size, **options)


def epoch_of(batches):
    images, labels = zip(*batches, strict=True)
    return torch.cat(images).numpy(), torch.cat(labels).numpy()


class Seen:
    """An operation that changes nothing and remembers what it was given."""

    def __init__(self):
        self.images = []

    def __call__(self, image, rng):
        self.images.append(image.tobytes())
        return image


def small_model():
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def test_a_batch_is_uint8_images_and_int64_labels():
    images, labels = next(iter(train(numbered(12))))
    assert images.shape == (6, 4, 4, 1)
    assert images.dtype == torch.uint8
    assert labels.shape == (6,)
    assert labels.dtype == torch.int64
    assert (images[:, 0, 0, 0] % 3 == labels).all()


def test_every_image_comes_once_an_epoch_in_another_order_each_time():
    batches = train(numbered(24), seed=5)
    orders = [epoch_of(batches)[0][:, 0, 0, 0].tolist() for _ in range(3)]
    assert all(sorted(order) == list(range(24)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert batches.epoch == 3
    assert orders[1] == draws.order(24, seed=5, epoch=1).tolist()


def test_the_last_partial_batch_is_dropped_in_training_unless_it_is_the_only_one():
    assert [len(labels) for _, labels in train(numbered(20))] == [6, 6, 6]
    assert [len(labels) for _, labels in train(numbered(5))] == [5]
    val = Batches(numbered(20), "val", image_size=(4, 4), batch_size=6)
    assert [len(labels) for _, labels in val] == [6, 6, 6, 2]
    assert len(val) == 4


def test_other_parts_come_in_order_and_unchanged():
    val = Batches(numbered(9), "val", image_size=(4, 4), batch_size=4, operations=())
    for _ in range(2):
        images, labels = epoch_of(val)
        assert images[:, 0, 0, 0].tolist() == list(range(9))
        assert (labels == val.labels).all()
        assert val.epoch == 0


def test_an_epoch_that_is_left_early_does_not_count():
    batches = train(numbered(24))
    first = next(iter(batches))[0]
    assert batches.epoch == 0
    assert (next(iter(batches))[0] == first).all()


def test_making_an_iterator_does_nothing_yet():
    batches = train(numbered(24))
    iterator = iter(batches)
    batches.epoch = 4
    expected = draws.order(24, seed=0, epoch=4)[:6]
    assert next(iterator)[0][:, 0, 0, 0].tolist() == expected.tolist()


def test_an_epoch_below_zero_is_refused():
    with pytest.raises(ValueError, match="Batches needs epoch >= 0. Received: epoch=-1"):
        train(numbered(9)).epoch = -1


def test_keras_fit_sees_every_image_once_an_epoch_in_new_orders():
    seen = Seen()
    small_model().fit(train(numbered(24), operations=(seen,)), epochs=3, verbose=0, shuffle=False)
    orders = [tuple(seen.images[start : start + 24]) for start in (6, 30, 54)]
    assert len(seen.images) == 6 + 3 * 24  # Keras looks at one batch first
    assert len(set(orders)) == 3
    assert all(len(set(order)) == 24 for order in orders)


def test_keras_fit_resumed_at_an_epoch_sees_the_same_images():
    whole, rest = Seen(), Seen()
    operations = (HorizontalFlip(), RandomShift(1))
    small_model().fit(
        train(numbered(24), operations=(*operations, whole)), epochs=4, shuffle=False, verbose=0
    )
    resumed = train(numbered(24), operations=(*operations, rest))
    resumed.epoch = 2
    small_model().fit(resumed, epochs=4, initial_epoch=2, verbose=0, shuffle=False)
    assert rest.images[-48:] == whole.images[-48:]
    assert resumed.epoch == 4


# Keras 3.15 calls an __array__ of torch that does not know NumPy 2's copy argument.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_evaluates_and_predicts_every_image_in_order():
    model, test = small_model(), Batches(numbered(20), "test", image_size=(4, 4), batch_size=6)
    logits = model.predict(test, verbose=0)
    assert logits.shape == (20, 3)
    direct = keras.ops.convert_to_numpy(model(test.images(range(20)).astype("float32")))
    np.testing.assert_allclose(logits, direct, atol=1e-5)
    accuracy = model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx((logits.argmax(1) == test.labels).mean())


@pytest.mark.parametrize("source", [noise(22), None], ids=["array", "files"])
def test_the_number_of_workers_changes_nothing(flowers, source):
    source = source or files(flowers)
    operations = (RandomResizedCrop((8, 8)), HorizontalFlip(), RandomShift(1))
    alone, two = (
        train(source, (8, 8), seed=3, operations=operations, workers=workers) for workers in (0, 2)
    )
    next(iter(two))
    for _ in range(2):
        for one, other in zip(epoch_of(alone), epoch_of(two), strict=True):
            np.testing.assert_array_equal(one, other)
    assert alone.epoch == two.epoch == 2


def test_pixels_depend_on_seed_and_epoch_and_index_only():
    def pixels(seed, epoch):
        batches = train(noise(12), (8, 8), seed=seed, operations=(RandomShift(2),))
        batches.epoch = epoch
        images, _ = epoch_of(batches)
        return images[np.argsort(draws.order(12, seed, epoch))]

    np.testing.assert_array_equal(pixels(1, 4), pixels(1, 4))
    assert (pixels(1, 4) != pixels(1, 5)).any()
    assert (pixels(1, 4) != pixels(2, 4)).any()
    expected = RandomShift(2)(noise(12)[7][0], draws.generator(1, 4, 7))
    np.testing.assert_array_equal(pixels(1, 4)[7], expected)


def test_the_random_state_of_torch_is_left_alone():
    before = torch.get_rng_state()
    epoch_of(train(noise(12), (8, 8), operations=(RandomShift(),)))
    assert (torch.get_rng_state() == before).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_without_a_broken_file(flowers, caplog, workers):
    broken = [flowers / "rose" / "003.png", flowers / "iris" / "000.png"]
    broken[0].write_bytes(b"")
    broken[1].write_text("not an image")
    batches = train(files(flowers), (20, 30), workers=workers)
    images, labels = epoch_of(batches)
    epoch_of(batches)
    colour = images[:, -1, 0].argmax(1)
    assert len(images) == 30
    assert (colour == np.array([0, 2, 1])[labels]).all()
    assert sorted(one["path"] for one in batches.skipped) == sorted(map(str, broken))
    assert len([one for one in caplog.messages if one.startswith("Left out: ")]) == 2


def test_the_substitute_does_not_depend_on_what_was_met_before(flowers):
    (flowers / "rose" / "003.png").write_bytes(b"")
    fresh, used = (train(files(flowers), (20, 30)) for _ in range(2))
    epoch_of(used)
    fresh.epoch = 1
    np.testing.assert_array_equal(epoch_of(fresh)[0], epoch_of(used)[0])


def test_the_substitute_is_another_one_in_another_epoch(flowers):
    (flowers / "rose" / "003.png").write_bytes(b"")
    source = files(flowers)
    broken = source.files.index("rose/003.png")
    batches = train(source, (20, 30))
    found = {next(batches._samples._candidates(epoch, broken)) for epoch in range(3)}
    assert found == {broken}
    second = {list(islice(batches._samples._candidates(epoch, broken), 2))[1] for epoch in range(9)}
    assert len(second) > 3


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_file_is_what_it_holds_whatever_its_name_says(tmp_path, form):
    pixels = np.full((8, 8, 3), 80, np.uint8)
    for name in ("a.jpg", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name, form)
    source = FileSource(str(tmp_path), ["a.jpg", "b.png"], [0, 1], 3)
    for image in train(source, (8, 8)).images([0, 1]):
        np.testing.assert_allclose(image, pixels, atol=2)


@pytest.mark.parametrize("workers", [0, 1])
def test_training_stops_where_nothing_can_be_read(tmp_path, workers):
    batches = train(FileSource(str(tmp_path), ["a.png", "b.png"], [0, 1], 3), workers=workers)
    text = r"Received: 20 in a row that cannot, the last one .*[ab]\.png does not exist$"
    with pytest.raises(RuntimeError, match=text):
        epoch_of(batches)


@pytest.mark.parametrize("workers", [0, 1])
def test_elsewhere_a_broken_file_is_an_error_and_never_replaced(flowers, workers):
    (flowers / "rose" / "003.png").write_bytes(b"")
    val = Batches(files(flowers), "val", image_size=(20, 30), batch_size=9, workers=workers)
    with pytest.raises(ImageError, match=r"003\.png is empty\.$"):
        epoch_of(val)


def test_photos_of_all_sizes_are_brought_to_one(tmp_path, classes):
    folder = classes(tmp_path, 4)
    Image.new("RGB", (90, 40), (200, 0, 0)).save(folder / "rose" / "000.png")
    source = files(folder, count=4)
    for operations in [(), (RandomResizedCrop((16, 12)),), (RandomShift(),)]:
        images, _ = epoch_of(train(source, (16, 12), operations=operations))
        assert images.shape == (12, 16, 12, 3)


def test_images_for_reports_are_those_of_evaluation(flowers):
    operations = (RandomResizedCrop((16, 16)),)
    batches = train(files(flowers), (16, 16), crop_pct=0.875, operations=operations)
    val = Batches(files(flowers), "val", image_size=(16, 16), batch_size=30, crop_pct=0.875)
    np.testing.assert_array_equal(batches.images([3, 17]), next(iter(val))[0].numpy()[[3, 17]])
    assert batches.name(3) == str(flowers / "rose" / "003.png")


def test_an_operation_that_changes_the_size_is_named():
    batches = train(numbered(12), operations=(lambda image, rng: image[:2],))
    with pytest.raises(ValueError, match=r"images of size \(4, 4\). Received: .* size \(2, 4\)"):
        next(iter(batches))


def test_labels_and_names_follow_the_source():
    subset = Subset(numbered(10), np.array([7, 2, 5]))
    val = Batches(subset, "val", image_size=(4, 4), batch_size=2)
    assert val.labels.tolist() == [1, 2, 2]
    assert val.name(0) == "toys/train/7"
    assert val.source[1][0][0, 0, 0] == 2
    assert val.batch_size == 2


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        ({}, "a0433ea9bf13dbe9cdd834373f2750ff53b3ea214eec3226d134afa060392fe9"),
        (
            {"workers": 2, "batch_size": 100},
            "93b799b9fe1d012f8a300ed3ffb67498a9539e7b8f08e7a74b9e2f967cc11ec5",
        ),
    ],
)
def test_the_batches_of_the_published_runs_are_what_they_were(options, digest):
    data, found = load("fashion_mini", augment="flip_shift", seed=3, **options), hashlib.sha256()
    for batches in (data.train, data.train, data.val):
        for images, labels in batches:
            found.update(images.numpy().tobytes() + labels.numpy().tobytes())
    assert found.hexdigest() == digest


def test_a_run_goes_on_with_the_same_images_when_its_loaders_are_killed(flowers, caplog):
    operations = (RandomResizedCrop((16, 16)), RandomShift(1))
    alone, two = (
        train(files(flowers), (16, 16), operations=operations, workers=count) for count in (0, 2)
    )
    expected, seen = list(alone), []
    for batch in two:
        seen.append(batch)
        if len(seen) in (1, 3):
            for process in two.processes:
                os.kill(process, signal.SIGKILL)
    assert len(seen) == 5
    for one, other in zip(expected, seen, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    assert "A loader process ended (SIGKILL)" in caplog.text


def test_loader_processes_end_with_their_batches():
    batches = train(numbered(24), workers=2)
    assert batches.processes == []
    epoch_of(batches)
    first = batches.processes
    epoch_of(batches)
    assert batches.processes == first
    batches.close()
    assert batches.processes == []
    epoch_of(batches)
    assert len(batches.processes) == 2


def test_test_images_leave_no_processes_behind():
    test = Batches(numbered(9), "test", image_size=(4, 4), batch_size=4, workers=1)
    epoch_of(test)
    assert test.processes == []


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_that_is_kept_is_not_written_into(workers):
    batches = train(noise(48), (8, 8), workers=workers)
    kept = [images for _ in range(2) for images, _ in batches]
    again = train(noise(48), (8, 8))
    for images, (expected, _) in zip(kept, (one for _ in range(2) for one in again), strict=True):
        assert torch.equal(images, expected)


def photo(path, size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 40, size[0] // 40, 3), np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path, quality=90)


def test_a_large_photo_is_reduced_while_decoded_and_cut_at_the_same_place(tmp_path, monkeypatch):
    photo(tmp_path / "a.jpg", (1200, 900))
    source = FileSource(str(tmp_path), ["a.jpg"] * 12, np.arange(12) % 3, 3)
    operations = (RandomResizedCrop((32, 32), scale=(0.3, 1)), HorizontalFlip(), RandomShift(1))
    reduced = epoch_of(train(source, (32, 32), operations=operations))[0]
    seen = []
    monkeypatch.setattr(
        RandomResizedCrop, "reduction", lambda crop, rectangle: seen.append(rectangle) or 1
    )
    full = epoch_of(train(source, (32, 32), operations=operations))[0]
    assert len(seen) == 12
    difference = abs(reduced.astype(int) - full)
    assert 0 < difference.mean() < 2


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("text", ["crop", "crop(0.08,1,fast)", "crop+flip", "crop+flip+vflip"])
def test_an_image_does_not_depend_on_its_place_in_the_batch(tmp_path, text, channels):
    photo(tmp_path / "a.jpg", (120, 90))
    source = FileSource(str(tmp_path), ["a.jpg"] * 8, np.zeros(8, np.int64), channels)
    samples = train(source, (32, 24), operations=augment.build(text, (32, 24))).dataset
    first = np.concatenate([samples.fill([(0, index)]).images for index in range(8)])
    memory = np.full(12 * 32 * 24 * 3, 77, np.uint8)
    second = samples.fill([(0, index) for index in (0, *range(8))], memory).images
    np.testing.assert_array_equal(second[1:], first)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_the_memory_of_a_loader_process_is_flat_over_ten_epochs(tmp_path):
    for number in range(8):
        photo(tmp_path / f"{number}.jpg", (500 + 40 * number, 400))
    names = [f"{number % 8}.jpg" for number in range(64)]
    source = FileSource(str(tmp_path), names, np.zeros(64, np.int64), 3)
    operations = augment.build("crop(0.08,1,fast)+flip+randaugment", (96, 96))
    batches = train(source, (96, 96), batch_size=16, operations=operations, workers=1)
    own = []
    for _ in range(10):
        assert len(list(batches)) == 4
        own.append(psutil.Process(batches.processes[0]).memory_full_info().uss / 2**20)
    # Decoded, one of the photos takes 0.9 MB: a process that kept them would grow by 57 an epoch.
    assert max(own[3:]) - own[2] < 4
    batches.close()


def test_images_grow_from_epoch_to_epoch(flowers):
    sizes, operations = Growing(8, 16, 3, step=4), (RandomResizedCrop((16, 16)), HorizontalFlip())
    batches = train(files(flowers), (16, 16), operations=operations, sizes=sizes, workers=1)
    assert [epoch_of(batches)[0].shape[1:3] for _ in range(4)] == [
        (8, 8),
        (12, 12),
        (16, 16),
        (16, 16),
    ]
    val = Batches(files(flowers), "val", image_size=(16, 16), batch_size=9, sizes=sizes)
    assert epoch_of(val)[0].shape[1:3] == (16, 16)


def test_an_image_that_is_repeated_comes_with_other_changes():
    batches = train(noise(24), (8, 8), operations=(RandomShift(2),), repeats=3)
    images, labels = epoch_of(batches)
    assert len(images) == 24
    assert (labels.reshape(8, 3) == labels.reshape(8, 3)[:, :1]).all()
    assert len({image.tobytes() for image in images}) > 20
    once = train(noise(24), (8, 8), operations=(RandomShift(2),))
    index = draws.order(24, 0, 0)[0]
    expected = RandomShift(2)(noise(24)[index][0], draws.generator(0, 0, index))
    np.testing.assert_array_equal(images[0], expected)
    np.testing.assert_array_equal(epoch_of(once)[0][0], expected)


def test_labels_of_several_classes_are_float32():
    labels = np.eye(3, dtype=np.float32)[np.arange(12) % 3] + np.eye(3)[np.zeros(12, int)]
    pictures = np.zeros((12, 4, 4), np.uint8)
    _, given = next(iter(train(ArraySource(pictures, np.minimum(labels, 1), 1, "toys", "train"))))
    assert (given.dtype, tuple(given.shape)) == (torch.float32, (6, 3))


def test_load_passes_sampling_repeats_and_sizes_to_training_only(flowers):
    data = load(
        f"folder:{flowers}",
        image_size=16,
        batch_size=9,
        augment="crop",
        sampling="balanced",
        repeats=3,
        growing=(8, 2),
    )
    images, labels = next(iter(data.train))
    assert images.shape[1:3] == (8, 8)
    assert (labels.reshape(3, 3) == labels[::3, None]).all()
    assert next(iter(data.val))[0].shape[1:3] == (16, 16)


def weighed(count):
    """A source whose image i weighs i / 2."""
    source = numbered(count)
    source.weights = np.arange(count, dtype=np.float32) / 2
    return source


def test_weights_come_with_the_images_they_belong_to():
    batches = train(weighed(12))
    for images, labels, weights in batches:
        assert weights.dtype == torch.float32
        np.testing.assert_array_equal(weights, images[:, 0, 0, 0] / 2)
        assert labels.dtype == torch.int64
    assert len(next(iter(train(numbered(12))))) == 2


def test_only_training_batches_have_weights():
    batches = Batches(weighed(6), "val", image_size=(4, 4), batch_size=6)
    assert batches.weights is None
    assert len(next(iter(batches))) == 2


def test_weights_that_are_given_replace_those_of_the_source():
    batches = train(weighed(12), weights=np.full(12, 3.0))
    assert {tuple(weights.tolist()) for _, _, weights in batches} == {(3.0,) * 6}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_substitute_brings_its_own_weight(flowers, workers):
    (flowers / "rose" / "003.png").write_bytes(b"broken")
    source = files(flowers)
    # it says which image it belongs to, and the image says so too
    source.weights = np.arange(30, dtype=np.float32)
    batches = train(source, size=(20, 30), batch_size=10, workers=workers)
    broken = source.files.index("rose/003.png")
    seen = []
    for images, labels, weights in batches:
        seen += weights.tolist()
        np.testing.assert_array_equal(labels, source.labels[weights.numpy().astype(int)])
        np.testing.assert_array_equal(images[:, 0, 0, 0], weights.numpy() % 10)
    batches.close()
    assert broken not in seen
    assert len(seen) == 30


def test_keras_trains_with_the_weights_by_the_closed_form():
    source = weighed(12)
    batches = train(source, batch_size=12)
    model = small_model()
    images, labels, weights = next(iter(batches))
    scores = np.exp(np.asarray(model.predict_on_batch(images.numpy()), np.float64))
    each = -np.log(scores[np.arange(12), labels] / scores.sum(1))
    batches.epoch = 0
    found = model.fit(batches, shuffle=False, verbose=0).history["loss"][0]
    assert found == pytest.approx((weights.numpy() * each).mean(), rel=1e-5)
    assert found != pytest.approx(each.mean(), rel=1e-2)

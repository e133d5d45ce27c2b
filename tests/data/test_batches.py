"""Batches: what Keras and the loader processes make of them."""

import keras
import numpy as np
import pytest
import torch
from PIL import Image

from kcv.data import Batches, ImageError, draws
from kcv.data.augment import HorizontalFlip, RandomResizedCrop, RandomShift
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

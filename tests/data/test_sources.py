"""Sources: labelled images by number."""

import io

import numpy as np
import pytest
from PIL import Image

from kcv.data import ImageError
from kcv.data.sources import (
    ArraySource,
    FileSource,
    Joined,
    PackedSource,
    Subset,
    count_classes,
)

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([0, 1, 0, 1, 0])
with io.BytesIO() as _file:
    Image.new("RGB", (2, 2)).save(_file, "PNG")
    PNG = _file.getvalue()


def array_source(channels=1):
    return ArraySource(IMAGES, LABELS, channels, "toys", "train")


def file_source(folder, channels=3):
    return FileSource(str(folder), ["rose/000.png", "grass 草/001.png"], [2, 0], channels)


def test_an_array_source_gives_image_label_and_name():
    image, label = array_source()[3]
    assert image.shape == (2, 3, 1)
    assert (image[..., 0] == IMAGES[3]).all()
    assert label == 1
    assert array_source().name(3) == "toys/train/3"
    assert array_source().key(3) == "train/3"
    assert len(array_source()) == 5
    assert array_source().labels.dtype == np.int64


def test_grey_arrays_are_repeated_without_a_copy():
    source = array_source(channels=3)
    assert source[1][0].shape == (2, 3, 3)
    assert (source[1][0] == IMAGES[1][..., None]).all()
    assert np.shares_memory(source.images, IMAGES)


def test_colour_arrays_become_grey():
    red = np.full((2, 4, 4, 3), (200, 0, 0), np.uint8)
    image, _ = ArraySource(red, LABELS[:2], 1, "toys", "train")[1]
    assert image.shape == (4, 4, 1)
    assert (image == 60).all()


def test_nobody_can_write_into_an_array_source():
    with pytest.raises(ValueError, match="read-only"):
        array_source()[0][0][:] = 0


def test_a_file_source_decodes_when_asked(flowers):
    source = file_source(flowers)
    image, label = source[1]
    assert image.shape == (20, 30, 3)
    assert (image[-1, 0] == (0, 200, 0)).all()
    assert label == 0
    assert source.name(1) == str(flowers / "grass 草" / "001.png")
    assert source.key(1) == "grass 草/001.png"
    assert source.problem(1) is None
    assert file_source(flowers, channels=1)[0][0].shape == (20, 30, 1)


def test_a_file_source_tells_what_cannot_be_read(flowers):
    (flowers / "rose" / "000.png").write_bytes(b"")
    assert file_source(flowers).problem(0) == "is empty"
    with pytest.raises(ImageError, match=r"000\.png is empty"):
        file_source(flowers)[0]


def test_a_subset_gives_the_chosen_images_in_their_order():
    subset = Subset(Subset(array_source(), np.array([4, 1, 3])), np.array([2, 0]))
    assert len(subset) == 2
    assert subset.labels.tolist() == [1, 0]
    assert (subset[0][0][..., 0] == IMAGES[3]).all()
    assert subset[1][1] == 0
    assert [subset.key(0), subset.name(1)] == ["train/3", "toys/train/4"]
    assert subset.problem(0) is None
    assert subset.in_memory


def test_joined_sources_are_counted_through(flowers):
    joined = Joined([array_source(3), file_source(flowers)])
    assert len(joined) == 7
    assert joined.labels.tolist() == [*LABELS, 2, 0]
    assert joined[4][0].shape == (2, 3, 3)
    assert joined[5][0].shape == (20, 30, 3)
    assert [joined.key(4), joined.key(5)] == ["train/4", "rose/000.png"]
    assert joined.name(6).endswith("001.png")
    assert joined.problem(6) is None
    assert not joined.in_memory
    with pytest.raises(IndexError, match="There are 7 images. Received: index=7"):
        joined[7]


HOT = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 1]], np.float32)


def test_several_classes_are_rows_of_ones_and_zeros():
    source = ArraySource(IMAGES, HOT.astype(bool), 1, "toys", "train")
    assert source.labels.dtype == np.float32
    assert source[1][1].tolist() == [1, 1]
    joined = Joined([Subset(source, np.array([3])), source])
    np.testing.assert_array_equal(joined.labels, np.concatenate([HOT[3:4], HOT]))
    assert count_classes(joined.labels, 2).tolist() == [3, 4]
    assert count_classes(LABELS, 3).tolist() == [3, 2, 0]


def test_weights_go_with_their_images(flowers):
    files = ["rose/000.png", "rose/001.png"]
    weighted = FileSource(str(flowers), files, [2, 2], 3, weights=[0.5, 2])
    joined = Joined([file_source(flowers), Subset(weighted, np.array([1, 0]))])
    assert joined.weights.tolist() == [1, 1, 2, 0.5]
    assert Joined([file_source(flowers)]).weights is None
    assert array_source().weights is None


def test_the_content_of_a_file_and_the_pixels_of_an_array_can_be_had(flowers):
    joined = Joined([Subset(array_source(3), np.array([4])), file_source(flowers)])
    assert (joined.encoded(0)[..., 1] == IMAGES[4]).all()
    assert joined.encoded(1) == (flowers / "rose" / "000.png").read_bytes()


def test_a_packed_source_names_what_it_cannot_read():
    source = PackedSource([PNG, b""].__getitem__, ["a/0", "a/1"], [0, 1], 3, "toys")
    assert source[0][0].shape == (2, 2, 3)
    assert source.encoded(0) == PNG
    assert [source.problem(0), source.problem(1)] == [None, "is empty"]
    with pytest.raises(ImageError, match="toys/a/1 is empty"):
        source[1]


def test_an_absolute_path_is_not_looked_for_in_the_folder(flowers):
    path = str(flowers / "rose" / "000.png")
    assert FileSource("elsewhere", [path], [0], 3).name(0) == path

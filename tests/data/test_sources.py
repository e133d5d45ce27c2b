"""Sources: labelled images by number."""

import numpy as np
import pytest

from kcv.data import ImageError
from kcv.data.sources import ArraySource, FileSource, Joined, Subset

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([0, 1, 0, 1, 0])


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

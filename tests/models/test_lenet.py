"""LeNet-5."""

import pytest

from kcv.models.lenet import lenet


def test_digits_of_28_pixels_with_the_small_stem_give_the_network_of_the_paper():
    net = lenet(image_size=28, stem="small")
    assert net.count_params() == 61706
    assert net.get_layer("features").output.shape[1:] == (5, 5, 16)


def test_maps_have_the_sizes_of_the_paper():
    net = lenet()
    sizes = [net.get_layer(name).output.shape[1] for name in ("stage1", "stage2", "features")]
    assert sizes == [28, 10, 5]


def test_the_smallest_image_is_named_when_one_is_smaller():
    with pytest.raises(ValueError, match="too small"):
        lenet(image_size=8)


def test_there_is_no_medium_stem():
    with pytest.raises(ValueError, match='stem must be "standard" or "small". Received'):
        lenet(stem="medium")

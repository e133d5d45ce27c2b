"""MobileNet: its padding."""

import numpy as np
import pytest

from kcv.models.mobilenet_v1 import mobilenet_v1

TINY = {"width": 0.25, "num_classes": None}


def difference(image_size, rng):
    """Return how far the two paddings lie apart, with the same weights."""
    nets = [mobilenet_v1(image_size=image_size, padding=p, **TINY) for p in ("symmetric", "same")]
    nets[1].set_weights(nets[0].get_weights())
    x = rng.normal(size=(1, image_size, image_size, 3)).astype("float32")
    return np.abs(np.subtract(*(net.predict(x, verbose=0) for net in nets))).max()


def test_the_two_paddings_differ_where_a_map_has_an_even_side(rng):
    assert difference(32, rng) > 1e-4


def test_the_two_paddings_agree_where_all_maps_have_odd_sides(rng):
    assert difference(33, rng) < 1e-6


def test_depth_multiplies_the_blocks():
    count = lambda depth: len(mobilenet_v1(depth=depth, **TINY).weights)  # noqa: E731
    assert count(2.0) - count(1.0) == 13 * 10  # two convolutions and normalisations a block


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match='"symmetric" or "same". Received: padding=\'valid\''):
        mobilenet_v1(padding="valid", **TINY)

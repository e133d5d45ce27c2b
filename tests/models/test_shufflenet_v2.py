"""ShuffleNetV2: its unit."""

import keras
import numpy as np
import pytest

from kcv.models.shufflenet_v2 import shuffle_unit, shufflenet_v2


def test_half_of_the_channels_pass_untouched(rng):
    image = keras.Input((6, 6, 12))
    net = keras.Model(image, shuffle_unit(image, 12))
    x = rng.normal(size=(2, 6, 6, 12)).astype("float32")
    np.testing.assert_array_equal(net.predict(x, verbose=0)[..., ::2], x[..., :6])


def test_a_strided_unit_widens_and_halves():
    image = keras.Input((7, 7, 12))
    assert shuffle_unit(image, 30, 2).shape == (None, 4, 4, 30)


def test_width_gives_even_numbers_of_channels():
    net = shufflenet_v2(width=0.33, depths=(1, 1, 1), num_classes=4)
    widths = [net.get_layer(f"stage{i}").output.shape[-1] for i in (3, 4, 5)]
    assert widths == [38, 76, 154]


def test_every_stage_needs_a_width_and_a_depth():
    with pytest.raises(ValueError, match=r"Received: widths=\(116, 232, 464\), depths=\(4, 8\)"):
        shufflenet_v2(depths=(4, 8))

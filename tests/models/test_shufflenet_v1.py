"""ShuffleNet: its unit, and the numbers of groups."""

import keras
import numpy as np
import pytest

from kcv.layers import Conv2D
from kcv.models.shufflenet_v1 import WIDTHS, shuffle_unit, shufflenet_v1


def unit(width, stride, groups=3):
    image = keras.Input((6, 6, 12))
    return keras.Model(image, shuffle_unit(image, width, stride, groups=groups))


def test_a_strided_unit_keeps_the_averaged_input(rng):
    net = unit(24, 2)
    x = rng.normal(size=(1, 6, 6, 12)).astype("float32")
    padded = np.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    rows = [[padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] for j in range(3)] for i in range(3)]
    wanted = np.array([[w.sum((1, 2)) / 9 for w in row] for row in rows]).transpose(2, 0, 1, 3)
    np.testing.assert_allclose(net.predict(x, verbose=0)[..., :12], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("width", "stride"), [(12, 1), (24, 2)])
def test_both_units_give_the_width_asked_for(width, stride):
    assert unit(width, stride).output_shape == (None, 6 // stride, 6 // stride, width)


def test_the_first_convolution_of_the_first_unit_is_not_grouped():
    net = shufflenet_v1(groups=4, depths=(2, 1, 1), num_classes=4)
    groups = [c.groups for c in net.layers if isinstance(c, Conv2D)]
    assert groups == [1, 1, 4, 4, 4, 4, 4, 4, 4]  # the stem, then two for each unit


@pytest.mark.parametrize("groups", sorted(WIDTHS))
@pytest.mark.parametrize("width", [0.3, 1.25])
def test_every_width_fits_the_groups(groups, width):
    net = shufflenet_v1(groups=groups, width=width, depths=(1, 1, 1), num_classes=4)
    assert net.get_layer("stage5").output.shape[-1] % (4 * groups) == 0


def test_numbers_of_groups_outside_the_paper_are_refused():
    with pytest.raises(ValueError, match=r"one of \[1, 2, 3, 4, 8\]. Received: groups=5"):
        shufflenet_v1(groups=5)
